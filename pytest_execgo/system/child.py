"""Starts the processes of this package: services, the reaper, matches, and short programs such as git.

A process inherits much from its parent that would change what it does: ignored and blocked signals,
the working folder, the import path, settings of Python in the environment, open files. Everything that
this package starts is started here, in the same state. :mod:`pytest_execgo.system.boot` does the part
that only the new process can do.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from pytest_execgo.errors import HarnessError
from pytest_execgo.system import boot

Process = subprocess.Popen[bytes]
# A test may replace subprocess.Popen to see that the tested code starts nothing.
_popen = subprocess.Popen
_BOOT = str(Path(boot.__file__).resolve())
_REPOSITORY_OF_THE_CALLER = "GIT_"


def python() -> list[str]:
    """Python without the user's settings: no folder of the user, no ``PYTHONPATH``, no
    ``sitecustomize``, no ``-O``, no warnings as errors; texts are UTF-8."""
    cached = ["-B"] if sys.dont_write_bytecode else []
    if sys.pycache_prefix is not None:
        cached += ["-X", f"pycache_prefix={sys.pycache_prefix}"]
    return [sys.executable, "-I", "-S", "-X", "utf8", *cached]


def of_module(module: str, *arguments: str, needs: Sequence[str] = ()) -> list[str]:
    """The command that runs a module of this package, wherever it is installed. The module can import
    the standard library, this package, and what is installed beside the packages in ``needs``."""
    folders = dict.fromkeys(filter(None, map(_folder_of, needs)))
    return [*python(), _BOOT, "module", os.pathsep.join(folders), module, *arguments]


def of_program(command: Sequence[str], environment: Mapping[str, str]) -> list[str]:
    """The command that runs another program, with the process id of the command."""
    return [*python(), _BOOT, "program", environment.get("LC_CTYPE", ""), *command]


def start(
    command: Sequence[str],
    *,
    folder: Path = Path("/"),
    environment: Mapping[str, str] | None = None,
    stdin: int = subprocess.DEVNULL,
    stdout: int | IO[bytes] = subprocess.DEVNULL,
    stderr: int | IO[bytes] = subprocess.DEVNULL,
) -> Process:
    """Start a process in a session of its own: Ctrl-C in the terminal reaches pytest only.

    Raises ``OSError`` if there is no such program, and :class:`HarnessError` if the end of a process
    could not be seen.
    """
    _see_ends_of_processes()
    return _popen(
        command,
        stdin=stdin,
        stdout=stdout,
        stderr=stderr,
        env=None if environment is None else dict(environment),
        cwd=folder,
        start_new_session=True,
    )


def output_of(command: Sequence[str], folder: Path, seconds: float = 5.0) -> str | None:
    """What a short program prints; ``None`` if it is missing, fails, or takes longer than
    ``seconds``."""
    environment = {
        k: v for k, v in os.environ.items() if not k.startswith(_REPOSITORY_OF_THE_CALLER)
    }
    try:
        process = start(command, folder=folder, environment=environment, stdout=subprocess.PIPE)
    except OSError:
        return None
    # Not communicate(timeout=…): where a test froze the time, it would never end.
    limit = threading.Timer(seconds, process.kill)
    limit.daemon = True
    limit.start()
    try:
        text, _ = process.communicate()
    finally:
        limit.cancel()
    return text.decode("utf-8", "replace") if process.returncode == 0 else None


def git_commit(folder: Path) -> str | None:
    """The commit that is checked out in ``folder``; ``None`` if it is not in a repository.

    Hooks of git set variables that name another repository; they do not count.
    """
    found = output_of(["git", "rev-parse", "HEAD"], folder)
    return None if found is None else found.strip()


def _folder_of(package: str) -> str | None:
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return None
    path = Path(spec.origin).resolve()
    return str(path.parent.parent if path.name == "__init__.py" else path.parent)


def _see_ends_of_processes() -> None:
    """Reset SIGCHLD. Where a parent ignored it, exit statuses are lost: each would read as 0."""
    if signal.getsignal(signal.SIGCHLD) is not signal.SIG_IGN:
        return
    if threading.current_thread() is not threading.main_thread():
        raise HarnessError(
            "the signal SIGCHLD is ignored, so exit statuses cannot be read; "
            "reset it in the main thread: signal.signal(signal.SIGCHLD, signal.SIG_DFL)"
        )
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
