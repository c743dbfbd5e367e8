"""Searches for programs on which an engine violates an invariant.

Hypothesis generates the programs, and the model predicts their results. A violation is shown as a
short list of curl commands. Many violations occur only in some runs. Therefore the reduction tries
each smaller program three times, instead of once as the shrinker of Hypothesis does.
"""

from __future__ import annotations

import json
import secrets
import shlex
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pytest_execgo.conformance.model import Delete, Draft, Program, ReferenceModel, Submit
from pytest_execgo.system.clock import monotonic, sleep
from pytest_execgo.system.proposals import Fails, propose
from pytest_execgo.transport.client import request

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

MAX_ROUNDS = 8
TRIES = 3
REDUCE_SECONDS = 45.0
ENDS_WITHIN_SECONDS = 5.0
STILL_FOR_SECONDS = 0.12
TERMINAL = frozenset({"success", "failed", "skipped"})
IDS = ("a", "b", "c", "d", "e")
LIVELY = ("ok", "nap", "fail", "late", "count")


class Violation(Fails):
    """A violated invariant; ``invariant`` is its stable name."""

    def __init__(self, invariant: str, message: str) -> None:
        super().__init__(message)
        self.invariant = invariant


@dataclass(frozen=True)
class Found:
    """A violation with the smallest program that shows it, as curl commands."""

    invariant: str
    message: str
    curl: tuple[str, ...]


class EngineSource(Protocol):
    """Provides the engines for programs."""

    def living(self) -> str:
        """The base URL of an engine that answers."""

    def discard(self) -> None:
        """Replace the engine: it violated an invariant, and the next program needs another."""


def search(
    engines: EngineSource,
    examples: int,
    seed: int,
    report: Callable[[int], None] = lambda number: None,
) -> tuple[int, list[Found]]:
    """Run programs; returns their number, and one entry for each violated invariant.

    ``report`` is called with the number of each program. Hypothesis stops at the first violated
    invariant. So it runs again without the invariants found so far, until ``examples`` programs in a
    row violate no other one. Raises :class:`UsageError` if Hypothesis is not installed.
    """
    rounds = _Rounds(engines, report)
    for number in range(MAX_ROUNDS):
        rounds.aside |= set(rounds.smallest)
        if not propose(_programs, rounds.execute, examples=examples, seed=seed + number):
            break
        # The violation is in `smallest`, also if a race in the engine makes it flaky.
        for invariant in set(rounds.smallest) - rounds.aside:
            rounds.reduce(invariant)
    found = [
        Found(name, message, tuple(curl(program)))
        for name, (program, message) in sorted(rounds.smallest.items())
    ]
    return rounds.programs, found


class _Rounds:
    """Counts and violations over all rounds; invariants in ``aside`` were found before."""

    def __init__(self, engines: EngineSource, report: Callable[[int], None]) -> None:
        self._engines, self._report = engines, report
        self.programs = 0
        self.aside: set[str] = set()
        self.smallest: dict[str, tuple[Program, str]] = {}

    def execute(self, program: Program) -> None:
        """Run a program; raises the :class:`Violation` of an invariant that is not in ``aside``."""
        violation = self._violation(program)
        if violation is None or violation.invariant in self.aside:
            return
        self.smallest[violation.invariant] = (program, str(violation))
        raise violation

    def reduce(self, invariant: str) -> None:
        """Replace the program of a violation by smaller ones while they show it, for a limited time.

        After a success, a pass continues at the same position. Earlier candidates are tried again in the
        next pass.
        """
        deadline = monotonic() + REDUCE_SECONDS
        at, changed = 0, False
        while monotonic() < deadline:
            candidates = list(smaller(self.smallest[invariant][0]))
            if at >= len(candidates):
                if not changed:
                    return
                at, changed = 0, False
                continue
            shown = self._shows(candidates[at], invariant)
            if shown:
                self.smallest[invariant] = (candidates[at], str(shown))
                changed = True
            else:
                at += 1

    def _shows(self, program: Program, invariant: str) -> Violation | None:
        for _ in range(TRIES):
            violation = self._violation(program)
            if violation is not None and violation.invariant == invariant:
                return violation
        return None

    def _violation(self, program: Program) -> Violation | None:
        self.programs += 1
        self._report(self.programs)
        try:
            with tempfile.TemporaryDirectory(prefix="search-") as folder:
                _Run(self._engines.living(), folder).execute(program)
        except Violation as violation:
            self._engines.discard()
            return violation
        return None


def smaller(program: Program) -> Iterator[Program]:
    """Every program without one step, task, dependency or retry, or with a simpler kind."""
    for index, step in enumerate(program):
        if len(program) > 1:
            yield (*program[:index], *program[index + 1 :])
        if isinstance(step, Submit):
            for graph in _smaller_graphs(step.graph):
                yield (*program[:index], Submit(graph), *program[index + 1 :])


def _smaller_graphs(graph: tuple[Draft, ...]) -> Iterator[tuple[Draft, ...]]:
    if len(graph) > 1:
        for gone in graph:
            yield tuple(
                replace(d, deps=tuple(dep for dep in d.deps if dep != gone.id))
                for d in graph
                if d is not gone
            )
    for index, draft in enumerate(graph):
        simpler = [
            replace(draft, deps=tuple(x for x in draft.deps if x != dep)) for dep in draft.deps
        ]
        simpler += [replace(draft, retry=0)] if draft.retry else []
        simpler += [replace(draft, kind="ok")] if draft.kind != "ok" else []
        for other in simpler:
            yield (*graph[:index], other, *graph[index + 1 :])


def _programs() -> SearchStrategy[Program]:
    """One to three graphs over the same few ids, with deletions in between."""
    from hypothesis import strategies as st

    @st.composite
    def graph(draw: Any) -> Submit:
        names = draw(st.lists(st.sampled_from(IDS), min_size=1, max_size=5, unique=True))
        drafts = []
        for index, name in enumerate(names):
            kind = draw(st.sampled_from(LIVELY))
            deps = (
                draw(st.lists(st.sampled_from(names[:index]), max_size=2, unique=True))
                if index
                else []
            )
            drafts.append(Draft(name, kind, tuple(deps), draw(st.sampled_from((0, 0, 0, 1)))))
        return Submit(tuple(drafts))

    deletion = st.sampled_from(IDS).map(Delete)
    steps = st.lists(st.one_of(graph(), graph(), deletion), min_size=1, max_size=4)
    # A null payload ends some engines, which would hide other violations. So it occurs alone, and often
    # enough that every search contains it.
    null = st.just((Submit((Draft("a", "null"),)),))
    return st.integers(0, 19).flatmap(lambda n: null if n == 7 else steps.map(tuple))


def curl(program: Program) -> list[str]:
    """The program as shell commands; ``$ENGINE`` is the base URL."""
    lines = []
    for step in program:
        if isinstance(step, Submit):
            body = json.dumps({"tasks": [draft.body("", "/tmp") for draft in step.graph]})
            lines.append(f"curl $ENGINE/tasks -d {shlex.quote(body)}; sleep 2")
        else:
            lines.append(f"curl -X DELETE $ENGINE/tasks/{step.id}")
    return lines


class _Run:
    """One program on one engine, with its own prefix for ids."""

    def __init__(self, url: str, folder: str) -> None:
        self._url, self._folder = url, folder
        self._prefix = f"s{secrets.token_hex(4)}-"
        self._model = ReferenceModel()
        self._before = self._get("/metrics")

    def execute(self, program: Program) -> None:
        """Run every step, then check the counters; raises :class:`Violation`."""
        for step in program:
            if isinstance(step, Submit):
                self._submit(step.graph)
            else:
                self._delete(step.id)
        self._check_counters()

    def _submit(self, graph: tuple[Draft, ...]) -> None:
        tasks = [draft.body(self._prefix, self._folder) for draft in graph]
        reply = self._call("POST", "/tasks", json={"tasks": tasks})
        if reply.status_code != 202:
            raise Violation("accepts", f"a valid graph was refused: {reply.text.strip()[:200]}")
        self._model.submit(graph)
        ended = {draft.id: self._ended(draft.id) for draft in graph}
        self._check_ends(graph, ended)
        self._check_order(graph, ended)
        self._check_still(ended)
        self._check_runs()

    def _ended(self, name: str) -> dict[str, Any]:
        """The task in its final state; raises :class:`Violation` if it is lost or does not end."""
        deadline = monotonic() + ENDS_WITHIN_SECONDS
        while True:
            task = self._task(name)
            if task is None:
                raise Violation("keeps", f"task {name} was accepted, and is unknown now")
            if task["status"] in TERMINAL:
                return task
            if monotonic() > deadline:
                raise Violation("ends", f"task {name} is still {task['status']}")
            sleep(0.005)

    def _check_ends(self, graph: tuple[Draft, ...], ended: dict[str, dict[str, Any]]) -> None:
        for draft in graph:
            expected, got = self._model.known[draft.id], ended[draft.id]
            if expected.status is not None and got["status"] != expected.status:
                text = f"task {draft.id} must end as {expected.status}, ended as {got['status']}"
                raise Violation("status", text)
            attempts = (got.get("runtime") or {}).get("attempt", 0)
            if expected.attempts is not None and attempts != expected.attempts:
                text = f"task {draft.id} must have {expected.attempts} attempts, had {attempts}"
                raise Violation("attempts", text)

    def _check_order(self, graph: tuple[Draft, ...], ended: dict[str, dict[str, Any]]) -> None:
        """No child starts before all of its parents succeeded."""
        for draft in graph:
            started = _time(ended[draft.id], "started_at")
            for dep in draft.deps:
                finished = _time(ended[dep], "finished_at")
                if started and finished and started < finished:
                    raise Violation("order", f"task {draft.id} started before {dep} ended")

    def _check_still(self, ended: dict[str, dict[str, Any]]) -> None:
        """A task does not change after its end."""
        sleep(STILL_FOR_SECONDS)
        for name, before in ended.items():
            after = self._task(name)
            if after is not None and after["updated_at"] != before["updated_at"]:
                text = f"task {name} changed after it ended as {before['status']}"
                raise Violation("absorbs", text)

    def _check_runs(self) -> None:
        """Each submission runs a task once."""
        for name, expected in self._model.runs.items():
            path = Path(self._folder) / name
            got = len(path.read_text(encoding="utf-8")) if path.exists() else 0
            if got != expected:
                raise Violation("runs", f"task {name} must run {expected} times, ran {got}")

    def _delete(self, name: str) -> None:
        wanted = 204 if self._model.delete(name) else 404
        reply = self._call("DELETE", f"/tasks/{self._prefix}{name}")
        if reply.status_code != wanted:
            raise Violation("deletes", f"DELETE {name}: expected {wanted}, got {reply.status_code}")
        if self._task(name) is not None:
            raise Violation("deletes", f"task {name} is known after it was deleted")

    def _check_counters(self) -> None:
        """The metrics grow as predicted."""
        if not self._model.exact:
            return
        after = self._get("/metrics")
        for name, expected in (
            ("tasks_total", self._model.total),
            ("tasks_succeeded", self._model.succeeded),
            ("tasks_failed", self._model.failed),
        ):
            got = after[name] - self._before[name]
            if got != expected:
                raise Violation("counters", f"{name} must grow by {expected}, grew by {got}")

    def _task(self, name: str) -> dict[str, Any] | None:
        reply = self._call("GET", f"/tasks/{self._prefix}{name}")
        if reply.status_code == 404:
            return None
        try:
            task: dict[str, Any] = reply.json()
        except ValueError:
            raise Violation("readable", f"GET of task {name} is not JSON: {reply.text!r}") from None
        return task

    def _get(self, path: str) -> dict[str, Any]:
        found: dict[str, Any] = self._call("GET", path).json()
        return found

    def _call(self, method: str, path: str, **options: Any) -> Any:
        try:
            return request(method, self._url + path, timeout=10, **options)
        except OSError as error:
            reason = "connection refused" if "refused" in str(error) else type(error).__name__
            raise Violation("lives", f"the engine gives no answer ({reason})") from None


def _time(task: dict[str, Any], member: str) -> datetime | None:
    text = (task.get("runtime") or {}).get(member)
    return datetime.fromisoformat(text) if text else None
