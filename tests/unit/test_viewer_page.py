"""``index.html``: what is in it, in which order, and what it must not contain."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.benchmark.viewer.documents import in_order, trial_document
from pytest_execgo.benchmark.viewer.page import index_html
from pytest_execgo.files.writing import write_text
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.models.viewer import ViewerIndex, ViewerTrial
from tests.hostile_text import HOSTILE
from tests.results import missing, result, trial

EVENT = {"event_id": "e1", "event_type": "stage_started", "at_ms": 1.0, "stage_id": "one"}
SLICE = {"ph": "X", "name": "one", "tid": 1, "ts": 1000, "dur": 500, "args": {"rounds": 1}}
LANE = {"ph": "M", "name": "thread_name", "tid": 1, "args": {"name": "stages"}}


def record(folder: Path, one: TrialResult, *, events: list[Any] | None = None) -> None:
    """The files of a trial that the viewer reads."""
    place = folder / "trials" / one.trial_id
    place.mkdir(parents=True)
    lines = "".join(json.dumps(event) + "\n" for event in events or [EVENT])
    write_text(place / "timeline.jsonl", lines)
    write_text(place / "trace.json", json.dumps({"traceEvents": [LANE, SLICE]}))
    write_text(place / "plan.json", json.dumps({"stages": []}))


def run(folder: Path, trials: list[TrialResult]) -> BenchmarkResult:
    for one in trials:
        record(folder, one)
    return result(trials, [missing(98, "error"), missing(99, "not_run")])


class Page(HTMLParser):
    """The elements of a page, the texts of its scripts, and the pieces of its data."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.pieces: dict[str, str] = {}
        self.policy = ""
        self._open: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        facts = dict(attrs)
        assert not [name for name in facts if name.startswith("on")]
        assert not {"src", "href", "action"} & facts.keys()
        if facts.get("http-equiv") == "Content-Security-Policy":
            self.policy = str(facts["content"])
        if tag != "meta":
            self._open.append((tag, facts))

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        tag, facts = self._open[-1] if self._open else ("", {})
        if tag == "script" and "data-piece" in facts:
            self.pieces[str(facts["data-piece"])] = data
        elif tag in ("script", "style"):
            (self.scripts if tag == "script" else self.styles).append(data)
        else:
            self.texts.append(data)

    def index(self) -> ViewerIndex:
        return ViewerIndex.model_validate_json(
            gzip.decompress(base64.b64decode(self.pieces["index"]))
        )

    def trial(self, name: str) -> ViewerTrial:
        return ViewerTrial.model_validate_json(gzip.decompress(base64.b64decode(self.pieces[name])))


def digest(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def test_the_page_holds_the_run_and_its_trials(tmp_path: Path) -> None:
    found = run(tmp_path, [trial(0), trial(1, "failed")])
    page = Page(index_html(tmp_path, found))
    index = page.index()
    assert index.run == found.model_copy(update={"trials": ()})
    assert index.trials.verdict == ("passed", "failed", "error", "not_run")
    assert index.trials.has_detail == (True, True, False, False)
    assert (index.left_out, index.problems) == (0, ())
    red = page.trial("s-f-replay-none-r1")
    assert red.result == found.trials[1]
    assert red.events == (EVENT,)
    (bar,) = red.slices
    assert (bar.lane, bar.start_ms, bar.end_ms) == ("stages", 1.0, 1.5)


def test_the_same_run_gives_the_same_bytes(tmp_path: Path) -> None:
    found = run(tmp_path, [trial(0)])
    assert index_html(tmp_path, found) == index_html(tmp_path, found)


def test_only_the_scripts_and_styles_of_the_page_may_run(tmp_path: Path) -> None:
    page = Page(index_html(tmp_path, run(tmp_path, [trial(0)])))
    allowed = re.findall(r"'sha256-([^']+)'", page.policy)
    assert sorted(allowed) == sorted(map(digest, [*page.scripts, *page.styles]))
    assert page.policy.startswith("default-src 'none'; script-src 'sha256-")
    assert "unsafe" not in page.policy


def test_what_did_not_pass_and_one_trial_of_each_cell_come_first() -> None:
    other = {"cell_id": "t-f-replay-none", "scenario": "t"}
    trials = [
        trial(0), trial(1), trial(2, "failed"),
        trial(3).model_copy(update={**other, "trial_id": "t-f-replay-none-r3"}),
    ]  # fmt: skip
    names = [one.trial_id[-2:] for one in in_order(result(trials, []))]
    assert names == ["r2", "r0", "r3", "r1"]


def test_what_exceeds_the_budget_is_counted(tmp_path: Path) -> None:
    found = run(tmp_path, [trial(k, "failed" if k == 7 else "passed") for k in range(10)])
    page = Page(index_html(tmp_path, found, budget_mib=0.003))
    index = page.index()
    assert 0 < index.left_out < 10
    assert "s-f-replay-none-r7" in page.pieces
    assert sum(index.trials.has_detail) == 10 - index.left_out == len(page.pieces) - 1
    assert len(index.trials.trial_id) == 12


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_text_of_others_adds_no_element(text: str, tmp_path: Path) -> None:
    cause = {
        "layer": "task", "code": "x", "confidence": "certain", "evidence": [], "message": text,
    }  # fmt: skip
    red = trial(0, "failed", outcome=text, attribution=[cause], explanation=[])
    record(tmp_path, red, events=[{**EVENT, "message": text}])
    page = Page(index_html(tmp_path, result([red], [])))
    plain = [
        "html", "head", "meta", "meta", "meta", "meta", "title", "style", "script", "body", "div",
        "div", "h1", "p", "p", "table", "caption", "tr", "th", "th", "tr", "th", "td", "details",
        "summary", "pre", "script", "script", "script",
    ]  # fmt: skip
    assert page.tags == plain
    assert page.trial(red.trial_id).result.verdict.outcome == red.verdict.outcome


def test_the_facts_are_there_without_a_script(tmp_path: Path) -> None:
    found = run(tmp_path, [trial(0), trial(1, "failed", explanation=[])])
    text = "".join(Page(index_html(tmp_path, found)).texts)
    for fact in (
        "1 of 2 trials passed",
        "✗ 1/3",
        "s-f-replay-none-r1: none/x: m",
        "rerun        pytest x",
    ):
        assert fact in text


def test_what_is_damaged_is_named_and_the_rest_is_shown(tmp_path: Path) -> None:
    one = trial(0, "failed")
    record(tmp_path, one)
    place = tmp_path / "trials" / one.trial_id
    (place / "timeline.jsonl").write_text(json.dumps(EVENT) + '\n{"event_id": "e2", "at_m')
    (place / "trace.json").write_text('{"traceEvents": [{"ph": "X"}]}')
    (place / "plan.json").unlink()
    found = trial_document(place, one)
    assert found.events == (EVENT,)
    assert [line.partition(":")[0] for line in found.missing] == [
        "timeline.jsonl, line 2", "trace.json", "plan.json",
    ]  # fmt: skip
    index = Page(index_html(tmp_path, result([one], []))).index()
    assert [line.partition(": ")[0] for line in index.problems] == [one.trial_id] * 3


def test_a_trial_without_its_folder_is_shown_by_its_result(tmp_path: Path) -> None:
    page = Page(index_html(tmp_path, result([trial(0)], [])))
    assert page.trial("s-f-replay-none-r0").result.trial_id == "s-f-replay-none-r0"
    assert page.index().problems


def test_huge_texts_are_shortened(tmp_path: Path) -> None:
    one = trial(0)
    record(tmp_path, one, events=[{**EVENT, "message": "x" * 10_000_000}])
    found = trial_document(tmp_path / "trials" / one.trial_id, one)
    assert len(json.dumps(found.events[0])) < 30_000
    assert found.events[0]["event_id"] == "e1"
