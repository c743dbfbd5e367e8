"""The runtime stub: execgo-runtime's HTTP API (1.1.0) over real child processes.

``SPEAKS`` is the version of the API, ``VERSION`` that of the stub.
"""

SPEAKS = "1.1.0"
VERSION = "0.1.0"
