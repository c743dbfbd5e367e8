"""What Docker and the way to it say, told in one line; and which engines will do.

The texts are what an engine (20.10) and its SDK (7.2) really said.
"""

from __future__ import annotations

from typing import Any

import pytest
from docker.errors import APIError, DockerException

from pytest_execgo.harness.containers import engine as docker_engine
from pytest_execgo.harness.containers.engine import explain
from tests.ids import readable


def unreachable(inner: OSError) -> DockerException:
    """As ``docker.from_env`` raises it: a chain of other people's errors."""
    try:
        try:
            raise inner
        except OSError as error:
            raise ConnectionError("Connection aborted.", error) from error
    except ConnectionError as error:
        return DockerException(f"Error while fetching server API version: {error}", error)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (
            unreachable(FileNotFoundError(2, "No such file or directory")),
            "no Docker engine at unix:",
        ),
        (
            unreachable(ConnectionRefusedError(111, "Connection refused")),
            "no Docker engine at unix:",
        ),
        (unreachable(PermissionError(13, "Permission denied")), "no permission on unix:"),
        (
            APIError("500", explanation="write /opt/x: no space left on device"),
            "the disk of Docker is full: write /opt/x: no space left on device; make room",
        ),
        (
            APIError("500", explanation="Bind for 127.0.0.1:80 failed: port is already allocated"),
            "a port is taken: Bind for 127.0.0.1:80 failed",
        ),
        (
            APIError(
                "404",
                explanation="could not find an available, non-overlapping IPv4 address pool among "
                "the defaults to assign to the network: all predefined address pools have been fully "
                "subnetted",
            ),
            "Docker has no address left for another network; use fewer workers (-n)",
        ),
        (APIError("500", explanation="something\nelse"), "Docker: something else"),
    ],
    ids=readable,
)
def test_trouble_is_one_line_with_what_to_do(error: DockerException, said: str) -> None:
    text = explain(error)
    assert text.startswith(said)
    assert "\n" not in text


@pytest.mark.parametrize(
    ("facts", "host", "said"),
    [
        ({"OperatingSystem": "Docker Desktop"}, "", "Docker Desktop keeps the addresses"),
        ({"SecurityOptions": ["name=seccomp", "name=rootless"]}, "", "a rootless engine keeps"),
        ({"OperatingSystem": "Debian"}, "tcp://elsewhere:2375", "the engine of another machine"),
        ({"OperatingSystem": "Debian", "SecurityOptions": None}, "", None),
        ({"OperatingSystem": "Debian"}, "unix:///run/user/1/docker.sock", None),
    ],
    ids=readable,
)
def test_engines_whose_containers_cannot_be_reached_are_refused(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], host: str, said: str | None
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    found = docker_engine._unfit(facts)
    assert (found is None) == (said is None)
    assert said is None or said in str(found)
