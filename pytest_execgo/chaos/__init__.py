"""Faults: what they are, when they are injected, and how they are healed."""
