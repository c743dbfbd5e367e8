"""Files that change in the workspace while no task runs."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_execgo.files.workspace import names_below
from pytest_execgo.models.events import FileChanged, StageStarted
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.observability.workspace_watch import WorkspaceWatch
from tests.event_makers import ended


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "w"
    (folder / "in").mkdir(parents=True)
    (folder / "in/x").write_text("x")
    (folder / "y").write_text("y")
    return folder


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[TimelineRecorder]:
    found = TimelineRecorder(tmp_path)
    yield found
    found.close()


def begin(recorder: TimelineRecorder, stage: str) -> None:
    recorder.add(StageStarted(stage_id=stage, tasks=()))


def changes(recorder: TimelineRecorder) -> list[tuple[str | None, str, str]]:
    found = [event for event in recorder.events() if isinstance(event, FileChanged)]
    return [(event.stage_id, event.path, event.how) for event in found]


def rewrite(path: Path) -> None:
    path.write_text("other")


def make_private(path: Path) -> None:
    path.chmod(0)


@pytest.mark.parametrize(
    ("act", "how"), [(rewrite, "content"), (make_private, "mode"), (os.unlink, "removed")]
)
def test_a_change_before_a_stage_is_recorded(
    workspace: Path, recorder: TimelineRecorder, act: Callable[[Path], None], how: str
) -> None:
    WorkspaceWatch(workspace, recorder)
    act(workspace / "in/x")
    begin(recorder, "first")
    assert changes(recorder) == [("first", "in/x", how)]


def test_what_a_stage_changes_is_not_recorded(workspace: Path, recorder: TimelineRecorder) -> None:
    WorkspaceWatch(workspace, recorder)
    begin(recorder, "first")
    rewrite(workspace / "in/x")
    (workspace / "made").write_text("made")
    recorder.add(ended("succeeded"))
    begin(recorder, "second")
    assert changes(recorder) == []
    # What it made is watched from then on.
    recorder.add(ended("succeeded"))
    (workspace / "made").unlink()
    begin(recorder, "third")
    assert changes(recorder) == [("third", "made", "removed")]


def test_a_workspace_that_is_gone_is_a_few_events(
    workspace: Path, recorder: TimelineRecorder
) -> None:
    for number in range(50):
        (workspace / f"f{number}").write_text("")
    WorkspaceWatch(workspace, recorder)
    shutil.move(workspace, workspace.with_name("elsewhere"))
    begin(recorder, "first")
    recorder.add(ended("failed"))
    begin(recorder, "second")
    assert len(changes(recorder)) == 20


def test_a_link_in_place_of_the_workspace_is_not_followed(
    workspace: Path, recorder: TimelineRecorder
) -> None:
    WorkspaceWatch(workspace, recorder)
    begin(recorder, "first")
    shutil.move(workspace, workspace.with_name("elsewhere"))
    workspace.symlink_to("elsewhere")
    recorder.add(ended("succeeded"))
    (workspace / "y").unlink()
    begin(recorder, "second")
    assert changes(recorder) == []


def test_only_regular_files_are_named(tmp_path: Path) -> None:
    for name in ("b", "a", "d/c", "__pycache__/x.pyc", "d/__pycache__/y.pyc"):
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).write_text("")
    (tmp_path / "link").symlink_to("a")
    (tmp_path / "folder").symlink_to("d")
    os.mkfifo(tmp_path / "pipe")
    assert names_below(tmp_path, 100) == ["a", "b", "d/c"]
    assert names_below(tmp_path, 2) == ["a", "b"]
    assert names_below(tmp_path / "folder", 100) == []
    assert names_below(tmp_path / "missing", 100) == []
