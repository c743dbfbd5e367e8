"""Follows the trials of a run in the process that writes the reports: events, errors and skips."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Literal

import pytest

from pytest_execgo.benchmark.attempts import RESULT, has_record, note_problem
from pytest_execgo.benchmark.collect import MissingOutcome
from pytest_execgo.errors import HarnessError
from pytest_execgo.models.run_record import UnfinishedState
from pytest_execgo.models.stream import TrialFinishedLine, TrialStartedLine
from pytest_execgo.plugin.events import NO_ATTEMPT, EventStream, read_events, refuse_running
from pytest_execgo.plugin.follower import TimelineFollower
from pytest_execgo.plugin.user_key import without_key
from pytest_execgo.system import clock

CRASHED = "???"
"""The phase in the report that pytest-xdist makes for a worker that died."""
_DIED = "the process that ran this trial ended before the trial did"


class RunProgress:
    """Each ``trial_started`` is followed by one ``trial_finished`` of the same attempt.

    ``folder`` is that of the run. ``outcomes`` gets what ended a trial other than its verdict.
    """

    def __init__(
        self, folder: Path, events: EventStream, outcomes: dict[str, MissingOutcome]
    ) -> None:
        self._folder, self._events, self._outcomes = folder, events, outcomes
        self._follower = TimelineFollower(folder / "trials", events.add)
        self._open: set[str] = set()
        self._attempts = read_events(folder).attempts

    def start(self, trial_id: str, node_id: str) -> None:
        """An attempt begins, unless one is open."""
        if trial_id in self._open:
            return
        self._open.add(trial_id)
        self._outcomes.pop(trial_id, None)
        attempt = 1 + self._attempts[trial_id]
        self._events.add(
            TrialStartedLine(at=clock.now(), trial_id=trial_id, node_id=node_id, attempt=attempt)
        )
        self._follower.started(trial_id)

    def follow(self, trial_id: str, report: pytest.TestReport) -> None:
        """Take in one report of pytest. A rerun is only seen by its reports."""
        if report.when == "setup":
            self.start(trial_id, report.nodeid)
        crashed = str(report.when) == CRASHED
        problem = str(report.longrepr) if crashed else getattr(report, "execgo_problem", None)
        if problem is not None:
            self._outcomes[trial_id] = ("error", problem)
        elif report.skipped and not hasattr(report, "wasxfail"):
            reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else ""
            state: UnfinishedState = getattr(report, "execgo_skip", "skipped")
            self._outcomes[trial_id] = (state, reason.removeprefix("Skipped: "))
        if report.when == "teardown" or crashed:
            facts = {name: str(value) for name, value in report.user_properties}
            self._finish(trial_id, facts)

    def crash(self, trial_id: str, report: pytest.TestReport) -> None:
        """Record that a worker died, before another worker repeats the trial."""
        self._note(trial_id, "error", str(report.longrepr))

    def close(self) -> None:
        """The session ends: close the trials that did not come to an end."""
        self._follower.close()
        for trial_id in sorted(self._open):
            folder = self._folder / "trials" / trial_id
            reason = "interrupted before it had a record"
            if has_record(folder):
                when = (
                    "interrupted after its verdict" if (folder / RESULT).exists() else "interrupted"
                )
                reason = f"{when}; its record is in trials/{trial_id}"
                self._note(trial_id, "not_run", reason)
            self._outcomes[trial_id] = ("not_run", reason)
            self._finish(trial_id, {})

    def _note(self, trial_id: str, state: Literal["error", "not_run"], reason: str) -> None:
        # The outcome is kept in this process as well, so the report has it even if the disk is full.
        with suppress(HarnessError):
            note_problem(self._folder / "trials" / trial_id, state, reason)

    def _finish(self, trial_id: str, facts: dict[str, str]) -> None:
        self._open.discard(trial_id)
        state, reason = self._outcomes.get(trial_id, ("finished", ""))
        self._attempts[trial_id] += state not in NO_ATTEMPT
        self._follower.ended(trial_id)
        self._events.add(
            TrialFinishedLine.model_validate(
                {
                    "at": clock.now(),
                    "trial_id": trial_id,
                    "state": state,
                    "verdict": facts.get("execgo_verdict"),
                    "cause": facts.get("execgo_cause"),
                    "known_finding": facts.get("execgo_known_finding"),
                    "reason": reason.strip().splitlines()[0] if reason.strip() else None,
                }
            )
        )


def close_earlier(folder: Path) -> None:
    """Close the trials that an earlier process of a run left open, because it died.

    So a resumed run repeats them. Raises :class:`HarnessError`, and :class:`UsageError` if the run goes
    on in another process.
    """
    refuse_running(folder)
    left = read_events(folder).open
    if not left:
        return
    events = EventStream(folder / "events.ndjson")
    for trial_id in left:
        note_problem(folder / "trials" / trial_id, "error", _DIED)
        events.add(
            TrialFinishedLine(at=clock.now(), trial_id=trial_id, state="error", reason=_DIED)
        )
    events.close()


def reason_of(report: pytest.TestReport) -> str:
    """Why a report is a failure, in one line."""
    crash = getattr(report.longrepr, "reprcrash", None)
    text = crash.message.removeprefix("Failed: ") if crash else report.longreprtext
    lines = text.strip().splitlines() or ["error"]
    line = without_key(lines[0])
    return f"teardown: {line}" if report.when == "teardown" else line
