"""The embedded engine: ExecGo's HTTP contract (v1.0.0) in one Python process."""

SPEAKS = "v1.0.0"
VERSION = "0.1.0"
