"""Errors of Docker and of the connection to it become one line; unusable engines are refused.

The texts are real ones, of engine 20.10 and SDK 7.2.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import requests
from docker.errors import APIError, DockerException

from pytest_execgo.errors import UsageError
from pytest_execgo.harness.containers import engine as docker_engine
from pytest_execgo.harness.containers.engine import explain
from tests.ids import readable


def unreachable(inner: OSError) -> DockerException:
    """An error as ``docker.from_env`` raises it: a chain of errors of several libraries."""
    try:
        try:
            raise inner
        except OSError as error:
            raise ConnectionError("Connection aborted.", error) from error
    except ConnectionError as error:
        return DockerException(f"Error while fetching server API version: {error}", error)


@pytest.mark.parametrize(
    ("error", "message"),
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
            "the disk of Docker is full: write /opt/x: no space left on device; free space with",
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
def test_an_error_is_one_line_with_the_next_step(
    monkeypatch: pytest.MonkeyPatch, error: DockerException, message: str
) -> None:
    monkeypatch.delenv("DOCKER_HOST", raising=False)
    text = explain(error)
    assert text.startswith(message)
    assert "\n" not in text


@pytest.mark.parametrize(
    ("facts", "host", "message"),
    [
        (
            {"OperatingSystem": "Docker Desktop"},
            "",
            "Docker Desktop runs containers in a virtual machine",
        ),
        (
            {"SecurityOptions": ["name=seccomp", "name=rootless"]},
            "",
            "the network of a rootless engine",
        ),
        (
            {"OperatingSystem": "Debian"},
            "tcp://elsewhere:2375",
            "is not a Unix socket of this machine",
        ),
        ({"OperatingSystem": "Debian", "SecurityOptions": None}, "", None),
        ({"OperatingSystem": "Debian"}, "unix:///run/user/1/docker.sock", None),
    ],
    ids=readable,
)
def test_engines_whose_containers_cannot_be_reached_are_refused(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any], host: str, message: str | None
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    found = docker_engine._unfit(facts)
    assert (found is None) == (message is None)
    assert message is None or message in str(found)


class FakeClient:
    """A Docker client that answers ``info`` with ``facts``, or raises them."""

    def __init__(self, facts: dict[str, Any] | Exception) -> None:
        self.facts, self.closed, self.api = facts, False, requests.Session()

    def info(self) -> dict[str, Any]:
        if isinstance(self.facts, Exception):
            raise self.facts
        return self.facts

    def close(self) -> None:
        self.closed = True


@pytest.mark.parametrize(
    "facts",
    [
        {"OperatingSystem": "Docker Desktop"},
        unreachable(ConnectionRefusedError(111, "Connection refused")),
    ],
    ids=["unusable", "no answer"],
)
def test_the_client_of_a_refused_engine_is_closed(
    monkeypatch: pytest.MonkeyPatch, facts: dict[str, Any] | Exception
) -> None:
    client = FakeClient(facts)
    monkeypatch.setattr(docker_engine, "_connect_once", lambda: None)
    monkeypatch.setattr(
        docker_engine, "DockerClient", lambda **options: SimpleNamespace(client=client)
    )
    with pytest.raises(UsageError):
        docker_engine.engine.__wrapped__()
    assert client.closed
