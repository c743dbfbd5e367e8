"""Files are read within limits, and written as a whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.files.reading import FileProblem, read_bounded
from pytest_execgo.files.writing import LineFile, make_folder, make_new_folder, write_text
from pytest_execgo.models import document
from pytest_execgo.models.document import load, read_data, read_text
from pytest_execgo.models.plan import StandardPlan


def complaint(path: Path) -> str:
    with pytest.raises(UsageError) as error:
        read_data(path)
    message = str(error.value)
    assert "\n" not in message
    assert len(message) < 2000
    return message.removeprefix(str(path))


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"[" * 5000 + b"]" * 5000, ": JSON with more than 200 levels"),
        (b'{"seed": ' + b"9" * 5000 + b"}", ": JSON with a number that is too large"),
        (b"[1e400]", ": JSON with a number that is too large"),
        (b"[NaN]", ": not JSON (NaN is not a number)"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', ": the key 'c' is given twice"),
        (b'{\n "a": ,\n}', ":2: not JSON (Expecting value) (column 7)"),
        (b"\xff\xfe", ": not UTF-8 text (invalid start byte at byte 0); save it as UTF-8"),
        (b"", ":1: not JSON (Expecting value) (column 1)"),
    ],
)
def test_a_broken_json_file_is_one_line(tmp_path: Path, content: bytes, expected: str) -> None:
    path = tmp_path / "data.json"
    path.write_bytes(content)
    assert complaint(path) == expected


def test_a_date_in_a_golden_file_is_named(tmp_path: Path) -> None:
    path = tmp_path / "data.yaml"
    path.write_text("a: [2026-01-01]")
    assert complaint(path).startswith(":1: a[0]: datetime.date(2026, 1, 1) is not a JSON value")


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path: Path) -> None:
    for name, content in (("a.json", '{"a": 1}'), ("a.yaml", "a: 1")):
        (tmp_path / name).write_text(content, encoding="utf-8-sig")
        assert read_data(tmp_path / name) == {"a": 1}


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "loop.json").symlink_to("loop.json")
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "device.json").symlink_to("/dev/zero")
    assert complaint(tmp_path / "pipe.json") == ": cannot be read: not a regular file"
    assert complaint(tmp_path / "device.json") == ": cannot be read: not a regular file"
    assert complaint(tmp_path / "loop.json") == ": cannot be read: a link that leads to itself"
    assert complaint(tmp_path / "folder.json") == ": cannot be read: Is a directory"
    with pytest.raises(UsageError, match="cannot be read: embedded null byte"):
        read_text(tmp_path / "a\0b")


def test_a_large_file_is_not_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "plan.yaml"
    with path.open("wb") as file:
        file.truncate(3_000_000_000)
    with pytest.raises(
        UsageError, match=r"plan\.yaml: cannot be read: larger than 4 MB, the limit"
    ):
        load(StandardPlan, path)
    path.write_bytes(b"x" * 11)
    with pytest.raises(FileProblem, match="larger than 10 bytes"):
        read_bounded(path, 10)
    assert read_bounded(path, 11) == b"x" * 11


def test_the_line_of_a_mistake_in_a_large_json_file_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_execgo.models.messages._LONGEST_TEXT", 10)
    path = tmp_path / "plan.json"
    path.write_text('{"schema_version": "1", "stages": 5}')
    with pytest.raises(UsageError, match=r"plan\.json: \w+: this key is required"):
        load(StandardPlan, path)


def test_a_path_is_shown_in_one_line_even_if_the_working_folder_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert document.shown(tmp_path / "a\nb") == f"{tmp_path}/a\\nb"


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.json"
    write_text(path, "old")

    def full(*args: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(HarnessError) as error:
        write_text(path, "new")
    assert str(error.value) == (
        f"{path}: cannot be written: No space left on device; "
        "free space on this disk, then repeat the run"
    )
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["a.json"]


def test_half_characters_do_not_keep_a_file_from_being_written(tmp_path: Path) -> None:
    write_text(tmp_path / "a.txt", "a\ud800b")
    assert (tmp_path / "a.txt").read_text().replace("\ufffd", "") == "ab"


def test_a_long_name_leaves_room_for_the_temporary_name(tmp_path: Path) -> None:
    write_text(tmp_path / ("x" * 250), "text")
    assert len(os.listdir(tmp_path)) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
def test_the_first_line_that_cannot_be_written_is_the_problem(tmp_path: Path) -> None:
    path = tmp_path / "timeline.jsonl"
    path.symlink_to("/dev/full")
    lines = LineFile(path)
    lines.check()
    lines.add("one")
    lines.add("two")
    assert lines.problem is not None
    assert lines.problem.startswith(f"{path}: cannot be written: No space left on device")
    with pytest.raises(HarnessError, match="No space left"):
        lines.check()
    lines.close()
    lines.add("after the end")


def test_lines_are_appended_or_the_file_begins_anew(tmp_path: Path) -> None:
    path = tmp_path / "lines"
    for append in (False, True, False):
        file = LineFile(path, append=append)
        file.add("a" * 100_000)
        file.add("b\ud800")
        file.close()
    assert path.read_text() == "a" * 100_000 + "\nb?\n"


def test_a_file_in_a_missing_folder_and_a_folder_in_a_file_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(HarnessError, match=r"lines: cannot be written: No such file or directory$"):
        LineFile(tmp_path / "missing" / "lines")
    (tmp_path / "file").touch()
    with pytest.raises(HarnessError, match=r"below: cannot be written: Not a directory$"):
        make_folder(tmp_path / "file" / "below")


def test_a_new_folder_is_made_once(tmp_path: Path) -> None:
    assert make_new_folder(tmp_path / "new")
    assert not make_new_folder(tmp_path / "new")
