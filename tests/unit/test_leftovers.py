"""Owners of containers: only containers of processes that certainly ended may be removed."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from pytest_execgo.harness.containers import leftovers
from pytest_execgo.harness.containers.leftovers import _identity, _is_dead

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")


def test_a_living_process_is_not_dead() -> None:
    assert not _is_dead(_identity(os.getpid()))


def test_a_reused_pid_is_another_process() -> None:
    pid, began, rest = _identity(os.getpid()).split("/", 2)
    assert _is_dead(f"{pid}/{int(began) - 1}/{rest}")


def test_a_process_of_another_pid_namespace_counts_as_alive() -> None:
    pid, began, _, boot = _identity(os.getpid()).split("/")
    assert not _is_dead(f"{int(pid) + 1}/{began}/1/{boot}")


def test_a_process_of_an_earlier_boot_is_dead() -> None:
    owner = _identity(os.getpid())
    assert _is_dead(owner.rpartition("/")[0] + "/another-boot")


@pytest.mark.parametrize("owner", ["", "me", "1/2", "x/1/2/3"])
def test_an_invalid_owner_counts_as_alive(owner: str) -> None:
    assert not _is_dead(owner)


def test_only_folders_of_fleets_are_removed(tmp_path: Path) -> None:
    mine = tmp_path / "execgo-fleet-1-abc-xyz"
    other = tmp_path / "important"
    for folder in (mine, other):
        folder.mkdir()
        leftovers.remove_root({leftovers.ROOT: str(folder)})
    leftovers.remove_root({})
    assert (mine.exists(), other.exists()) == (False, True)
