"""Clean trials, and what a later trial has otherwise."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.models import events as t
from pytest_execgo.models.verdict import Verdict
from pytest_execgo.run.baseline import Baseline, baseline_of, differences, digests_of, fields
from tests.event_makers import ended, link_used, submitted

STARTED = t.TrialStarted(trial_id="clean", cell_id="c", seed=1)


def task(stdout: Any = "", exit_code: Any = 0, status: str = "success") -> dict[str, Any]:
    output = {"stdout": stdout, "exit_code": exit_code}
    return {"status": status, "runtime": {"output": output}}


def verdict(status: str = "passed", layer: str = "none", recovery: str = "not_needed") -> Verdict:
    cause = {"layer": layer, "code": "x", "confidence": "likely", "message": "m", "evidence": ()}
    return Verdict.model_validate(
        {
            "status": status, "recovery": recovery, "attribution": [cause], "checks": [],
            "expectation": "not_applicable", "outcome": "passed", "explanation": [],
        }
    )  # fmt: skip


def clean(
    stdout: str = "", payload: str = "p", files: dict[str, str] | None = None, ms: float = 1
) -> Baseline:
    stage = ended("succeeded").model_copy(update={"duration_ms": ms})
    events: list[t.EvidenceEvent]
    events = [STARTED, submitted(payload=payload), stage, link_used("runtime")]
    found = baseline_of(verdict(), (), events, {"a": task(stdout)}, files or {})
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("stdout", "expected"),
    [
        ("", {}),
        ("one\ntwo\n", {"stdout line 1": "one", "stdout line 2": "two"}),
        ("7", {"stdout": "7"}),
        ("null", {"stdout": "null"}),
        ('{"a": [1, {"b": "x"}], "c": {}}', {
            "stdout.a[0]": "1", "stdout.a[1].b": "x", "stdout.c": "{}",
        }),
        ("[]", {"stdout": "[]"}),
        (None, {"stdout": "null"}),
        ("é" * 81, {"stdout line 1": "sha256:7a5c1fc7f3cb5ff3"}),
    ],
)  # fmt: skip
def test_output_is_compared_field_by_field(stdout: Any, expected: dict[str, str]) -> None:
    found = fields(task(stdout))
    assert {key: found[key] for key in ("status", "exit_code")} == {
        "status": "success", "exit_code": "0",
    }  # fmt: skip
    rest = {key: value for key, value in found.items() if key.startswith("stdout")}
    if "sha256" in str(expected):
        assert list(rest) == list(expected)
        assert rest["stdout line 1"].startswith("sha256:")
    else:
        assert rest == expected


def test_a_task_has_at_most_forty_fields() -> None:
    assert len(fields(task(json.dumps(list(range(100)))))) == 40


@pytest.mark.parametrize("runtime", [None, {}, {"output": "text"}])
def test_a_task_without_output_has_only_its_status(runtime: Any) -> None:
    assert fields({"status": "failed", "runtime": runtime}) == {"status": "failed"}


@pytest.mark.parametrize(
    ("verdict_", "faults", "events"),
    [
        (verdict(status="failed"), (), [STARTED]),
        (verdict(layer="unknown"), (), [STARTED]),
        (verdict(recovery="recovered"), (), [STARTED]),
        (verdict(), ("fault",), [STARTED]),
        (verdict(), (), []),
    ],
)
def test_only_a_clean_trial_is_a_baseline(verdict_: Verdict, faults: Any, events: Any) -> None:
    assert baseline_of(verdict_, faults, events, {}, {}) is None


def test_what_differs_between_two_clean_trials_is_volatile() -> None:
    first = clean('{"n": 1, "at": "10:00"}', files={"x": "1", "y": "1"}, ms=5)
    second = clean('{"n": 1, "at": "10:01"}', files={"x": "1", "y": "2"}, ms=9)
    both = first.merged(second)
    assert both.known.trials == 2
    assert both.known.stages == {"s": 9}
    assert both.outputs == {"a": {"status": "success", "exit_code": "0", "stdout.n": "1"}}
    assert both.files == {"x": "1"}
    assert both.links == {"runtime": 1}
    assert first.merged(clean(payload="q")).known.payloads == {}


def compared(
    baseline: Baseline,
    *,
    payload: str = "p",
    results: dict[str, dict[str, Any]] | None = None,
    files: dict[str, str] | None = None,
) -> list[tuple[str, str, str, str | None]]:
    events: list[t.EvidenceEvent]
    events = [submitted(payload=payload), link_used("runtime")]
    start = {"tool.py": "before", "other.py": "before"}
    found = differences(baseline, events, results or {}, files or {}, start)
    return [(one.subject, one.name, one.field, one.got) for one in found]


def twice(**facts: Any) -> Baseline:
    return clean(**facts).merged(clean(**facts))


def test_the_first_field_that_differs_is_noted() -> None:
    known = twice(stdout='{"n": 1, "m": 2}')
    same = {"a": task('{"m": 2, "n": 1, "new": 3}')}
    assert compared(known, results=same) == []
    other = {"a": task('{"n": 8, "m": 9}')}
    assert compared(known, results=other) == [("task", "a", "stdout.n", "8")]
    assert compared(known, results={"a": task("")}) == [("task", "a", "stdout.n", None)]
    assert compared(known, results={"a": task("", exit_code=3)}) == [
        ("task", "a", "exit_code", "3")
    ]


def test_a_task_with_another_payload_or_without_a_result_is_not_compared() -> None:
    known = twice(stdout="1")
    assert compared(known, payload="q", results={"a": task("2")}) == []
    assert compared(known) == []


def test_one_clean_trial_does_not_show_what_is_volatile() -> None:
    assert compared(clean(stdout="1"), results={"a": task("2")}) == []


@pytest.mark.parametrize(
    ("clean", "now", "noted"),
    [
        ("before", "other", True),
        ("before", "before", False),
        ("before", None, False),
        # Clean trials change it, too.
        ("after", "other", False),
        (None, "other", False),
    ],
)
def test_a_file_that_no_clean_trial_changes_is_compared(
    clean: str | None, now: str | None, noted: bool
) -> None:
    known = twice(files={"made": "x", **({"tool.py": clean} if clean else {})})
    found = compared(known, files={"made": "y", **({"tool.py": now} if now else {})})
    assert found == [("file", "tool.py", "sha256", "other")] * noted


def test_another_number_of_connections_is_noted() -> None:
    known = twice()
    found = differences(known, [submitted(payload="p")], {}, {}, {})
    assert [(one.subject, one.name, one.expected, one.got) for one in found] == [
        ("link", "runtime", "1", "0")
    ]


def test_at_most_twenty_differences_are_noted() -> None:
    files = {f"f{number}": "clean" for number in range(30)}
    now = dict.fromkeys(files, "now")
    assert len(differences(twice(files=files), [link_used("runtime")], {}, now, files)) == 20


def test_the_files_of_the_scenario_are_compared_by_content(tmp_path: Path) -> None:
    original, workspace = tmp_path / "scenario", tmp_path / "work"
    (original / "a").mkdir(parents=True)
    (original / "a/b.txt").write_text("x")
    (original / "gone").write_text("x")
    shutil.copytree(original, workspace)
    (workspace / "a/b.txt").write_text("y")
    (workspace / "gone").unlink()
    (workspace / "made").write_text("y")
    before, now = digests_of(original, workspace)
    assert sorted(before) == ["a/b.txt", "gone"]
    assert before["gone"] == before["a/b.txt"]
    assert before["gone"].startswith("2d711642b726b044")
    assert list(now) == ["a/b.txt"]
    assert now["a/b.txt"] != before["a/b.txt"]
    assert digests_of(None, workspace) == ({}, {})


def test_a_link_in_place_of_a_file_is_not_followed_out_of_the_workspace(tmp_path: Path) -> None:
    original, workspace = tmp_path / "scenario", tmp_path / "work"
    original.mkdir()
    workspace.mkdir()
    (original / "x").write_text("x")
    (workspace / "x").symlink_to("/etc/passwd")
    assert digests_of(original, workspace)[1] == {}


def test_a_large_file_is_left_out(tmp_path: Path) -> None:
    with (tmp_path / "large").open("wb") as file:
        file.truncate(10_000_001)
    (tmp_path / "small").write_text("")
    assert list(digests_of(tmp_path, tmp_path)[1]) == ["small"]
