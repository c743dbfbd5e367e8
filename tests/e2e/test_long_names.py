"""What the embedded runtime answers to names that no file can have."""

from __future__ import annotations

import sys

import pytest

from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from pytest_execgo.transport.bounded import fetch


@pytest.mark.parametrize(
    "document",
    [
        {"task_id": "x" * 256},
        {"task_id": "x", "sandbox": {"profile": "process", "workspace_subdir": "y" * 256}},
    ],
    ids=["id", "subfolder"],
)
def test_the_runtime_refuses_names_that_no_file_can_have(document: dict[str, object]) -> None:
    body = {"execution": {"kind": "command", "program": "/bin/true"}, **document}
    with Fleet(FleetSpec(), Registry.build().launchers) as fleet:
        url, headers = fleet.services["runtime"].url, fleet.headers("runtime")
        answer = fetch("POST", f"{url}/api/v1/tasks", json=body, headers=headers, timeout=10)
    # As the real runtime answers.
    message = "io error: File name too long (os error 36)"
    assert (answer.status, answer.json()["error"]["code"]) == (500, "internal")
    assert not sys.platform.startswith("linux") or answer.json()["error"]["message"] == message
