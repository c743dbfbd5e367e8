"""What is read from real processes: whether one lives, and the commit of a checkout."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from pytest_execgo.harness.containers.images.sources import Checkout
from pytest_execgo.harness.containers.leftovers import _identity, _is_dead


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")
def test_a_process_that_ended_is_dead() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    owner = _identity(child.pid)
    assert not _is_dead(owner)
    child.communicate(b"\n")
    assert _is_dead(owner)


def test_the_image_tag_depends_on_the_commit_and_not_on_other_files_of_git(tmp_path: Path) -> None:
    def git(*words: str) -> None:
        identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        subprocess.run(["git", *identity, *words], cwd=tmp_path, check=True, capture_output=True)

    def tag() -> str:
        return Checkout("execgo", tmp_path).tag

    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    (tmp_path / "main.go").write_text("package main\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "one")
    before = tag()
    git("gc", "-q")
    git("status")
    assert tag() == before
    git("commit", "-qm", "two", "--allow-empty")
    assert tag() != before
