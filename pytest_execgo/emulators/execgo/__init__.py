"""The embedded engine: ExecGo's HTTP contract (v1.0.0) in one Python process.

``SPEAKS`` is the version of the contract, ``VERSION`` that of the emulator.
"""

SPEAKS = "v1.0.0"
VERSION = "0.1.0"
