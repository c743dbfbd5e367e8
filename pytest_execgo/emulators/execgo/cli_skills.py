"""Executor ``cli-skills``: runs a command without a shell, with stdout and stderr in one output."""

from __future__ import annotations

from pytest_execgo.emulators.execgo.commands import run_command
from pytest_execgo.emulators.execgo.gojson import JsonError, Shape, members, read_struct
from pytest_execgo.emulators.execgo.graph import ABSENT
from pytest_execgo.emulators.execgo.outcome import Outcome, TaskAttempt, failure

_SHAPE = Shape("executor.CLISkillInput", {"command": (str, "string"), "args": (list, "[]string")})


def run(attempt: TaskAttempt) -> Outcome:
    """Run one attempt of a ``cli-skills`` task."""
    payload = attempt.spec.payload
    if payload is ABSENT:
        return _nothing("parse cli-skills input: unexpected end of JSON input")
    try:
        params = read_struct(payload, _SHAPE)
    except JsonError as error:
        return _nothing(f"parse cli-skills input: {error}")
    command = params.get("command", "")
    if not command.strip():
        return _nothing("command is required")
    args = params.get("args", [])
    done = run_command([command, *args], attempt, None, merge=True)
    given = isinstance(payload, dict) and members(payload).get("args") is not None
    output = {"command": command, "args": args if given else None, "output": done.stdout}
    if done.error is None:
        return Outcome(True, output)
    return Outcome(False, output, error=failure(f"cli skill command failed: {done.error}"))


def _nothing(message: str) -> Outcome:
    return Outcome(False, error=failure(message), given=False)
