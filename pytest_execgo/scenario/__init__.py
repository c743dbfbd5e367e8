"""Scenario folders: manifests, prompts, checks, and the library of scenarios."""
