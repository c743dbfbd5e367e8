"""The search finds a violation with a short example, and none in a correct engine."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_execgo.conformance.engines import Engines
from pytest_execgo.conformance.model import Delete, Draft, ReferenceModel, Submit, order
from pytest_execgo.conformance.peer import Peer
from pytest_execgo.conformance.search import curl, search, smaller
from pytest_execgo.harness.processes.embedded import EmbeddedLauncher


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[Engines]:
    with Peer() as peer:
        running = Engines(EmbeddedLauncher(), "", peer, tmp_path)
        yield running
        running.stop()


def test_the_model_predicts_states_and_counters() -> None:
    model = ReferenceModel()
    model.submit((Draft("a", "fail", retry=1), Draft("b", "ok", ("a",)), Draft("c", "ok", ("b",))))
    assert [model.known[name].status for name in "abc"] == ["failed", "skipped", "skipped"]
    assert model.known["a"].attempts == 2
    assert (model.total, model.succeeded, model.failed) == (3, 0, 2)


def test_parents_come_first() -> None:
    graph = (Draft("c", "ok", ("b",)), Draft("b", "ok", ("a",)), Draft("a", "ok"))
    assert order(graph) == ["a", "b", "c"]


def test_smaller_programs_lack_one_task_step_or_detail() -> None:
    program = (Submit((Draft("a", "fail", retry=1), Draft("b", "ok", ("a",)))), Delete("a"))
    found = list(smaller(program))
    assert (Submit(program[0].graph),) in found
    assert any(len(p[0].graph) == 1 for p in found if isinstance(p[0], Submit))
    assert program not in found


def test_a_program_is_shown_as_curl_commands() -> None:
    (line,) = curl((Submit((Draft("a", "ok"),)),))
    assert json.loads(line.split("'")[1]) == {"tasks": [{"id": "a", "type": "noop"}]}


def test_the_embedded_engine_holds_every_invariant(engines: Engines) -> None:
    programs, found = search(engines, 25, seed=3)
    assert programs >= 25
    assert found == []


def test_a_wrong_counter_is_found_with_one_submission(
    engines: Engines, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model is changed instead of the engine: the search sees the same difference."""
    monkeypatch.setattr(ReferenceModel, "submit", _forgetful(ReferenceModel.submit))
    _, found = search(engines, 25, seed=3)
    counted = [violation for violation in found if violation.invariant == "counters"]
    assert counted
    assert len(counted[0].curl) == 1, "one submission shows it"


SubmitMethod = Callable[[ReferenceModel, tuple[Draft, ...]], None]


def _forgetful(real: SubmitMethod) -> SubmitMethod:
    def submit(self: ReferenceModel, graph: tuple[Draft, ...]) -> None:
        real(self, graph)
        self.total += 1

    return submit
