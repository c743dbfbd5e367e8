"""Waiting for conditions, for the processes of a fleet to end, and services as processes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psutil


def await_(condition: Callable[[], object], seconds: float = 60.0) -> None:
    """Wait for a condition; fails if it stays false for ``seconds``."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "the condition never came true"
        sleep(0.01)


def processes_with(token: str) -> list[str]:
    """Commands of the processes with a fleet's token in their environment or arguments."""
    found = []
    for process in psutil.process_iter():
        try:
            command, environment = process.cmdline(), process.environ()
        except (psutil.Error, OSError):
            # It is ending: another access to it would raise again.
            continue
        if any(token in word for word in (*command, *environment.values())):
            found.append(" ".join(command))
    return found


@contextmanager
def started(module: str, folder: Path, *words: str, **environment: str) -> Iterator[dict[str, Any]]:
    """The ready line of a service that runs in ``folder``."""
    with subprocess.Popen(
        [sys.executable, "-m", module, *words],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | environment,
    ) as process:
        try:
            assert process.stdout is not None
            printed = []
            for line in process.stdout:
                printed.append(line)
                if line.startswith('{"ready"'):
                    break
            else:
                raise AssertionError("".join(printed))
            # A service blocks if its log is not read and the pipe is full.
            threading.Thread(target=deque, args=(process.stdout, 0), daemon=True).start()
            yield json.loads(line)
        finally:
            process.terminate()


def own_program(folder: Path, service: str) -> Path:
    """A service of this package as a binary, which writes its arguments to its log."""
    program = folder / service
    program.write_text(
        '#!/bin/sh\nfor word in "$@"; do echo "got:$word"; done\n'
        f'[ "$1" = serve ] && shift\nexec {sys.executable} -m pytest_execgo.emulators.{service} "$@"\n'
    )
    program.chmod(0o755)
    return program
