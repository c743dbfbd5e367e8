"""Frozen, strict documents: values that are written to disk or passed between layers.

This package imports only ``errors`` from the rest, uses no network and starts no process.
"""
