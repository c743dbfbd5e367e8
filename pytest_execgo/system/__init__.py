"""Clocks, processes and sockets, as they are without the tools of the user's tests."""
