"""Frozen, strict documents: what is written to disk and passed between the layers.

Nothing here imports another part of the package (but ``errors``), does network or starts a process.
"""
