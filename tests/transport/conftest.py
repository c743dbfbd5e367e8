"""Hundreds of tests start a server of their own: they end quickly."""

from __future__ import annotations

import pytest

from pytest_execgo.transport.loopback import LoopbackServer


@pytest.fixture(scope="session", autouse=True)
def end_servers_quickly() -> None:
    LoopbackServer.poll_seconds = 0.002
