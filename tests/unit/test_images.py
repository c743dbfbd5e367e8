"""The tag of an image holds all that goes in: the same content is built once, other content anew."""

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


def test_a_tag_is_a_name_that_docker_takes(checkout: Path) -> None:
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
def test_what_goes_into_the_image_changes_the_tag(
    checkout: Path, change: Callable[[Path], object]
) -> None:
    before = tag(checkout)
    assert tag(checkout) == before
    change(checkout)
    assert tag(checkout) != before


def test_what_docker_is_not_sent_does_not(checkout: Path) -> None:
    before = tag(checkout)
    (checkout / "notes").mkdir()
    (checkout / "notes/today.md").write_text("hello")
    (checkout / "build.log").write_text("hello")
    assert tag(checkout) == before


def test_our_own_images_depend_on_their_python_image() -> None:
    one, other = Own("runtime", "python:3.13-slim"), Own("runtime", "python:3.12-slim")
    assert one.tag == Own("runtime", "python:3.13-slim").tag
    assert one.tag != other.tag
    assert one.tag.startswith("pytest-execgo/runtime:")
