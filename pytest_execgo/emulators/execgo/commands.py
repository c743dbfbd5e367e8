"""Runs a local command for ``os`` shell and ``cli-skills`` tasks, with the error messages of Go."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from dataclasses import dataclass

from pytest_execgo.emulators.execgo.outcome import TaskAttempt

_LOOK_SECONDS = 0.02


@dataclass(frozen=True)
class CommandResult:
    """The result of a command.

    ``error`` is ``None`` for exit status 0. ``exit_code`` is -1 if the command did not exit by itself.
    """

    stdout: str
    stderr: str
    exit_code: int
    error: str | None


def run_command(
    argv: list[str], attempt: TaskAttempt, directory: str | None, *, merge: bool
) -> CommandResult:
    """Run ``argv`` until it ends, the task times out, or the engine stops.

    ``merge``: stderr goes to stdout.
    """
    try:
        process = _spawn(argv, directory, merge=merge)
    except _NotStarted as problem:
        return CommandResult("", "", -1, str(problem))
    killed = False
    while True:
        try:
            out, err = process.communicate(timeout=_LOOK_SECONDS)
            break
        except subprocess.TimeoutExpired:
            remaining = attempt.remaining
            late = remaining is not None and remaining <= 0
            if (late or attempt.stopping.is_set()) and not killed:
                killed = True
                # Kill the whole group: a grandchild with the pipe open would block the slot forever.
                _kill_group(process)
    code = process.returncode
    if code < 0:
        error = f"signal: {signal.strsignal(-code) or -code}".lower()
        return CommandResult(_text(out), _text(err), -1, error)
    return CommandResult(_text(out), _text(err), code, f"exit status {code}" if code else None)


class _NotStarted(Exception):
    pass


def _spawn(argv: list[str], directory: str | None, *, merge: bool) -> subprocess.Popen[bytes]:
    program = argv[0]
    if "/" not in program and shutil.which(program) is None:
        raise _NotStarted(f'exec: "{program}": executable file not found in $PATH')
    try:
        return subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if merge else subprocess.PIPE,
            cwd=directory,
            start_new_session=True,
        )
    except ValueError:
        raise _NotStarted(f"fork/exec {program}: invalid argument") from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        if directory is not None and not os.path.isdir(directory):
            raise _NotStarted(f"chdir {directory}: {reason}") from None
        raise _NotStarted(f"fork/exec {program}: {reason}") from None


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError, AttributeError):
        process.kill()


def _text(data: bytes | None) -> str:
    return (data or b"").decode("utf-8", "replace")
