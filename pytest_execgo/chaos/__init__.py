"""Faults: what they are, when they strike, and how they are undone."""
