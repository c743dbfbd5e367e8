"""Executes a plan on ExecGo: bindings, submission, polling, resubmission. Does not know pytest."""
