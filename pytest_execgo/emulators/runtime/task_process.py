"""The process of a task: how it is started, watched, signalled, and adopted after a restart.

Between the runtime and the task is a shim (:mod:`pytest_execgo.emulators.runtime.shim`). As with the
real runtime, tasks and shims outlive a runtime that is killed or ended, and the next runtime of the same
data folder adopts them.
"""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from time import monotonic, sleep, time
from typing import BinaryIO

from pytest_execgo.emulators.runtime import shim
from pytest_execgo.emulators.runtime.request import Submission

PASSED_ENVIRONMENT = ("PATH", "HOME", "LANG", "TMPDIR", "USER")
_LOOK_SECONDS = 0.02
_LOCK = "shim.lock"
_SHIM = str(Path(shim.__file__).resolve())


@dataclass(frozen=True)
class Ended:
    """How a task ended. ``code`` is negative for a signal, and ``None`` if the end is not on record.
    ``finished_at`` is in seconds since 1970, ``seconds`` the duration."""

    code: int | None
    finished_at: float
    seconds: float


class TaskProcess:
    """A task that has started. ``pid`` is also the id of its process group."""

    def __init__(self, folder: Path, own: subprocess.Popen[bytes] | None) -> None:
        facts = _read(folder / "process.txt")
        self.pid = int(facts["pid"])
        self.shim_pid = int(facts["shim_pid"])
        self.started_at = facts["started_at"]
        # A data folder may be used again after a restart of the machine, whose clock begins anew.
        self.began = min(facts["began"], monotonic())
        self._folder, self._own = folder, own

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end; whether it came within ``seconds``."""
        if self._own is not None:
            with suppress(subprocess.TimeoutExpired):
                self._own.wait(seconds)
            return self._own.returncode is not None
        deadline = None if seconds is None else monotonic() + seconds
        while is_held(self._folder):
            if deadline is not None and monotonic() >= deadline:
                return False
            sleep(_LOOK_SECONDS)
        return True

    def ended(self) -> Ended:
        """How it ended; only after :meth:`wait` returned true."""
        if self._own is not None:
            return Ended(self._own.returncode, time(), monotonic() - self.began)
        with suppress(OSError, ValueError, KeyError):
            facts = _read(self._folder / "exit.txt")
            return Ended(int(facts["code"]), facts["finished_at"], facts["seconds"])
        return Ended(None, time(), 0.0)

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process group, if the task has not ended."""
        if self._own is not None and self._own.poll() is not None:
            return
        if self._own is None and not is_held(self._folder):
            return
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


def start(
    submission: Submission,
    folder: Path,
    out: BinaryIO,
    err: BinaryIO,
) -> TaskProcess:
    """Start a task with its files in ``folder``.

    Raises :class:`OSError` if the program cannot be started, and :class:`ValueError` for a NUL byte or a
    lone surrogate in a word of the command.
    """
    passed = {k: os.environ[k] for k in PASSED_ENVIRONMENT if k in os.environ}
    request = _request(_command(submission, folder), {**passed, **submission.env})
    answer, report = os.pipe()
    lock = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
    # The shim inherits the lock. If it took it itself, there would be a time in which neither has it.
    fcntl.flock(lock, fcntl.LOCK_EX)
    with os.fdopen(answer, "rb") as answers:
        try:
            process = subprocess.Popen(
                [
                    sys.executable,
                    "-I",
                    "-S",
                    "-X",
                    "utf8",
                    _SHIM,
                    str(folder),
                    str(report),
                    str(lock),
                ],
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=err,
                cwd=folder / "workspace" / submission.workspace_subdir,
                env=passed,
                pass_fds=(report, lock),
                start_new_session=True,
            )
        finally:
            os.close(report)
            os.close(lock)
        assert process.stdin is not None
        with suppress(BrokenPipeError), process.stdin as pipe:
            pipe.write(request)
        kind, _, number = answers.read().partition(b" ")
    if kind == b"pid":
        return TaskProcess(folder, process)
    process.kill()
    process.wait()
    code = int(number or errno.EIO)
    raise OSError(code, os.strerror(code))


def adopt(folder: Path) -> TaskProcess | None:
    """The task that an earlier runtime started, whether or not it has ended; ``None`` if it has not
    started."""
    path = folder / "process.txt"
    while not path.exists() and is_held(folder):
        # Its shim is about to start it.
        sleep(_LOOK_SECONDS)
    try:
        return TaskProcess(folder, None)
    except (OSError, ValueError, KeyError):
        return None


def is_held(folder: Path) -> bool:
    """Whether the shim of a task is alive. Its process id may be in use again; its lock cannot."""
    try:
        lock = os.open(folder / _LOCK, os.O_RDONLY)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(lock)
    return False


def _read(path: Path) -> dict[str, float]:
    lines = path.read_text(encoding="ascii").splitlines()
    return {name: float(value) for name, _, value in (line.partition(" ") for line in lines)}


def _request(command: Sequence[str], environment: Mapping[str, str]) -> bytes:
    if any("=" in name for name in environment):
        raise ValueError("illegal environment variable name")
    pairs = [f"{name}={value}" for name, value in environment.items()]
    words = [os.fsencode(word) for word in (*command, *pairs)]
    if any(b"\0" in word for word in words):
        raise ValueError("embedded null byte")
    return b"\0".join([b"%d" % len(command), b"%d" % len(pairs), *words])


def _command(submission: Submission, folder: Path) -> list[str]:
    """The arguments of the process, with ``ulimit`` in front if the task has limits."""
    if submission.kind == "command":
        command = [submission.program, *submission.args]
    else:
        path = folder / submission.script_name
        path.write_text(submission.script, encoding="utf-8")
        path.chmod(0o700)
        plain = ["/bin/sh", "-c", submission.script]
        command = [*submission.interpreter, str(path)] if submission.interpreter else plain
    limits = []
    if submission.memory_bytes is not None:
        limits.append(f"ulimit -v {max(1, submission.memory_bytes // 1024)}")
    if submission.cpu_time_sec:
        # The kernel sends SIGXCPU at the soft limit and SIGKILL at the hard one.
        seconds = submission.cpu_time_sec
        limits.append(f"ulimit -S -t {seconds}; ulimit -H -t {seconds + 1}")
    if not limits:
        return command
    # The shell would report a missing program as exit 127, so check first whether it exists.
    if shutil.which(command[0], path=submission.env.get("PATH")) is None:
        raise FileNotFoundError(2, "No such file or directory")
    return ["/bin/sh", "-c", "; ".join([*limits, 'exec "$@"']), "sh", *command]
