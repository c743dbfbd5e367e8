"""Files of the scenario that failed tasks name, and that are not as they were."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_execgo.models.events import FileChanged, TaskOutput
from pytest_execgo.observability.changed_files import note_changed_files
from pytest_execgo.observability.recorder import TimelineRecorder


def changes(tmp_path: Path, stderr: str, original: Path | None) -> list[tuple[str, str]]:
    recorder = TimelineRecorder(tmp_path)
    output = {"stage_id": "s", "round": 0, "task_id": "a", "engine_task_id": "x", "stderr": stderr}
    recorder.add(TaskOutput.model_validate(output))
    note_changed_files(original, tmp_path / "w", recorder)
    recorder.close()
    return [(e.path, e.how) for e in recorder.events() if isinstance(e, FileChanged)]


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    original, workspace = tmp_path / "scenario", tmp_path / "w"
    for folder in (original, workspace):
        (folder / "tools").mkdir(parents=True)
        (folder / "tools/run.sh").write_text("x")
        (folder / "tools/run.sh").chmod(0o755)
    return original, workspace


def test_a_file_that_is_gone_or_lost_a_permission_is_noted(
    tmp_path: Path, folders: tuple[Path, Path]
) -> None:
    original, workspace = folders
    tool = workspace / "tools/run.sh"
    words = f"sh: '{tool}': problem"
    assert changes(tmp_path, words, original) == []
    tool.chmod(0o644)
    assert changes(tmp_path, words, original) == [("tools/run.sh", "mode")]
    tool.unlink()
    assert changes(tmp_path, words, original) == [("tools/run.sh", "removed")]


def test_other_files_are_not_noted(tmp_path: Path, folders: tuple[Path, Path]) -> None:
    original, workspace = folders
    (workspace / "tools/run.sh").unlink()
    assert changes(tmp_path, f"{workspace}/never.txt: no such file", original) == []
    assert changes(tmp_path, "tools/run.sh: no such file", original) == []
    assert changes(tmp_path, f"{workspace}/../scenario/tools/run.sh: no", original) == []
    assert changes(tmp_path, f"{workspace}/tools/run.sh: no", None) == []


def test_a_link_in_place_of_a_file_is_not_followed(
    tmp_path: Path, folders: tuple[Path, Path]
) -> None:
    original, workspace = folders
    tool = workspace / "tools/run.sh"
    tool.unlink()
    tool.symlink_to(tmp_path / "nowhere")
    assert changes(tmp_path, f"{tool}: no such file", original) == []


def test_the_workspace_may_be_written_as_in_the_plan(
    tmp_path: Path, folders: tuple[Path, Path]
) -> None:
    original, workspace = folders
    (workspace / "tools/run.sh").unlink()
    words = "sh: '${workspace}/tools/run.sh': not found"
    assert changes(tmp_path, words, original) == [("tools/run.sh", "removed")]
