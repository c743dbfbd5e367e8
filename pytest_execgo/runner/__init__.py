"""Executing a plan on ExecGo: bindings, submission, polling, recovery. Knows nothing of pytest."""
