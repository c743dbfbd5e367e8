"""``python -m pytest_execgo.harness.reaper TOKEN FOLDER``: cleans up after a pytest that was killed.

It waits on its standard input, which closes when its parent is gone for whatever reason, then ends
every process whose environment carries the token, removes the containers and networks that carry it
as a label (``--containers``), and removes the folder. Services and the tasks they started inherit the
token (a real runtime passes only a few variables on to its tasks, TMPDIR among them, so the token is
part of that path).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep

from pytest_execgo.harness.files import remove_tree

_ALL_GONE = b"."


class Reaper:
    """The process that outlives us if we are killed."""

    def __init__(self, token: str, folder: Path, *, containers: bool) -> None:
        self._token = token
        flags = ["--containers"] if containers else []
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__, *flags, token, str(folder)],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def dismiss(self, *, clean: bool) -> None:
        """End what is left of the fleet's processes, and the reaper. ``clean``: of containers and
        networks nothing is left."""
        sweep(self._token)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            if clean:
                self._process.stdin.write(_ALL_GONE)
            self._process.stdin.close()
        self._process.wait()


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
    """Wait for the end of standard input, then clean up."""
    *flags, token, folder = argv
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    last = b""
    while heard := os.read(0, 4096):
        last = heard
    sweep(token)
    try:
        if "--containers" in flags and last != _ALL_GONE:
            from pytest_execgo.harness.containers.leftovers import remove_fleet

            remove_fleet(token)
    finally:
        remove_tree(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
