"""Scenario folders: manifests, prompts, checks, and where to find them."""
