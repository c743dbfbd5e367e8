"""The environment variables that services start with.

Tasks of type ``shell`` inherit the variables of ExecGo. Those of the user may hold keys, so a service
gets only a short list, and what the scenarios of the run name.
"""

from __future__ import annotations

import os
from collections.abc import Iterable

_NAMES = frozenset(
    {
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "SHELL",
        "TERM",
        "TZ",
        "LANG",
        "LANGUAGE",
        "LD_LIBRARY_PATH",
        "DYLD_LIBRARY_PATH",
        "PYTHONPATH",
        "PYTHONHOME",
        "VIRTUAL_ENV",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
    }
)
_PREFIXES = ("LC_", "EXECGO_")


def service_environment(named: Iterable[str] = ()) -> dict[str, str]:
    """The variables of this process that a service gets.

    These are variables that programs need to run, settings of ExecGo and the runtime (``EXECGO_*``), and
    those in ``named``.
    """
    wanted = _NAMES | set(named)
    return {k: v for k, v in os.environ.items() if k in wanted or k.startswith(_PREFIXES)}
