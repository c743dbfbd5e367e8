"""The follower of timelines: each stage and fault once, whatever the writer and the attempts do."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_execgo.models.events import ChaosFired, ChaosHealed, StageStarted, TaskLost
from pytest_execgo.models.stream import StreamLine
from pytest_execgo.plugin.follower import TimelineFollower
from pytest_execgo.system import clock

TRIAL = "s-f-replay-none-r0"


class Watched:
    """A follower, what it passed on, and the timeline of one trial."""

    def __init__(self, folder: Path) -> None:
        self.timeline = folder / TRIAL / "timeline.jsonl"
        self.timeline.parent.mkdir(exist_ok=True)
        self.lines: list[StreamLine] = []
        self.follower = TimelineFollower(folder, self.lines.append)

    def write(self, text: str) -> None:
        with self.timeline.open("a") as file:
            file.write(text)

    def kinds(self) -> list[str]:
        return [getattr(line, "event", "") for line in self.lines]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    found = Watched(tmp_path)
    yield found
    found.follower.close()


def text(event: StageStarted | ChaosFired | ChaosHealed | TaskLost) -> str:
    stamped = event.model_copy(update={"event_id": "e1", "at_ms": 5.0, "wall_time": clock.now()})
    return stamped.model_dump_json(exclude_none=True) + "\n"


STAGE = text(StageStarted(stage_id="one", tasks=("a",)))
FAULT = text(ChaosFired(fault=0, action="kill", target="runtime", detail="killed"))
HEALED = text(ChaosHealed(fault=0, action="kill", target="runtime", detail="back"))


def test_stages_and_faults_are_passed_on_once_before_the_end_of_the_trial(watched: Watched) -> None:
    watched.follower.started(TRIAL)
    watched.write(STAGE + FAULT)
    watched.follower.ended(TRIAL)
    assert watched.kinds() == ["stage_started", "fault_injected"]
    watched.write(HEALED)
    watched.follower.ended(TRIAL)
    assert watched.kinds() == ["stage_started", "fault_injected"]


def test_a_line_that_is_half_written_is_read_when_it_is_whole(watched: Watched) -> None:
    watched.follower.started(TRIAL)
    for place in range(len(FAULT)):
        watched.write(FAULT[place])
    watched.write("garbage chaos_fired\n" + '{"event_type": "chaos_healed"}\n' + HEALED[:20])
    watched.follower.ended(TRIAL)
    assert watched.kinds() == ["fault_injected"]


def test_the_timeline_of_an_earlier_attempt_is_not_read_again(watched: Watched) -> None:
    watched.follower.started(TRIAL)
    watched.write(FAULT)
    watched.follower.ended(TRIAL)
    watched.follower.started(TRIAL)
    watched.timeline.rename(watched.timeline.with_name("earlier"))
    watched.write(STAGE)
    watched.follower.ended(TRIAL)
    assert watched.kinds() == ["fault_injected", "stage_started"]


def test_a_resumed_run_does_not_read_the_timelines_of_its_beginning(tmp_path: Path) -> None:
    folder = tmp_path / TRIAL
    folder.mkdir()
    (folder / "timeline.jsonl").write_text(FAULT)
    os.utime(folder / "timeline.jsonl", (1, 1))
    watched = Watched(tmp_path)
    watched.follower.started(TRIAL)
    watched.follower.ended(TRIAL)
    watched.follower.close()
    assert watched.kinds() == []


def test_a_trial_without_a_timeline_passes_nothing_on(watched: Watched) -> None:
    watched.follower.started(TRIAL)
    watched.follower.ended(TRIAL)
    assert watched.kinds() == []


def test_lines_of_an_attempt_that_another_one_replaced_are_not_lost(watched: Watched) -> None:
    """A worker begins the next attempt before the controller hears that the last one ended."""
    watched.write(STAGE)
    watched.follower.started(TRIAL)
    watched.write(FAULT)
    watched.timeline.rename(watched.timeline.with_name("earlier"))
    watched.write(STAGE)
    watched.follower.ended(TRIAL)
    watched.follower.started(TRIAL)
    watched.write(HEALED)
    watched.follower.ended(TRIAL)
    assert watched.kinds() == ["stage_started", "fault_injected", "stage_started", "fault_healed"]


def test_a_line_of_any_length_does_not_stop_the_follower(watched: Watched) -> None:
    watched.follower.started(TRIAL)
    watched.write('{"event_type": "' + "x" * 5_000_000 + '"}\n' + FAULT)
    watched.write("y" * 9_000_000 + "\n" + HEALED)
    watched.follower.ended(TRIAL)
    assert watched.kinds() == ["fault_injected", "fault_healed"]
