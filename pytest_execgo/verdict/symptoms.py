"""Which suspicion explains which: one table.

A suspicion that another one explains is a symptom, and no cause. The order of the rows and of the
suspicions does not matter: a symptom is dropped if any row says so, and a suspicion that is a symptom
itself still explains others.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from pytest_execgo.verdict.suspicion import Suspicion

Matches = Callable[[Suspicion], bool]
Relation = Callable[[Suspicion, Suspicion], bool]


@dataclass(frozen=True)
class Explains:
    """``cause`` explains ``symptom`` if ``when(cause, symptom)``. ``weakens``: the symptom may have
    another reason, so it stays, as a possible cause."""

    cause: Matches
    symptom: Matches
    when: Relation
    weakens: bool = False


def causes(
    suspicions: Sequence[Suspicion], table: Sequence[Explains] | None = None
) -> list[Suspicion]:
    """The suspicions that no other one explains; those with another possible reason only possible."""
    rows = TABLE if table is None else table
    kept = []
    for symptom in suspicions:
        found = [
            row
            for row in rows
            for cause in suspicions
            if cause is not symptom
            and row.symptom(symptom)
            and row.cause(cause)
            and row.when(cause, symptom)
        ]
        if all(row.weakens for row in found):
            kept.append(replace(symptom, confidence="possible") if found else symptom)
    return kept


# -- what a row can ask


def _named(*patterns: str) -> Matches:
    return lambda one: any(fnmatchcase(one.name, pattern) for pattern in patterns)


def _noted(note: str, *patterns: str) -> Matches:
    named = _named(*patterns or ("*",))
    return lambda one: note in one.notes and named(one)


def _without(note: str, matches: Matches) -> Matches:
    return lambda one: note not in one.notes and matches(one)


def _always(cause: Suspicion, symptom: Suspicion) -> bool:
    return True


def _same_service(cause: Suspicion, symptom: Suspicion) -> bool:
    return cause.service == symptom.service


def _same_task(cause: Suspicion, symptom: Suspicion) -> bool:
    return cause.task == symptom.task


def _same_layer(cause: Suspicion, symptom: Suspicion) -> bool:
    return cause.layer == symptom.layer


def _inside(cause: Suspicion, symptom: Suspicion) -> bool:
    """The symptom was seen while the cause lasted."""
    return any(w.start <= symptom.at <= w.end for w in cause.windows)


def _overlaps(cause: Suspicion, symptom: Suspicion) -> bool:
    """The reason of the symptom may have begun while the cause lasted."""
    return any(w.start <= symptom.at and symptom.since <= w.end for w in cause.windows)


def _since(cause: Suspicion, symptom: Suspicion) -> bool:
    """The cause may have begun before the symptom was seen."""
    return any(w.start <= symptom.at for w in cause.windows)


def _earlier(cause: Suspicion, symptom: Suspicion) -> bool:
    return cause.at < symptom.at


_STATE = ("*/process_stopped", "*/limited", "*/link_broken", "*/link_slow")
_SERVICES = ("fixture/*", "runtime/*")
# What happens to a task, or is read from its end, when a service that it needs fails.
_OF_TASKS = _noted("task")
_OF_SERVICES = _without("ledger", _without("task", _named(*_SERVICES)))


TABLE: tuple[Explains, ...] = (
    # If several services are silent at the same time, none of them is the reason.
    Explains(_named("unknown/overloaded"), _named("*/silent", "fixture/slow"), _inside),
    # A service whose process is stopped or gone, or whose link is broken, is silent.
    Explains(_named(*_STATE, "*/process_exited"), _named("*/silent"), _same_service),
    Explains(
        _named("engine/process_exited", "engine/silent", *(f"engine{s[1:]}" for s in _STATE)),
        _named("engine/unreachable"),
        _always,
    ),
    # The reported failure says what the end of the runtime, or its bad health, did.
    Explains(_noted("failure", "runtime/*"), _named("runtime/process_exited"), _always),
    Explains(
        _noted("health", "runtime/*"),
        _without("with_exit", _noted("failure", "runtime/*")),
        _always,
    ),
    Explains(_noted("health", "runtime/*"), _named("unknown/stuck"), _always),
    Explains(_noted("health", "fixture/*"), _named("fixture/slow"), _always),
    # A service that may use less memory is killed when it needs more. Docker answers nothing about a
    # container while it ends, so the limit may be seen long after the end.
    Explains(_noted("memory", "*/limited"), _noted("out_of_memory"), _same_service),
    # ExecGo cancels its tasks when it ends.
    Explains(_named("engine/process_exited"), _noted("cut_off"), _always),
    # A task that got another payload than the plan's does something else.
    Explains(_noted("payload"), _OF_TASKS, _same_task),
    Explains(_noted("payload"), _named("dsl/invalid_input", "unknown/refused_payload"), _same_task),
    # What it printed instead, other tasks and checks work with.
    Explains(
        _named("runtime/request_altered"),
        _named("unknown/task_or_*", "unknown/changed_*", "task/wrong_output", "task/bad_output"),
        _always,
    ),
    Explains(
        _named("runtime/request_altered"),
        _named("task/*", "binding/binding_missing"),
        _always,
        weakens=True,
    ),
    # What a link counts is a problem that others see more closely.
    Explains(_without("ledger", _named("*")), _noted("ledger"), _same_layer),
    # A task without words about its reason met a connection that ended.
    Explains(
        _noted("ledger_used"),
        _named("unknown/task_or_input", "unknown/changed_input", "unknown/timeout"),
        _inside,
    ),
    # Programs word a full disk in many ways, or not at all.
    Explains(_noted("machine"), _named("unknown/task_or_input", "unknown/changed_*"), _always),
    Explains(_noted("machine"), _named("task/*"), _always, weakens=True),
    # What a task reads decides what it does.
    Explains(
        _noted("file"),
        _named("unknown/task_or_*", "unknown/changed_*", "task/wrong_output", "task/bad_output"),
        _earlier,
    ),
    Explains(_noted("file"), _named("task/*", "binding/binding_missing"), _earlier, weakens=True),
    # A limit on the runtime is a limit on its tasks.
    Explains(
        _named("runtime/limited"),
        _named("unknown/out_of_memory", "unknown/too_many_files"),
        _inside,
    ),
    # What a service does wrong makes tasks fail that need it.
    Explains(_OF_SERVICES, _OF_TASKS, _inside),
    Explains(_OF_SERVICES, _OF_TASKS, _overlaps, weakens=True),
    Explains(
        _without("ledger", _without("task", _named("fixture/*"))),
        _named("task/bad_output", "unknown/changed_output", "unknown/task_or_output"),
        _since,
    ),
    Explains(
        _noted("used", "fixture/*"), _named("task/wrong_output", "unknown/changed_output"), _always
    ),
    # What ExecGo or the runtime passes on wrongly, tasks and checks work with.
    Explains(
        _named("runtime/answer_altered", "engine/contradiction", "unknown/contradiction"),
        _named(
            "task/wrong_output",
            "task/bad_output",
            "unknown/changed_output",
            "unknown/task_or_output",
            "binding/binding_missing",
        ),
        _always,
    ),
    # Anything that went wrong takes time.
    Explains(_without("slow", _named("*")), _noted("slow"), _always),
    # A value is missing because its source failed.
    Explains(
        _without("source_failed", _named("*")),
        _noted("source_failed", "binding/binding_missing"),
        _earlier,
    ),
)
