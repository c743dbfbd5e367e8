"""The tag of an image contains the hash of its content: an image is built once for each content."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_execgo.harness.containers.images.sources import Checkout, Own


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    folder = tmp_path / "ExecGo fork"
    folder.mkdir()
    (folder / "Dockerfile").write_text("FROM scratch\n")
    (folder / "main.go").write_text("package main\n")
    (folder / ".dockerignore").write_text("# not these\nnotes\n*.log\n")
    return folder


def tag(folder: Path) -> str:
    return Checkout("execgo", folder).tag


def test_a_tag_is_valid_for_docker(checkout: Path) -> None:
    name, _, version = tag(checkout).partition(":")
    assert (name, len(version)) == ("pytest-execgo/execgo-execgo-fork", 12)


@pytest.mark.parametrize(
    "change",
    [
        lambda folder: (folder / "main.go").write_text("package other\n"),
        lambda folder: (folder / "more.go").write_text(""),
        lambda folder: (folder / "main.go").rename(folder / "other.go"),
        lambda folder: (folder / "main.go").chmod(0o755),
        lambda folder: (folder / "Dockerfile").write_text("FROM other\n"),
    ],
    ids=["content", "new file", "name", "mode", "Dockerfile"],
)
def test_a_change_of_the_context_changes_the_tag(
    checkout: Path, change: Callable[[Path], object]
) -> None:
    before = tag(checkout)
    assert tag(checkout) == before
    change(checkout)
    assert tag(checkout) != before


def test_a_change_of_ignored_files_does_not_change_the_tag(checkout: Path) -> None:
    before = tag(checkout)
    (checkout / "notes").mkdir()
    (checkout / "notes/today.md").write_text("hello")
    (checkout / "build.log").write_text("hello")
    assert tag(checkout) == before


def test_the_tag_of_an_embedded_service_depends_on_the_python_image() -> None:
    one, other = Own("runtime", "python:3.13-slim"), Own("runtime", "python:3.12-slim")
    assert one.tag == Own("runtime", "python:3.13-slim").tag
    assert one.tag != other.tag
    assert one.tag.startswith("pytest-execgo/runtime:")
