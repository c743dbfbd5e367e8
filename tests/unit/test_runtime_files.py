"""What the files that a runtime keeps of a task show."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.observability.runtime_files import request_difference, stdout_in_file

PAYLOAD: dict[str, Any] = {
    "execution": {"kind": "command", "program": "x", "args": ["a", "b"], "env": {"A": "1"}},
    "limits": {"wall_time_ms": 5},
    "unknown": {"is": "dropped"},
}
KEPT: dict[str, Any] = {
    "task_id": "t1",
    "execution": {**PAYLOAD["execution"], "script": None, "interpreter": None},
    "limits": {"wall_time_ms": 5.0, "stdout_max_bytes": 4194304},
    "policy": None,
}


def task(folder: Path, kept: Any = KEPT, stdout: bytes = b"out", **members: Any) -> dict[str, Any]:
    """A task as ExecGo returns it, and the files that the runtime keeps of it."""
    request, out = folder / "request.json", folder / "stdout.log"
    request.write_text(kept if isinstance(kept, str) else json.dumps(kept))
    out.write_bytes(stdout)
    artifacts = {"request_path": str(request), "stdout_path": str(out)}
    output = {"stdout": "out", "artifacts": artifacts}
    return {"id": "t1", "input": PAYLOAD, "runtime": {"output": output}, **members}


def changed(part: str, **members: Any) -> dict[str, Any]:
    return {**KEPT, part: {**KEPT[part], **members}}


@pytest.mark.parametrize(
    ("kept", "expected"),
    [
        (KEPT, None),
        (changed("execution", env={"A": "1", "B": "2"}), None),
        (changed("execution", env={"A": "2"}), "env.A"),
        (changed("execution", env={}), "env.A"),
        (changed("execution", env=None), "env"),
        (changed("execution", args=["a"]), "args"),
        (changed("execution", program="y"), "program"),
        (changed("limits", wall_time_ms=7), "wall_time_ms"),
        ({**KEPT, "execution": None}, "kind"),
        # The request of another task, or of none.
        ({**changed("execution", program="y"), "task_id": "t2"}, None),
        ("[]", None),
        ("{", None),
        ("[" * 100_000, None),
    ],
)
def test_the_first_member_that_the_runtime_got_otherwise_is_found(
    tmp_path: Path, kept: Any, expected: str | None
) -> None:
    assert request_difference(task(tmp_path, kept)) == expected


def test_params_are_the_payload_of_a_task_without_input(tmp_path: Path) -> None:
    kept = changed("execution", program="y")
    assert request_difference(task(tmp_path, kept, input=None, params=PAYLOAD)) == "program"


def test_a_task_may_choose_its_id_in_the_runtime(tmp_path: Path) -> None:
    kept = {**changed("execution", program="y"), "task_id": "own"}
    payload = {**PAYLOAD, "task_id": "own"}
    assert request_difference(task(tmp_path, kept, input=payload)) == "program"


@pytest.mark.parametrize(
    ("stdout", "expected"), [(b"out", "out"), (b"other", "other"), (b"\xff", "�"), (b"", "")]
)
def test_the_output_is_what_the_file_holds(tmp_path: Path, stdout: bytes, expected: str) -> None:
    assert stdout_in_file(task(tmp_path, stdout=stdout)) == expected


def test_the_output_ends_at_the_limit_of_the_task(tmp_path: Path) -> None:
    limited = changed("limits", stdout_max_bytes=4)
    assert stdout_in_file(task(tmp_path, limited, "abcé".encode())) == "abc\ufffd"


def test_a_file_that_cannot_be_compared_tells_nothing(tmp_path: Path) -> None:
    assert stdout_in_file(task(tmp_path, stdout=b"x" * 1_000_001)) is None
    assert stdout_in_file(task(tmp_path, kept={**KEPT, "task_id": "t2"})) is None
    seen = task(tmp_path)
    output = seen["runtime"]["output"]
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    for path in ("", "stdout.log", "/a\0b", 7, str(tmp_path), *map(str, tmp_path.glob("[pl]*"))):
        artifacts = {**output["artifacts"], "stdout_path": path}
        other = {**seen, "runtime": {"output": {**output, "artifacts": artifacts}}}
        assert stdout_in_file(other) is None, path
    nothing: list[Any] = [None, {}, {"output": "text"}, {"output": {"artifacts": []}}]
    for runtime in nothing:
        assert stdout_in_file({**seen, "runtime": runtime}) is None
        assert request_difference({**seen, "runtime": runtime}) is None
