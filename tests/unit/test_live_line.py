"""What the live line says, and what it writes to a terminal."""

from __future__ import annotations

import fcntl
import json
import os
import struct
import termios
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from pytest_execgo.plugin.live_line import (
    PLAIN_EVERY_SECONDS,
    BottomLine,
    LiveFacts,
    LiveLine,
    PlainLines,
    TrialCounts,
    last_fault,
)
from pytest_execgo.system import clock
from tests.terminals import read_until

NOW = datetime(2026, 1, 1, 12, 0, 10, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("facts", "text"),
    [
        (LiveFacts(0, 95), "0/95"),
        (
            LiveFacts(18, 95, "vuln_scan × runtime_kill", 0, "fault injected 0.4 s ago", 71.0),
            "18/95 · vuln_scan × runtime_kill · fault injected 0.4 s ago · about 1 min left",
        ),
        (LiveFacts(3, 9, "s × none", 1, "", 12.0), "3/9 · s × none and 1 more · about 10 s left"),
        (LiveFacts(9, 9, "a\x1b[2Jb"), "9/9 · a\\x1b[2Jb"),
    ],
)
def test_the_line_says_how_far_the_run_is(facts: LiveFacts, text: str) -> None:
    assert facts.text() == text


def test_a_narrow_line_says_what_matters_most() -> None:
    facts = LiveFacts(9, 95, "vuln_scan × runtime_kill", 1, "fault healed", 71.0)
    assert [facts.text(width) for width in (80, 70, 52, 35, 25, 5)] == [
        "9/95 · vuln_scan × runtime_kill and 1 more · fault healed · about 1 min left",
        "9/95 · vuln_scan × runtime_kill · fault healed · about 1 min left",
        "9/95 · vuln_scan × runtime_kill · about 1 min left",
        "9/95 · vuln_scan × runtime_kill",
        "9/95 · about 1 min left",
        "9/95",
    ]


def event(kind: str, second: int = 5) -> str:
    at = datetime(2026, 1, 1, 12, 0, second, tzinfo=UTC).isoformat()
    return json.dumps({"event_type": kind, "wall_time": at}) + "\n"


@pytest.mark.parametrize(
    ("lines", "text"),
    [
        ([], ""),
        ([event("task_changed")], ""),
        ([event("chaos_fired"), event("task_changed")], "fault injected 5.0 s ago"),
        ([event("chaos_fired"), event("chaos_healed", 6)], "fault healed"),
        ([event("chaos_healed"), event("chaos_fired", 9)], "fault injected 1.0 s ago"),
        (['{"event_type":"chaos_fired"', "\n"], ""),
    ],
)
def test_the_newest_fault_is_read_from_the_timeline(
    tmp_path: Path, lines: list[str], text: str
) -> None:
    path = tmp_path / "timeline.jsonl"
    path.write_text("".join(lines))
    assert last_fault(path, NOW) == text
    assert last_fault(tmp_path / "none", NOW) == ""


@pytest.fixture
def terminal() -> Iterator[tuple[int, str]]:
    """A terminal of 40 columns and 10 rows: its other end, and its name."""
    ours, theirs = os.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 10, 40, 0, 0))
    yield ours, os.ttyname(theirs)
    os.close(ours)
    os.close(theirs)


def test_the_last_row_does_not_scroll_and_is_given_back(terminal: tuple[int, str]) -> None:
    ours, name = terminal
    line = BottomLine(name)
    line.show(lambda width: "x" * 100)
    drawn = read_until(ours, b"x\x1b8").decode()
    assert "\x1b[1;9r" in drawn, "rows 1 to 9 scroll"
    assert drawn.endswith(f"\x1b[10;1H\x1b[2K{'x' * 39}\x1b8")
    line.show(lambda width: f"again {width}")
    assert read_until(ours, b"\x1b8").decode() == "\x1b7\x1b[10;1H\x1b[2Kagain 39\x1b8"
    line.close()
    assert read_until(ours, b"\x1b8").decode() == "\x1b7\x1b[10;1H\x1b[2K\x1b[r\x1b8"


def test_trials_are_counted_once(tmp_path: Path) -> None:
    counts = TrialCounts(3, tmp_path)
    counts.started("a", "s × none")
    counts.started("b", "s × kill")
    assert (counts.facts().current, counts.facts().others) == ("s × kill", 1)
    counts.ended("b")
    counts.ended("b")
    facts = counts.facts()
    assert (facts.done, facts.total, facts.current) == (1, 3, "s × none")
    assert facts.seconds_left is None, "one trial says little about the others"
    counts.ended("a")
    assert counts.facts().seconds_left is not None


def test_a_log_gets_a_line_only_if_the_last_one_is_old_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(clock, "monotonic", lambda: now)
    lines: list[str] = []
    counts = TrialCounts(3, tmp_path)
    plain = PlainLines(counts, lines.append)
    counts.started("a", "s × none")
    counts.ended("a")
    plain.trial_ended()
    assert lines == []
    now += PLAIN_EVERY_SECONDS
    counts.started("b", "s × kill")
    plain.trial_ended()
    plain.trial_ended()
    assert lines == ["1/3 · s × kill"]


def test_the_line_is_removed_once(terminal: tuple[int, str], tmp_path: Path) -> None:
    live = LiveLine(BottomLine(terminal[1]), TrialCounts(1, tmp_path))
    live.close()
    live.close()


def test_a_terminal_that_goes_away_ends_nothing(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    line = BottomLine(os.ttyname(theirs))
    os.close(theirs)
    os.close(ours)
    live = LiveLine(line, TrialCounts(1, tmp_path))
    live.close()
