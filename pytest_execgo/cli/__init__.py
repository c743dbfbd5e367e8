"""The command line ``python -m pytest_execgo``, for people, CI and the desktop client."""
