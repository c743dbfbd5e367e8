"""A small reference model of task graphs: what must become of them, whatever the engine.

A program is what a client does: submit graphs, wait until everything has ended, delete. The model says
how each task must end, how often it may be tried, and what the counters must show.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

# ok: ends well at once. nap: ends well after a while. fail: an unknown tool. late: runs into its
# timeout. count: appends one character to a file, so that runs can be counted. null: a runtime task
# without a payload, which may end as it likes, as long as the engine lives.
Kind = Literal["ok", "nap", "fail", "late", "count", "null"]
FAILING = frozenset({"fail", "late"})


@dataclass(frozen=True)
class Draft:
    """One task of a program; ``deps`` are ids of the same graph."""

    id: str
    kind: Kind
    deps: tuple[str, ...] = ()
    retry: int = 0

    def wire(self, prefix: str, folder: str) -> dict[str, Any]:
        """The task as it is submitted; ``prefix`` makes ids unique, counters go to ``folder``."""
        bodies: dict[str, dict[str, Any]] = {
            "ok": {"type": "noop"},
            "nap": {"type": "sleep", "params": {"duration_ms": 15}},
            "fail": {"type": "os", "tool_name": "no_such_tool", "params": {}},
            "late": {"type": "sleep", "params": {"duration_ms": 60_000}, "timeout": 15},
            "count": {"type": "shell", "params": {"script": f"printf x >> {folder}/{self.id}"}},
            "null": {"type": "runtime", "input": None},
        }
        task = {"id": prefix + self.id, **bodies[self.kind]}
        if self.deps:
            task["depends_on"] = [prefix + dep for dep in self.deps]
        if self.retry:
            task["retry"] = self.retry
        return task


@dataclass(frozen=True)
class Submit:
    """``POST /tasks``; everything before has ended."""

    graph: tuple[Draft, ...]


@dataclass(frozen=True)
class Delete:
    """``DELETE /tasks/{id}`` of a task that has ended (or is not known)."""

    id: str


Step = Submit | Delete
Program = tuple[Step, ...]


@dataclass(frozen=True)
class Expected:
    """How one task must end; ``None`` leaves it open."""

    status: str | None
    attempts: int | None


@dataclass
class ReferenceModel:
    """The state after the steps so far."""

    known: dict[str, Expected] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    exact: bool = True

    def submit(self, graph: tuple[Draft, ...]) -> None:
        """Everything of ``graph`` runs once, in order of its dependencies."""
        ended: dict[str, str | None] = {}
        drafts = {draft.id: draft for draft in graph}
        for name in order(graph):
            draft = drafts[name]
            parents = [ended[dep] for dep in draft.deps]
            if "failed" in parents or "skipped" in parents:
                expected = Expected("skipped", None)
            elif None in parents:
                expected = Expected(None, None)
            elif draft.kind == "null":
                expected = Expected(None, None)
                self.exact = False
            elif draft.kind in FAILING:
                expected = Expected("failed", draft.retry + 1)
            else:
                expected = Expected("success", 1)
            ended[name] = expected.status
            self.known[name] = expected
            if expected.status == "success" and draft.kind == "count":
                self.runs[name] = self.runs.get(name, 0) + 1
        self.total += len(graph)
        self.succeeded += sum(status == "success" for status in ended.values())
        # Direct dependents of a failed task count as failed, too; deeper ones do not.
        self.failed += sum(status == "failed" for status in ended.values())
        self.failed += sum(ended[dep] == "failed" for d in graph for dep in set(d.deps))

    def delete(self, name: str) -> bool:
        """Whether there was a record."""
        return self.known.pop(name, None) is not None


def order(graph: tuple[Draft, ...]) -> list[str]:
    """The ids of an acyclic graph, parents first."""
    waiting = {draft.id: set(draft.deps) for draft in graph}
    found: list[str] = []
    while waiting:
        ready = [name for name, deps in waiting.items() if not deps - set(found)]
        found += ready
        for name in ready:
            del waiting[name]
    return found
