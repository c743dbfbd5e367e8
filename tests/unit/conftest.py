"""Unit tests are fast because they start no process and connect to this machine only."""

from __future__ import annotations

import socket
import subprocess
from typing import Any, NoReturn

import pytest

from pytest_execgo.system.sockets import OwnSocket
from pytest_execgo.transport.loopback import LoopbackServer

LOOPBACK = ("127.0.0.1", "::1", "localhost")
HINT = "move this test to tests/plugin or tests/e2e"


@pytest.fixture(scope="session", autouse=True)
def end_servers_quickly() -> None:
    """Hundreds of tests start a server of their own."""
    LoopbackServer.poll_seconds = 0.002


@pytest.fixture(autouse=True)
def refuse_processes_and_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    original = OwnSocket.connect

    def start(self: object, command: object, *args: object, **options: object) -> NoReturn:
        pytest.fail(f"a unit test starts a process ({command}): {HINT}")

    def connect(self: socket.socket, address: Any) -> None:
        if not isinstance(address, tuple) or address[0] not in LOOPBACK:
            pytest.fail(f"a unit test connects to {address}: {HINT}")
        original(self, address)

    monkeypatch.setattr(subprocess.Popen, "__init__", start)
    for kind in (socket.socket, OwnSocket):
        monkeypatch.setattr(kind, "connect", connect)
