"""Text of others is shown safely on every medium; documents keep it as it is."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import ValidationError

from pytest_execgo.benchmark.reports.failure_text import failure_text
from pytest_execgo.benchmark.reports.markdown import MarkdownReport
from pytest_execgo.benchmark.reports.terminal import terminal_table
from pytest_execgo.cli import output
from pytest_execgo.cli.conformance import CaseResult, Report
from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.models.benchmark import AttributionScore, BenchmarkResult, ControlRecord
from pytest_execgo.models.comparison import Comparison
from pytest_execgo.models.document import Document
from pytest_execgo.models.environment import ServiceInfo
from pytest_execgo.models.finding import AcceptedFinding
from pytest_execgo.models.gate import GateComparison, GateRecord
from pytest_execgo.models.messages import Source, explain
from pytest_execgo.models.run_record import NotApplicable, ReplayRecord
from pytest_execgo.models.safe_text import (
    for_ci_log,
    for_html,
    for_markdown,
    for_markdown_code,
    for_terminal,
    json_line,
    one_line,
)
from pytest_execgo.models.stream import TrialFinishedLine
from pytest_execgo.models.trial_result import FaultRecord, TrialResult
from pytest_execgo.plugin.events import EventStream
from pytest_execgo.plugin.safe_errors import error_text, usage_error
from pytest_execgo.plugin.summary import show
from pytest_execgo.system import clock
from tests.hostile_text import (
    HOSTILE,
    SURROGATE,
    assert_plain_markdown,
    assert_safe_to_show,
    skeleton,
)
from tests.results import missing, result, trial

TEXTS = pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
ALL_TEXTS = pytest.mark.parametrize(
    "text", [*HOSTILE.values(), SURROGATE], ids=[*HOSTILE, "surrogate"]
)
FAULT = FaultRecord(action="kill", target="runtime", phase="runtime", status="fired", at_ms=1)


def hostile_trial(text: str, number: int = 0, status: str = "failed") -> TrialResult:
    cause = {
        "layer": "task", "code": text[:100], "confidence": "certain", "evidence": ["e1"],
        "message": text,
    }  # fmt: skip
    found = trial(
        number,
        status,
        outcome=text,
        next_step=text,
        attribution=[cause],
        checks=[{"kind": "python", "ok": False, "message": text}],
        explanation=[{"at_ms": 1, "text": text, "events": []}] * 3,
    )
    fault = FAULT.model_copy(update={"detail": text, "tasks_inside": (text, text)})
    finding = AcceptedFinding(id="f1", reason=text[:500] or "x") if status == "failed" else None
    return found.model_copy(
        update={"model": text, "faults": (fault,), "rerun": text, "known_finding": finding}
    )


def hostile_report(text: str) -> BenchmarkResult:
    trials = [hostile_trial(text), hostile_trial(text, 1, "passed")]
    report = result(trials, [missing(2, "error"), missing(3, "not_run")])
    unfinished = [trial.model_copy(update={"reason": text}) for trial in report.unfinished]
    service = ServiceInfo(launcher="external", version=text, url=text)
    cells = [
        cell.model_copy(update={"framework": text, "cell_id": "cell"}) for cell in report.cells
    ]
    return report.model_copy(
        update={
            "unfinished": tuple(unfinished),
            "cells": tuple(cells),
            "controls": (ControlRecord(name="c", expected="passed", got=text, ok=False),),
            "not_applicable": (NotApplicable(scenario="s", chaos="c", reason=text),),
            "replays": (ReplayRecord(trial_id="t", of=text, differences=(text,)),),
            "comparison": Comparison(
                base=text,
                new=text,
                metrics=(),
                newly_red=(text,),
                newly_named=(text,),
                warnings=(text,),
                gate=GateComparison(verdict="BLOCK", margin=0, difference=0, low=0, high=0),
            ),
            "gates": (GateRecord(expression=text, verdict="BLOCK", reason=text),),
            "attribution": AttributionScore(
                trials=1, correct=0, accuracy=0, lower_95=0, confusion={"a": {text: 1}}
            ),
            "environment": report.environment.model_copy(
                update={"services": {"execgo": service}, "platform": text}
            ),
        }
    )


@ALL_TEXTS
@pytest.mark.parametrize("function", [one_line, for_terminal, for_html, for_markdown_code])
def test_a_line_is_one_line_of_visible_characters(
    function: Callable[[str], str], text: str
) -> None:
    shown = function(text)
    assert_safe_to_show(shown if function is not one_line else f"x {for_ci_log('x ' + shown)}")
    assert len(shown.splitlines()) == 1
    assert len(shown) < 25_000


@ALL_TEXTS
def test_lines_are_kept_where_the_caller_wants_them(text: str) -> None:
    shown = for_terminal(text, keep_lines=True)
    assert_safe_to_show(shown)
    if len(text) < 1000:
        lines = text.replace("\r\n", "\n").count("\n")
        assert shown.count("\n") == lines


@ALL_TEXTS
def test_what_is_safe_stays_as_it_is(text: str) -> None:
    text = text[:900]
    shown = for_terminal(text)
    assert for_terminal(shown) == shown
    assert for_terminal(for_terminal(text, keep_lines=True), keep_lines=True) == for_terminal(
        text, keep_lines=True
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "all 3 checks hold",
        "héllo 世界 🙂",
        "binding a -> b",
        "std::vector",
        "a_b #1: 50 %",
        "–",
    ],
)
def test_harmless_text_is_not_changed(text: str) -> None:
    for function in (one_line, for_terminal, for_markdown, for_markdown_code):
        assert function(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("\x1b[2J", r"\x1b[2J"),
        ("a\r\nb\tc", r"a\r\nb\tc"),
        ("\u202e", r"\u202e"),
        ("\U000e0041", r"\U000e0041"),
        ("::error::x", r"\x3a:error::x"),
        ("see ##vso[a]", r"see \x23#vso[a]"),
    ],
)
def test_the_escape_names_the_character(text: str, shown: str) -> None:
    assert for_terminal(text) == shown


def test_a_cut_text_keeps_its_begin_and_end_and_counts_the_rest() -> None:
    shown = one_line("a" * 70 + "b" * 1000 + "c" * 40, limit=90)
    assert shown == "a" * 60 + " … 1020 characters left out … " + "c" * 30


@TEXTS
def test_markdown_shows_plain_text(text: str) -> None:
    for shown in (for_markdown(text), f"`{for_markdown_code(text)}`"):
        assert_plain_markdown(shown)
        assert_safe_to_show(shown)


@ALL_TEXTS
def test_json_is_safe_to_show_and_keeps_the_text(text: str) -> None:
    line = json_line({"text": text, text: 1})
    assert json.loads(line) == {"text": text, text: 1}
    assert_safe_to_show(line[:100_000])
    line.encode()


@TEXTS
def test_the_report_has_the_structure_of_a_report_of_harmless_text(text: str) -> None:
    report = MarkdownReport().render(hostile_report(text))
    assert skeleton(report) == skeleton(MarkdownReport().render(hostile_report("harmless")))
    assert_plain_markdown(report)
    shown = [line for line in report.split("\n") if not line.startswith("#")]
    assert_safe_to_show("\n".join(shown))


@TEXTS
def test_documents_keep_the_text(text: str) -> None:
    report = hostile_report(text)
    loaded = BenchmarkResult.model_validate_json(report.model_dump_json())
    assert loaded.trials[0].verdict.outcome == text


@TEXTS
def test_the_text_of_a_failed_trial_is_safe(text: str) -> None:
    shown = failure_text(hostile_trial(text), f"reports/{text}")
    assert_safe_to_show(shown)
    heads = [line[:13].strip() for line in shown.split("\n")]
    assert heads == ["FAILED", "cause", "next", "chain", "", "", "record", "rerun"]


class Reporter:
    """What the summary needs of pytest's terminal reporter."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.isatty = True
        writer = SimpleNamespace(fullwidth=80)
        self.config = SimpleNamespace(get_terminal_writer=lambda: writer)

    def section(self, title: str) -> None:
        self.lines.append(title)

    def write_line(self, line: str, **markup: bool) -> None:
        self.lines += line.split("\n")


@TEXTS
def test_the_summary_on_the_terminal_is_safe(text: str) -> None:
    reporter = Reporter()
    state: Any = SimpleNamespace(
        result=hostile_report(text),
        report_failures=[text],
        builtin_because=text,
        run=SimpleNamespace(
            folder=Path("/reports") / text.replace("\0", ""), update_expected=False
        ),
        config=SimpleNamespace(
            invocation_params=SimpleNamespace(dir=Path("/elsewhere"), args=(text,)),
            option=SimpleNamespace(verbose=1),
            pluginmanager=SimpleNamespace(get_plugin=str),
            getoption={
                "execgo_run_id": None,
                "execgo_scenarios": text,
                "execgo_reports": None,
                "lf": False,
            }.get,
        ),
    )
    show(reporter, state)  # type: ignore[arg-type]
    assert_safe_to_show("\n".join(reporter.lines))
    table = terminal_table(hostile_report(text), 80)
    for line in (table.caption, *map(table.text, table.rows)):
        assert_safe_to_show(line)


@TEXTS
def test_errors_are_safe_to_show(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    output.print_error(UsageError(f"{text}: no such file"))
    output.print_error(HarnessError(text), label="harness error", keep_lines=True)
    output.print_table([[text, None, 1]], ["a", "b", "c"])
    output.print_line(text)
    shown = [
        str(usage_error(UsageError(text))), error_text(HarnessError(text)),
        error_text(UsageError(text)), *capsys.readouterr(),
    ]  # fmt: skip
    for one in shown:
        assert_safe_to_show(one)


class Strict(Document):
    name: int = 0


@TEXTS
def test_a_message_about_a_document_is_one_line(text: str) -> None:
    for data in ({text: 1}, {"name": text}):
        with pytest.raises(ValidationError) as caught:
            Strict.model_validate(data)
        message = explain(caught.value, Strict, Source("file.yaml"))
        assert len(message.splitlines()) == 1
        assert_safe_to_show(f"error: {for_ci_log(message)}")


@TEXTS
def test_a_copied_event_is_safe_and_its_reader_gets_the_text(text: str, tmp_path: Path) -> None:
    copy = StringIO()
    stream = EventStream(tmp_path / "events.ndjson", copy)
    line = TrialFinishedLine(
        at=clock.now(), trial_id="s-f-replay-none-r0", state="error", reason=text[:1000]
    )
    stream.add(line)
    stream.close()
    assert_safe_to_show(copy.getvalue())
    first, second = copy.getvalue().splitlines()
    assert json.loads(first)["event"] == "stream_started"
    assert json.loads(second)["reason"] == text[:1000]


@TEXTS
@pytest.mark.parametrize("tablefmt", ["plain", "github"])
def test_the_report_of_an_engine_is_safe(text: str, tablefmt: str) -> None:
    cases = [
        CaseResult("c1", "area", "differs", None, "what it shows", (text, text)),
        CaseResult("c2", "area", "not_run", None, "what it shows", (text,)),
    ]
    report = Report(text, cases, 0, []).text(tablefmt)
    assert_safe_to_show("\n".join(x for x in report.split("\n") if not x.startswith("#")))
    if tablefmt == "github":
        assert_plain_markdown(report)
