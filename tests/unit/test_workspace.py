"""Reading, copying and removing folders in which tasks worked."""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

import pytest

from pytest_execgo.files.reading import FileProblem
from pytest_execgo.files.workspace import copy_tree, open_inside, remove_tree, sha256_inside
from pytest_execgo.observability.artifacts import copy_workspace

LIMIT = 1000


@pytest.fixture
def victim(tmp_path: Path) -> Path:
    """Files of the user, outside the workspace."""
    folder = tmp_path / "victim"
    folder.mkdir()
    (folder / "key").write_text("secret")
    (folder / "sub").mkdir(mode=0o755)
    folder.chmod(0o755)
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "workspace"
    (folder / "sub").mkdir(parents=True)
    (folder / "sub/out.txt").write_text("result")
    return folder


def state_of(folder: Path) -> list[tuple[str, int]]:
    """Names and modes below a folder, and of the folder itself."""
    return [(str(p), stat.S_IMODE(p.lstat().st_mode)) for p in (folder, *sorted(folder.rglob("*")))]


def replace_by_link(path: Path, target: Path) -> None:
    remove_tree(path)
    path.symlink_to(target)


def test_files_of_the_workspace_are_read(workspace: Path) -> None:
    (workspace / "again.txt").symlink_to("sub/out.txt")
    expected = hashlib.sha256(b"result").hexdigest()
    assert sha256_inside(workspace, "sub/out.txt") == expected
    assert sha256_inside(workspace, "again.txt") == expected
    with open_inside(workspace, "sub/out.txt") as file:
        assert file.read() == b"result"


def test_a_workspace_below_a_link_is_read(workspace: Path, tmp_path: Path) -> None:
    (tmp_path / "short").symlink_to(tmp_path)
    assert sha256_inside(tmp_path / "short/workspace", "sub/out.txt")


@pytest.mark.parametrize("place", [".", "sub", "sub/out.txt"])
def test_links_to_files_of_the_user_are_not_read(workspace: Path, victim: Path, place: str) -> None:
    target = victim / "key" if place.endswith(".txt") else victim
    (victim / "out.txt").write_text("secret")
    (victim / "sub/out.txt").write_text("secret")
    path = workspace / place
    if path.is_dir():
        replace_by_link(path, target)
    else:
        path.unlink()
        path.symlink_to(target)
    assert sha256_inside(workspace, "sub/out.txt") is None


@pytest.mark.parametrize(
    "relative", ["absent", "sub", "sub/out.txt/x", "pipe", ".", "../victim/key"]
)
def test_what_is_not_a_regular_file_counts_as_absent(
    workspace: Path, victim: Path, relative: str
) -> None:
    os.mkfifo(workspace / "pipe")
    assert sha256_inside(workspace, relative) is None
    with pytest.raises(FileNotFoundError):
        open_inside(workspace, relative)


def test_a_copy_has_files_modes_and_links(workspace: Path, victim: Path, tmp_path: Path) -> None:
    (workspace / "run.sh").write_text("#!/bin/sh\n")
    (workspace / "run.sh").chmod(0o755)
    (workspace / "to-victim").symlink_to(victim)
    assert copy_tree(workspace, tmp_path / "copy", LIMIT) == []
    assert (tmp_path / "copy/sub/out.txt").read_text() == "result"
    assert stat.S_IMODE((tmp_path / "copy/run.sh").stat().st_mode) == 0o755
    assert (tmp_path / "copy/to-victim").readlink() == victim


def test_a_workspace_that_is_a_link_is_not_copied(
    workspace: Path, victim: Path, tmp_path: Path
) -> None:
    replace_by_link(workspace, victim)
    (line,) = copy_tree(workspace, tmp_path / "copy", LIMIT)
    assert "link" in line
    assert list((tmp_path / "copy").iterdir()) == []


def test_a_copy_leaves_out_what_is_too_large_and_says_so(workspace: Path, tmp_path: Path) -> None:
    with (workspace / "sparse").open("wb") as file:
        file.truncate(3 * 1024**3)
    os.mkfifo(workspace / "pipe")
    left = copy_tree(workspace, tmp_path / "copy", LIMIT)
    assert left == [
        "pipe: not a regular file",
        f"sparse: {3 * 1024**3} bytes are too many",
    ]
    assert [path.name for path in (tmp_path / "copy").iterdir()] == ["sub"]


def test_the_limit_of_a_copy_is_for_all_files_together(workspace: Path, tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (workspace / name).write_bytes(b"x" * 400)
    assert copy_tree(workspace, tmp_path / "copy", LIMIT) == ["c: 400 bytes are too many"]


def test_the_number_of_files_in_a_copy_is_limited(
    workspace: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_execgo.files.workspace._MOST_ENTRIES", 3)
    for name in "abcdefgh":
        (workspace / name).touch()
    (line,) = copy_tree(workspace, tmp_path / "copy", LIMIT)
    assert line.endswith("and all that follow: too many files")
    assert len(list((tmp_path / "copy").iterdir())) == 3


def test_a_sparse_file_is_not_read_to_its_end(
    workspace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (workspace / "sparse").open("wb") as file:
        file.truncate(10**12)
    monkeypatch.setattr("pytest_execgo.files.workspace.LARGEST_FILE", 10**7)
    with pytest.raises(FileProblem, match="larger than"):
        sha256_inside(workspace, "sparse")


def test_removal_leaves_files_of_the_user_alone(workspace: Path, victim: Path) -> None:
    before = state_of(victim)
    (workspace / "link").symlink_to(victim)
    (workspace / "sub/file-link").symlink_to(victim / "key")
    remove_tree(workspace)
    assert not os.path.lexists(workspace)
    assert state_of(victim) == before


def test_removal_of_a_link_leaves_its_target_alone(workspace: Path, victim: Path) -> None:
    before = state_of(victim)
    replace_by_link(workspace, victim)
    remove_tree(workspace)
    assert not os.path.lexists(workspace)
    assert state_of(victim) == before


def test_removal_reaches_inaccessible_folders(workspace: Path) -> None:
    (workspace / "sub/deep").mkdir()
    for folder in ("sub/deep", "sub", "."):
        (workspace / folder).chmod(0)
    remove_tree(workspace)
    assert not os.path.lexists(workspace)


def test_removal_of_an_absent_folder_does_nothing(tmp_path: Path) -> None:
    remove_tree(tmp_path / "absent")


def test_the_workspace_of_a_read_only_scenario_is_writable(tmp_path: Path) -> None:
    source, outside = tmp_path / "source", tmp_path / "outside"
    (source / "sub").mkdir(parents=True)
    (source / "sub/tool.sh").touch()
    outside.touch()
    (source / "link").symlink_to(outside)
    for path, mode in ((source / "sub/tool.sh", 0o555), (source / "sub", 0o555), (source, 0o555)):
        path.chmod(mode)
    outside.chmod(0o444)
    copy_workspace(source, tmp_path / "copy")
    modes = {
        name: stat.S_IMODE((tmp_path / "copy" / name).stat().st_mode)
        for name in (".", "sub", "sub/tool.sh")
    }
    assert modes == {".": 0o755, "sub": 0o755, "sub/tool.sh": 0o755}
    assert (tmp_path / "copy/link").is_symlink()
    assert stat.S_IMODE(outside.stat().st_mode) == 0o444
