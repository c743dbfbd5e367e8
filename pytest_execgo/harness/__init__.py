"""Starts, watches and stops the services of a trial. No service outlives pytest."""
