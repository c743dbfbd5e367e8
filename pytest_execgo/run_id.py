"""Names of runs; a module of its own because it must cost nothing to import."""

from __future__ import annotations

import secrets
from datetime import datetime


def new_run_id() -> str:
    """``YYYYmmdd-HHMMSS-xxxx`` in local time; unique also within a second."""
    return f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
