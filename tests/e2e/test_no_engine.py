"""Without a usable Docker engine there is one clear line, and no socket stays open."""

from __future__ import annotations

import gc
import warnings
from pathlib import Path

import pytest
from docker.context import ContextAPI

from pytest_execgo.errors import UsageError
from pytest_execgo.harness.containers import engine as docker_engine

UNSET = ""
NO_SOCKET = "unix:///nonexistent.sock"


@pytest.mark.parametrize(
    ("host", "message"),
    [
        (UNSET, "no Docker engine at unix:///var/run/docker.sock: start one"),
        (NO_SOCKET, f"no Docker engine at {NO_SOCKET}: start one"),
        ("tcp://127.0.0.1:1", "no Docker engine at tcp://127.0.0.1:1: start one"),
        ("nonsense", "Docker (DOCKER_HOST=nonsense): Invalid bind address format"),
        ("ftp://127.0.0.1", "Docker (DOCKER_HOST=ftp://127.0.0.1): Invalid bind address protocol"),
    ],
)
def test_without_an_engine_one_line_says_so_and_no_socket_stays_open(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, host: str, message: str
) -> None:
    # No context of this machine's user, and no socket at the default address.
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    monkeypatch.setattr(ContextAPI.DEFAULT_CONTEXT, "endpoints", {"docker": {"Host": NO_SOCKET}})
    monkeypatch.setenv("DOCKER_HOST", host)
    gc.collect()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with pytest.raises(UsageError) as raised:
            docker_engine.engine.__wrapped__()
        text = str(raised.value)
        del raised
        gc.collect()
    assert text.startswith(message)
    assert "\n" not in text
    assert not [str(one.message) for one in caught if one.category is ResourceWarning]
