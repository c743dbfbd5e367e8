"""A run without pytest: its trials, its fleet, its controls. Here the layers meet."""
