"""``trace.json``: ordered slices in lanes without overlaps."""

from __future__ import annotations

from random import Random
from typing import Any

from pytest_execgo.benchmark.chrome_trace import chrome_trace
from pytest_execgo.models import events as t
from tests.traces import check, lanes


def at(kind: type[Any], ms: float, **members: Any) -> Any:
    return kind.model_construct(at_ms=ms, event_id="e", **members)


def done(engine_id: str, ms: float, status: str = "success", round_: int = 0) -> Any:
    return at(
        t.TaskChanged, ms, engine_task_id=engine_id, status=status, round=round_, task_id="a",
        stage_id="s",
    )  # fmt: skip


TRIAL = [
    at(t.PlanningStarted, 0),
    at(t.PlanReady, 5),
    at(t.StageStarted, 6, stage_id="s", tasks=("a", "b")),
    at(t.Submitted, 7, stage_id="s", round=0, task_ids={"a": "x.a", "b": "x.b"}),
    at(t.ChaosFired, 10, fault=0, action="kill", target="runtime", detail="d"),
    at(t.ServiceExited, 11, service="runtime", exit_status=-9, pid=1),
    done("x.a", 12, "failed"),
    at(t.Submitted, 30, stage_id="s", round=1, task_ids={"a": "x.a.r1"}),
    at(t.ServiceReady, 28, service="runtime", url="u", pid=2),
    at(t.ChaosHealed, 29, fault=0, detail="h"),
    done("x.a.r1", 40, round_=1),
    at(t.StageFinished, 50, stage_id="s", outcome="succeeded", rounds=2),
    at(t.FixtureRequest, 8, method="GET", path="/x", status=200, duration_ms=4, sha256=None,
       reference_sha256=None),
    at(t.FixtureRequest, 9, method="GET", path="/y", status=200, duration_ms=4, sha256=None,
       reference_sha256=None),
    at(t.TrialFinished, 51, wall_time_ms=50),
]  # fmt: skip


def test_a_trial_has_lanes_for_everything_that_took_time() -> None:
    document = chrome_trace("t", TRIAL)
    check(document)
    found = lanes(document)
    assert {name: [(e["ts"], e["dur"]) for e in members] for name, members in found.items()} == {
        "planning": [(0, 5000)],
        "stages": [(6000, 44000)],
        "task a": [(7000, 5000), (30000, 10000)],
        "task b": [(7000, 43000)],
        "fixtures": [(8000, 4000)],
        "fixtures (2)": [(9000, 4000)],
        "faults": [(10000, 19000)],
        "service runtime": [(11000, 17000)],
    }
    assert found["task b"][0]["args"]["status"] == "unfinished"
    assert found["task a"][0]["args"]["status"] == "failed"


def test_states_of_services_and_links_last_until_they_are_healthy() -> None:
    events = [
        at(t.ServiceSilent, 5, service="execgo", waited_ms=900, message="timed out"),
        at(t.LinkDegraded, 6, service="runtime", how="broken", direct_ms=1, message="refused"),
        at(t.ServiceHealthy, 9, service="runtime"),
        at(t.ServiceHealthy, 12, service="execgo"),
        at(t.LinkDegraded, 13, service="runtime", how="slow", direct_ms=1, message="late"),
        at(t.ObserverStarved, 20, gap_ms=4),
        at(t.LinkUsed, 29, service="fixtures", problems=(
            t.LinkProblem(how="reset", at_ms=8, waited_ms=3),
            t.LinkProblem(how="refused", at_ms=2, waited_ms=5),
        )),
        at(t.TrialFinished, 30, wall_time_ms=30),
    ]  # fmt: skip
    document = chrome_trace("t", events)
    check(document)
    assert {
        name: [(e["name"], e["ts"], e["dur"]) for e in members]
        for name, members in lanes(document).items()
    } == {
        "service execgo": [("silent", 5000, 7000)],
        "link runtime": [("broken", 6000, 3000), ("slow", 13000, 17000)],
        "observer": [("starved", 16000, 4000)],
        "link fixtures": [("refused", 0, 2000), ("reset", 5000, 3000)],
    }


def test_any_part_of_a_timeline_is_a_trace() -> None:
    rng = Random(4)
    for _ in range(200):
        check(chrome_trace("t", rng.sample(TRIAL, rng.randint(0, len(TRIAL)))))
