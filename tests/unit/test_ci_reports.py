"""What CI systems read: ctrf.json, junit.xml, the summary and the annotations of GitHub Actions."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import jsonschema
import pytest

from pytest_execgo.benchmark.reports.ctrf import CtrfReport
from pytest_execgo.benchmark.reports.github import MOST_BYTES, annotation_lines, step_summary
from pytest_execgo.benchmark.reports.junit import JunitReport
from pytest_execgo.benchmark.run_trace import run_trace
from pytest_execgo.models.benchmark import BenchmarkResult, EarlierAttempt
from pytest_execgo.models.finding import AcceptedFinding
from pytest_execgo.plugin.ci import show_on_github
from tests.hostile_text import HOSTILE
from tests.results import missing, result, trial

NAME, STATUS = (
    {"type": "string", "minLength": 1},
    {"enum": ["passed", "failed", "skipped", "pending"]},
)
COUNT, NUMBER = {"type": "integer", "minimum": 0}, {"type": "integer"}
COUNTS = ("tests", "passed", "failed", "skipped", "pending", "other")
CTRF = {
    "type": "object",
    "required": ["reportFormat", "specVersion", "results"],
    "properties": {
        "reportFormat": {"const": "CTRF"},
        "specVersion": {"pattern": r"^[0-9]+\.[0-9]+\.[0-9]+$"},
        "results": {
            "required": ["tool", "summary", "tests"],
            "properties": {
                "tool": {"required": ["name"], "properties": {"name": NAME}},
                "summary": {
                    "required": [*COUNTS, "start", "stop"],
                    "properties": dict.fromkeys((*COUNTS, "flaky", "start", "stop"), COUNT),
                },
                "tests": {
                    "items": {
                        "required": ["name", "status", "duration"],
                        "additionalProperties": False,
                        "properties": {
                            "name": NAME, "status": STATUS, "duration": COUNT, "start": NUMBER,
                            "stop": NUMBER, "suite": {"type": "array", "minItems": 1, "items": NAME},
                            "message": NAME, "trace": NAME, "rawStatus": NAME, "type": NAME,
                            "filePath": NAME, "retries": COUNT, "flaky": {"type": "boolean"},
                            "tags": {"type": "array", "items": NAME}, "labels": {"type": "object"},
                            "extra": {"type": "object"},
                            "retryAttempts": {
                                "items": {
                                    "required": ["attempt", "status"],
                                    "properties": {"attempt": {"minimum": 1}, "status": STATUS},
                                }
                            },
                        },
                    }
                },
            },
        },
    },
}  # fmt: skip
"""The parts of the format that we use: names, types and what is required."""


def run(text: str = "o") -> BenchmarkResult:
    known = {"known_finding": AcceptedFinding(id="a-b", reason=text)}
    cause = {
        "layer": "task", "code": "x", "confidence": "certain", "evidence": [], "message": text,
    }  # fmt: skip
    steps = [{"at_ms": 1, "text": text, "events": []}]
    red = trial(1, "failed", outcome=text, attribution=[cause], explanation=steps)
    attempt = EarlierAttempt(
        trial_id="s-f-replay-none-r0", cell_id="s-f-replay-none", attempt=1, state="finished",
        verdict="failed", reason=text,
    )  # fmt: skip
    trials = [trial(0), red, trial(2, "inconclusive"), trial(3, "failed").model_copy(update=known)]
    states = ("error", "skipped", "not_needed", "not_run")
    left = [missing(4 + k, state) for k, state in enumerate(states)]
    left = [one.model_copy(update={"reason": text}) for one in left]
    return result(trials, left, attempts=[attempt])


def test_ctrf_has_each_trial_once_with_its_end() -> None:
    document = json.loads(CtrfReport().render(run()))
    jsonschema.validate(document, CTRF)
    found = {test["name"][-2:]: test["status"] for test in document["results"]["tests"]}
    assert found == {
        "r0": "passed", "r1": "failed", "r2": "failed", "r3": "skipped", "r4": "failed",
        "r5": "skipped", "r6": "skipped", "r7": "pending",
    }  # fmt: skip
    summary = document["results"]["summary"]
    assert {name: summary[name] for name in (*COUNTS, "flaky")} == {
        "tests": 8, "passed": 1, "failed": 3, "skipped": 3, "pending": 1, "other": 0, "flaky": 1,
    }  # fmt: skip
    first = document["results"]["tests"][0]
    assert (first["retries"], first["flaky"]) == (1, True)
    assert document["results"]["tests"][1]["labels"]["cause"] == "task/x"


def test_junit_has_each_trial_once_with_its_properties() -> None:
    root = ElementTree.fromstring(JunitReport().render(run()))
    counts = {"tests": "8", "failures": "2", "errors": "1"}
    assert {name: root.get(name) for name in counts} == counts
    assert [suite.get("skipped") for suite in root] == list("00010111")
    # The schema of JUnit allows properties of a suite, and none of a case.
    assert [[one.tag for one in suite] for suite in root] == [["properties", "testcase"]] * 8
    ends = [[one.tag for one in suite[1]] for suite in root]
    assert ends == [
        [], ["failure"], ["failure"], ["skipped"], ["error"], ["skipped"], ["skipped"], ["skipped"]
    ]  # fmt: skip
    failed = root[1]
    assert failed[1].get("name") == "f-replay-none-r1"
    properties = {one.get("name"): one.get("value") for one in failed.iter("property")}
    assert properties == {
        "cell": "s-f-replay-none", "record": "trials/s-f-replay-none-r1", "cause": "task/x",
        "rerun": "pytest x",
    }  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_of_others_breaks_no_format(text: str) -> None:
    jsonschema.validate(json.loads(CtrfReport().render(run(text))), CTRF)
    ElementTree.fromstring(JunitReport().render(run(text)))
    for line in annotation_lines(run(text)):
        assert line.startswith("::error file=scenarios/s/scenario.yaml,title=s-f-replay-none-r")
        assert line.isprintable()
        assert len(line) < 5000


def test_an_annotation_names_trial_and_cause_and_cannot_be_left() -> None:
    first, *rest = annotation_lines(run("100% of a:b,c"))
    assert first == (
        "::error file=scenarios/s/scenario.yaml,title=s-f-replay-none-r1::task/x: 100%25 of a:b,c"
    )
    assert len(rest) == 2
    many = result([trial(k, "failed") for k in range(30)], [])
    assert len(list(annotation_lines(many))) == 10


def test_a_summary_that_is_too_long_is_cut_and_closed() -> None:
    long = [{"at_ms": 1, "text": "x" * 2000, "events": []} for _ in range(10)]
    many = result([trial(k, "failed", explanation=long) for k in range(60)], [])
    text = step_summary(many)
    assert len(text.encode()) < MOST_BYTES + 1000
    assert text.endswith(
        "**The rest is in benchmark.md: a summary of a job has too little room.**\n"
    )
    assert text.count("\n```") % 2 == 0
    assert text.count("<details>") == text.count("</details>")
    assert step_summary(run()).startswith("# Benchmark run\n")


def test_what_a_task_wrote_closes_no_section_of_a_summary_that_is_cut() -> None:
    words = {"task_id": "t", "stderr": ["</details>", "```"] * 10}
    long = [{"at_ms": 1, "text": "x" * 2000, "events": []} for _ in range(10)]
    many = [trial(k, "failed", failed_task=words, explanation=long) for k in range(60)]
    lines = step_summary(result(many, [])).splitlines()
    opened = sum(line.startswith("<details>") for line in lines)
    assert opened == sum(line.startswith("</details>") for line in lines)


def test_attempts_that_did_not_fail_are_not_called_passed() -> None:
    common = {"trial_id": "s-f-replay-none-r0", "cell_id": "s-f-replay-none", "reason": "r"}
    attempts = [
        EarlierAttempt.model_validate({**common, "attempt": k, **more})
        for k, more in enumerate(
            (
                {"state": "not_run"},
                {"state": "error"},
                {"state": "finished", "verdict": "failed", "known_finding": "a-b"},
                {"state": "finished", "verdict": "passed"},
            ),
            1,
        )
    ]
    document = json.loads(CtrfReport().render(result([trial(0)], [], attempts=attempts)))
    (test,) = document["results"]["tests"]
    found = [attempt["status"] for attempt in test["retryAttempts"]]
    assert found == ["pending", "failed", "skipped", "passed"]


class Terminal(StringIO):
    """What ``show_on_github`` needs of pytest's terminal reporter."""

    def ensure_newline(self) -> None:
        if not self.getvalue().endswith("\n"):
            self.write("\n")

    def write_line(self, line: str, **markup: bool) -> None:
        self.write(f"{line}\n")


def shown(environment: dict[str, str]) -> list[str]:
    terminal: Any = Terminal()
    terminal.write("dots")
    show_on_github(terminal, run(), environment)
    return str(terminal.getvalue()).splitlines()[1:]


def test_github_gets_annotations_and_a_summary_and_other_places_do_not(tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    assert shown({"GITHUB_STEP_SUMMARY": str(summary)}) == []
    assert summary.read_text() == "before\n"
    lines = shown({"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary)})
    assert [line[:8] for line in lines] == ["::error "] * 3
    assert summary.read_text().startswith("before\n# Benchmark run\n")


def test_a_summary_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    place = tmp_path / "absent/summary.md"
    *_, last = shown({"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(place)})
    assert last.startswith(f"GITHUB_STEP_SUMMARY: {place}: cannot be written: ")


def test_the_trace_of_a_run_has_its_trials_on_one_time_axis(tmp_path: Path) -> None:
    start = datetime(2026, 1, 1, tzinfo=UTC)
    trials = [
        trial(k).model_copy(update={"started_at": start + timedelta(seconds=k)}) for k in range(3)
    ]
    for one in trials[:2]:
        folder = tmp_path / "trials" / one.trial_id
        folder.mkdir(parents=True)
        slices = [{"ph": "M", "name": "process_name", "pid": 1}, {"ph": "X", "ts": 5, "pid": 1}]
        slices += [{"ph": "X", "ts": "5"}, {"ph": "X", "ts": 1.5}, 3]  # type: ignore[list-item]
        (folder / "trace.json").write_text(json.dumps({"traceEvents": slices}))
    (tmp_path / "trials" / trials[1].trial_id / "trace.json").write_text("{")
    (tmp_path / "trials" / trials[2].trial_id).mkdir()
    copied = SimpleNamespace(
        text=(tmp_path / "trials" / trials[0].trial_id / "trace.json").read_text()
    )
    (tmp_path / "trials" / trials[2].trial_id / "trace.json").write_text(copied.text)
    document = json.loads(run_trace(tmp_path, result(trials, [])))
    assert document["otherData"] == {"missing": [trials[1].trial_id], "left_out": 0}
    found = [(event["ph"], event["pid"], event.get("ts")) for event in document["traceEvents"]]
    assert found == [("M", 1, None), ("M", 3, None), ("X", 1, 5), ("X", 3, 2_000_005)]
