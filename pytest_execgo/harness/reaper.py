"""``python -m pytest_execgo.harness.reaper TOKEN FOLDER``: cleans up after a pytest that was killed.

It waits on its standard input, which closes when its parent is gone for whatever reason, then ends
every process whose environment carries the token, and removes the folder. Services and the tasks
they started inherit the token (a real runtime passes only a few variables on to its tasks, TMPDIR
among them, so the token is part of that path).
"""

from __future__ import annotations

import os
import shutil
import signal
import sys
from contextlib import suppress
from time import monotonic, sleep


def sweep(token: str, timeout: float = 2.0) -> list[int]:
    """SIGKILL all processes that carry ``token``; returns their ids, once they are gone."""
    import psutil

    ended: list[int] = []
    deadline = monotonic() + timeout
    while True:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.pid != os.getpid() and token in "\0".join(process.environ().values()):
                    found.append(process)
        if not found or monotonic() > deadline:
            return ended
        for process in found:
            with suppress(psutil.Error):
                process.kill()
                ended.append(process.pid)
        psutil.wait_procs(found, timeout=0.2)
        sleep(0)


def main(argv: list[str]) -> int:
    """Wait for the end of standard input, then sweep."""
    token, folder = argv
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    while os.read(0, 4096):
        pass
    sweep(token)
    shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
