"""``python -m pytest_execgo.harness.reaper TOKEN FOLDER``: cleans up after a killed pytest.

It waits for the end of its standard input, which closes when its parent ends for any reason. Then it
ends every process of the fleet, removes the containers and networks that have the token as a label
(``--containers``), and removes the folder. Services and their tasks inherit the token as the variable
``PYTEST_EXECGO_FLEET``. A real runtime passes only a few variables on to its tasks, so the token is also
part of ``TMPDIR``. No other variable counts: a program of the user may work in the folder of the fleet.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path

from pytest_execgo.files.workspace import remove_tree
from pytest_execgo.harness.environment import service_environment
from pytest_execgo.system import child, tree
from pytest_execgo.system.clock import monotonic, sleep

FLEET_VARIABLE = "PYTEST_EXECGO_FLEET"
_ALL_GONE = b"."


class Reaper:
    """The child process that cleans up if this process is killed."""

    def __init__(self, token: str, folder: Path, *, containers: bool) -> None:
        self._token = token
        flags = ["--containers"] if containers else []
        needs = ("psutil", "testcontainers", "docker", "requests") if containers else ("psutil",)
        command = child.of_module(__name__, *flags, token, str(folder), needs=needs)
        environment = service_environment(filter(_is_of_docker, os.environ))
        self._process = child.start(command, environment=environment, stdin=subprocess.PIPE)

    def dismiss(self, *, clean: bool) -> None:
        """End remaining processes of the fleet, and the reaper.

        ``clean``: all containers and networks are removed already.
        """
        sweep(self._token)
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            if clean:
                self._process.stdin.write(_ALL_GONE)
            self._process.stdin.close()
        self._process.wait()


def _is_of_docker(name: str) -> bool:
    """Whether a variable says where the engine of containers is, and how to reach it."""
    return name == "XDG_RUNTIME_DIR" or name.startswith(("DOCKER_", "TESTCONTAINERS_"))


def belongs(environment: Mapping[str, str], token: str) -> bool:
    """Whether a process with this environment is a service or a task of the fleet."""
    if environment.get(FLEET_VARIABLE) == token:
        return True
    folder = Path(environment.get("TMPDIR", ""))
    return folder.name == "tmp" and folder.parent.name.startswith(f"{token}-")


def sweep(token: str, timeout: float = 2.0) -> list[int]:
    """SIGKILL all processes of the fleet with this token; returns their ids.

    Waits until they are gone, at most ``timeout`` seconds.
    """
    import psutil

    ended: list[int] = []
    deadline = monotonic() + timeout
    while True:
        found = []
        for process in psutil.process_iter():
            with suppress(psutil.Error, OSError):
                if process.pid != os.getpid() and belongs(process.environ(), token):
                    found.append(process)
        if not found or monotonic() > deadline:
            return ended
        # A daemon may have another environment; it is below the service whose task started it.
        below = [one for process in found for one in tree.descendants(process.pid)]
        for process in (*found, *below):
            with suppress(psutil.Error):
                process.kill()
                ended.append(process.pid)
        psutil.wait_procs(found, timeout=0.2)
        sleep(0)


def main(argv: list[str]) -> int:
    """Wait for the end of standard input, then clean up; returns the exit status."""
    *flags, token, folder = argv
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    # Loaded while there is time: on a busy machine this takes longer than the cleanup.
    import psutil  # noqa: F401

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
