"""The table of symptoms: what explains what, and within which time."""

from __future__ import annotations

from math import inf
from typing import Any

import pytest

from pytest_execgo.models.cause import Layer
from pytest_execgo.verdict.evidence import Window
from pytest_execgo.verdict.suspicion import Suspicion
from pytest_execgo.verdict.symptoms import Explains, causes


def one(layer: Layer, code: str, at: float = 50, *notes: str, **more: Any) -> Suspicion:
    return Suspicion(layer, code, "certain", (), "m", at, notes=frozenset(notes), **more)


def left(*suspicions: Suspicion) -> list[str]:
    """What remains, with ``?`` where another reason is possible."""
    doubt = {"certain": "", "likely": "", "possible": "?"}
    return [f"{found.name}{doubt[found.confidence]}" for found in causes(suspicions)]


TASK = one("task", "x", 50, "task", since=40)
DURING = (Window(0, 60),)


@pytest.mark.parametrize("code", ["process_stopped", "limited", "link_broken", "link_slow"])
def test_silence_is_explained_by_the_state_of_the_same_service(code: str) -> None:
    silent = one("runtime", "silent", 50, "health", service="runtime")
    state = one("runtime", code, 50, "health", service="runtime")
    assert left(silent, state) == [f"runtime/{code}"]
    other = one("fixture", code, 50, "health", service="fixtures")
    assert left(silent, other) == ["runtime/silent", f"fixture/{code}"]


@pytest.mark.parametrize(
    "code", ["process_exited", "process_stopped", "silent", "limited", "link_broken", "link_slow"]
)
def test_an_unreachable_engine_is_explained_by_its_process_and_link(code: str) -> None:
    unreachable = one("engine", "unreachable", 50, service="execgo")
    assert left(unreachable, one("engine", code, 50, service="execgo")) == [f"engine/{code}"]
    assert "engine/unreachable" in left(unreachable, one("runtime", code, service="runtime"))


def test_a_failure_of_the_runtime_says_what_its_end_did() -> None:
    gone = one("runtime", "process_exited", 5, service="runtime")
    lost = one("runtime", "handle_lost", 50, "failure", service="runtime")
    assert left(gone, lost) == ["runtime/handle_lost"]
    health = one("runtime", "link_broken", 5, "health", service="runtime")
    assert left(health, lost) == ["runtime/link_broken"]
    with_exit = one("runtime", "handle_lost", 50, "failure", "with_exit", service="runtime")
    assert left(health, with_exit) == ["runtime/link_broken", "runtime/handle_lost"]


def test_a_task_that_execgo_cut_off_is_explained_by_its_end() -> None:
    cut = one("task", "failed", 50, "task", "cut_off")
    assert left(cut, one("engine", "process_exited", 90)) == ["engine/process_exited"]
    assert left(TASK, one("engine", "process_exited", 90)) == ["task/x", "engine/process_exited"]


@pytest.mark.parametrize("layer", ["fixture", "runtime"])
@pytest.mark.parametrize(
    ("window", "expected"),
    [
        (Window(50, 50), []),
        (Window(0, 49), ["task/x?"]),
        (Window(0, 40), ["task/x?"]),
        (Window(0, 39), ["task/x"]),
        (Window(51, 90), ["task/x"]),
    ],
    ids=["at_the_time", "submitted_inside", "submitted_at_its_end", "before", "after"],
)
def test_a_task_is_a_symptom_of_a_service_that_was_not_well(
    layer: Layer, window: Window, expected: list[str]
) -> None:
    service = one(layer, "slow", windows=(window,))
    assert left(TASK, service) == [*expected, f"{layer}/slow"]
    several = one(layer, "slow", windows=(Window(200, 300), window))
    assert left(TASK, several) == [*expected, f"{layer}/slow"]


def test_other_layers_explain_no_task() -> None:
    assert left(TASK, one("engine", "stuck", windows=DURING)) == ["task/x", "engine/stuck"]
    words = one("fixture", "refused", 50, "task", windows=DURING)
    assert left(TASK, words) == ["task/x", "fixture/refused"]
    machine = one("unknown", "no_space", 50)
    assert left(machine, one("fixture", "slow", windows=DURING)) == [
        "unknown/no_space",
        "fixture/slow",
    ]


@pytest.mark.parametrize("name", ["out_of_memory", "too_many_files"])
def test_a_limit_on_the_runtime_explains_what_its_tasks_lack(name: str) -> None:
    limited = one("runtime", "limited", windows=DURING)
    assert left(one("unknown", name), limited) == ["runtime/limited"]
    assert f"unknown/{name}" in left(one("unknown", name, 70), limited)
    assert "unknown/no_space" in left(one("unknown", "no_space"), limited)


@pytest.mark.parametrize("name", [("task", "bad_output"), ("unknown", "changed_output")])
def test_unreadable_output_is_explained_by_fixtures_from_then_on(name: tuple[Layer, str]) -> None:
    output = one(*name, 50)
    assert left(output, one("fixture", "slow", windows=(Window(50, 50),))) == ["fixture/slow"]
    late = one("fixture", "slow", windows=(Window(51, 60),))
    assert left(output, late) == ["/".join(name), "fixture/slow"]
    both = one("fixture", "slow", windows=(Window(51, 60), Window(0, 1)))
    assert left(output, both) == ["fixture/slow"]
    own_words = one("fixture", "refused", 5, "task", windows=DURING)
    assert left(output, own_words) == ["/".join(name), "fixture/refused"]


@pytest.mark.parametrize("name", [("task", "wrong_output"), ("unknown", "changed_output")])
def test_a_wrong_result_is_explained_by_wrong_content_that_is_in_it(
    name: tuple[Layer, str],
) -> None:
    wrong = one("fixture", "wrong_content", 90, "used")
    assert left(one(*name, 50), wrong) == ["fixture/wrong_content"]
    unused = one("fixture", "wrong_content", 90)
    assert left(one(*name, 50), unused) == ["/".join(name), "fixture/wrong_content"]


def test_a_missing_value_is_explained_by_an_earlier_failure_of_its_source() -> None:
    missing = one("binding", "binding_missing", 50, "source_failed")
    assert left(missing, one("task", "x", 49)) == ["task/x"]
    assert left(missing, one("task", "x", 50)) == ["binding/binding_missing", "task/x"]
    two = one("binding", "binding_missing", 40, "source_failed")
    assert left(missing, two) == ["binding/binding_missing"] * 2
    present = one("binding", "binding_missing", 50)
    assert left(present, one("task", "x", 49)) == ["binding/binding_missing", "task/x"]


def test_a_symptom_still_explains_others_and_none_explains_itself() -> None:
    def named(*names: str) -> Any:
        return lambda found: found.code in names

    table = [
        Explains(named("a"), named("b"), lambda cause, symptom: True),
        Explains(named("b"), named("c"), lambda cause, symptom: True),
        Explains(named("d"), named("d"), lambda cause, symptom: True),
    ]
    chain = [one("task", code) for code in ("c", "b", "a", "d")]
    assert [found.code for found in causes(chain, table)] == ["a", "d"]
    assert causes(chain, []) == chain


def test_the_time_of_a_suspicion_is_open_unless_it_is_known() -> None:
    open_ended = Suspicion("task", "x", "likely", (), "m")
    assert (open_ended.at, open_ended.since, open_ended.settled_at) == (inf, -inf, inf)
    assert not open_ended.mitigated
