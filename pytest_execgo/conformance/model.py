"""A small reference model of task graphs: the results that any engine must produce.

A program is a list of actions of a client: submit a graph and wait for its end, or delete a task. The
model predicts the state and the number of attempts of each task, and the counters.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any, Literal

# ok: succeeds at once. nap: succeeds after 15 ms. fail: an unknown tool. late: times out. count: appends
# one character to a file, to count its runs. null: a runtime task without a payload, which may end in
# any state, but must not end the engine.
Kind = Literal["ok", "nap", "fail", "late", "count", "null"]
FAILING = frozenset({"fail", "late"})


@dataclass(frozen=True)
class Draft:
    """One task of a program; ``deps`` are ids in the same graph."""

    id: str
    kind: Kind
    deps: tuple[str, ...] = ()
    retry: int = 0

    def body(self, prefix: str, folder: str) -> dict[str, Any]:
        """The task in a request body. ``prefix`` makes ids unique; counters are files in ``folder``."""
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
    """``POST /tasks``, after all earlier tasks ended."""

    graph: tuple[Draft, ...]


@dataclass(frozen=True)
class Delete:
    """``DELETE /tasks/{id}`` of a task that ended, or of an unknown one."""

    id: str


Step = Submit | Delete
Program = tuple[Step, ...]


@dataclass(frozen=True)
class Expected:
    """The required end of one task; ``None`` allows any."""

    status: str | None
    attempts: int | None


@dataclass
class ReferenceModel:
    """The predicted state after the steps so far.

    ``exact``: the counters can be predicted too.
    """

    known: dict[str, Expected] = field(default_factory=dict)
    runs: dict[str, int] = field(default_factory=dict)
    total: int = 0
    succeeded: int = 0
    failed: int = 0
    exact: bool = True

    def submit(self, graph: tuple[Draft, ...]) -> None:
        """Run every task of ``graph`` once, parents first."""
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
        # ExecGo counts direct dependents of a failed task as failed, but not deeper ones.
        self.failed += sum(status == "failed" for status in ended.values())
        self.failed += sum(ended[dep] == "failed" for d in graph for dep in set(d.deps))

    def delete(self, name: str) -> bool:
        """Delete a task; returns whether it was known."""
        return self.known.pop(name, None) is not None


def order(graph: tuple[Draft, ...]) -> list[str]:
    """The ids of an acyclic graph, parents first."""
    return list(TopologicalSorter({draft.id: draft.deps for draft in graph}).static_order())
