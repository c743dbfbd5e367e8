"""The runtime stub: execgo-runtime's HTTP API (1.1.0) over real child processes."""

SPEAKS = "1.1.0"
VERSION = "0.1.0"
