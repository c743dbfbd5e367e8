"""Which variables a service gets, and which processes belong to a fleet."""

from __future__ import annotations

import os

import pytest

from pytest_execgo.harness.environment import service_environment
from pytest_execgo.harness.reaper import belongs
from tests.ids import readable

TOKEN = "execgo-fleet-12-abcd"


def test_a_service_gets_a_short_list_and_the_named_variables(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    given = {
        "PATH": "/bin",
        "LC_ALL": "C.UTF-8",
        "EXECGO_SHELL_POLICY": "allow",
        "GREETING": "hello",
        "OPENAI_API_KEY": "secret",
        "PYTEST_ADDOPTS": "-x",
        "http_proxy": "http://user:secret@proxy",
    }
    monkeypatch.setattr(os, "environ", given)
    found = service_environment({"GREETING", "NOT_SET"})
    assert set(found) == {"PATH", "LC_ALL", "EXECGO_SHELL_POLICY", "GREETING"}


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"PYTEST_EXECGO_FLEET": TOKEN}, True),
        ({"TMPDIR": f"/tmp/{TOKEN}-x7/tmp"}, True),
        ({"PWD": f"/tmp/{TOKEN}-x7"}, False),
        ({"OLDPWD": f"/tmp/{TOKEN}-x7/tmp", "_": f"/tmp/{TOKEN}-x7/run"}, False),
        ({"PYTEST_EXECGO_FLEET": f"{TOKEN}0"}, False),
        ({"PYTEST_EXECGO_FLEET": f"about {TOKEN}"}, False),
        ({"TMPDIR": f"/tmp/{TOKEN}0-x7/tmp"}, False),
        ({"TMPDIR": f"/tmp/{TOKEN}-x7/work"}, False),
        ({"TMPDIR": ""}, False),
        ({}, False),
    ],
    ids=readable,
)
def test_only_processes_with_the_variables_of_the_fleet_belong_to_it(
    environment: dict[str, str], expected: bool
) -> None:
    assert belongs(environment, TOKEN) is expected
