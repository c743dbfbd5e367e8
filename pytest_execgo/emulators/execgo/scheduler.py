"""Runs accepted graphs: slots, attempts with backoff, and skipping of dependents."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

from pytest_execgo.emulators.execgo import cli_skills, os_tools
from pytest_execgo.emulators.execgo.graph import ABSENT, TaskSpec
from pytest_execgo.emulators.execgo.mcp import Handles
from pytest_execgo.emulators.execgo.outcome import Outcome, TaskAttempt, failure
from pytest_execgo.emulators.execgo.runtime_client import RuntimeExecutor, RuntimeSettings
from pytest_execgo.emulators.execgo.store import Record, Store, now
from pytest_execgo.emulators.httpd import log

MAX_BACKOFF_SECONDS = 10.0
Executor = Callable[[TaskAttempt], Outcome]


class Graph:
    """One submission with its dependents.

    The real engine keeps dependents by id forever, so a later graph with the same ids starts children
    of an earlier one. Here each graph has its own.
    """

    def __init__(self, records: list[Record]) -> None:
        self.waiting = {r.spec.id: set(r.spec.depends_on) for r in records}
        self.children: dict[str, list[Record]] = {r.spec.id: [] for r in records}
        for record in records:
            for dep in dict.fromkeys(record.spec.depends_on):
                self.children[dep].append(record)


class Scheduler:
    """A first-in-first-out queue and ``max_concurrency`` slots."""

    def __init__(
        self, store: Store, runtime: RuntimeSettings, handles: Handles, max_concurrency: int
    ) -> None:
        self._store = store
        self._queue: queue.SimpleQueue[tuple[Record, Graph] | None] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._executors: dict[str, Executor] = {
            "os": os_tools.run,
            "runtime": RuntimeExecutor(runtime).run,
            "mcp": handles.run,
            "cli-skills": cli_skills.run,
        }
        self.metrics: dict[str, Any] = {
            "tasks_total": 0,
            "tasks_running": 0,
            "tasks_succeeded": 0,
            "tasks_failed": 0,
            "by_type": {},
        }
        self._workers = [
            threading.Thread(target=self._work, daemon=True) for _ in range(max_concurrency)
        ]
        for worker in self._workers:
            worker.start()

    def submit(self, specs: list[TaskSpec]) -> None:
        """Accept a validated graph; its roots are queued in graph order."""
        moment = now()
        records = [Record(spec, moment, moment) for spec in specs]
        graph = Graph(records)
        with self._store.lock:
            for record in records:
                self._store.put(record)
                kinds = self.metrics["by_type"]
                kinds[record.spec.type] = kinds.get(record.spec.type, 0) + 1
                self.metrics["tasks_total"] += 1
        for record in records:
            if not record.spec.depends_on:
                self._queue.put((record, graph))

    def stop(self) -> None:
        """Cancel running tasks and wait for their end; queued tasks stay pending."""
        self._stopping.set()
        for _ in self._workers:
            self._queue.put(None)
        for worker in self._workers:
            worker.join(timeout=MAX_BACKOFF_SECONDS)

    def _work(self) -> None:
        while (entry := self._queue.get()) is not None and not self._stopping.is_set():
            record, graph = entry
            if record.status == "pending":
                self._run(record, graph)

    def _run(self, record: Record, graph: Graph) -> None:
        began = now()
        with self._store.lock:
            self.metrics["tasks_running"] += 1
            record.status = record.run_status = "running"
            record.runtime = {"status": "running", "started_at": began}
            record.result, record.error, record.handle_id = ABSENT, "", ""
            record.updated_at = began
        ok = self._attempts(record, began)
        with self._store.lock:
            self.metrics["tasks_running"] -= 1
            self.metrics["tasks_succeeded" if ok else "tasks_failed"] += 1
        if ok:
            self._release(record, graph)
        else:
            self._skip_children(record, graph)

    def _attempts(self, record: Record, began: str) -> bool:
        spec = record.spec
        executor = self._executors[spec.type]
        for number in range(1, max(0, spec.retry) + 2):
            if number > 1:
                pause = min(MAX_BACKOFF_SECONDS, 0.1 * 2 ** (number - 2))
                self._stopping.wait(pause)
            clock = monotonic()
            report = self._reporter(record, number)
            attempt = TaskAttempt(spec, record.handle_id, self._stopping, report, number)
            started = began if spec.type == "runtime" else now()
            try:
                outcome = executor(attempt)
            except Exception as error:
                # An error of one task must not end the thread of its slot.
                log("executor_raised", task=spec.id, error=repr(error))
                message = f"internal error: {type(error).__name__}: {error}"
                outcome = Outcome(False, error=failure(message))
            elapsed = int((monotonic() - clock) * 1000)
            last = outcome.ok or number > max(0, spec.retry) or self._stopping.is_set()
            self._settle(record, outcome, number, started, elapsed, last=last)
            if last:
                return outcome.ok
        raise AssertionError("unreachable")

    def _reporter(self, record: Record, number: int) -> Callable[[dict[str, Any], str], None]:
        def report(seen: dict[str, Any], run_status: str) -> None:
            with self._store.lock:
                runtime = record.runtime or {}
                record.run_status = run_status or record.run_status
                record.handle_id = seen["handle_id"]
                record.progress = seen.get("progress") or record.progress
                record.runtime = {
                    "status": record.run_status,
                    **({"handle_id": seen["handle_id"]} if seen["handle_id"] else {}),
                    "output": seen["output"],
                    "started_at": seen.get("started_at") or runtime.get("started_at"),
                    "attempt": number,
                    "details": None,
                }
                record.updated_at = now()

        return report

    def _settle(
        self,
        record: Record,
        outcome: Outcome,
        number: int,
        started: str,
        elapsed: int,
        *,
        last: bool,
    ) -> None:
        """Write the end of an attempt into the record."""
        with self._store.lock:
            seen = record.runtime or {}
            reported = seen.get("attempt") == number
            # Failed while it was polled: run_status stays the last one that the runtime reported.
            polled = reported and not outcome.run_status and not outcome.ok
            if not last and not outcome.given:
                return
            run_status = outcome.run_status or ("success" if outcome.ok else "failed")
            if polled:
                run_status = record.run_status
            output = None if outcome.output is ABSENT else outcome.output
            if polled and output is None:
                output = seen.get("output")
            handle = outcome.handle_id or (seen.get("handle_id", "") if reported else "")
            duration = elapsed if outcome.duration_ms is None else outcome.duration_ms
            runtime: dict[str, Any] = {
                "status": run_status,
                **({"handle_id": handle} if handle else {}),
                **({"output": output} if outcome.given else {}),
                "started_at": outcome.started_at or seen.get("started_at") or started,
                **({} if polled else {"finished_at": outcome.finished_at or now()}),
                **({"duration_ms": duration} if duration and not polled else {}),
                "attempt": number,
                **({"details": None} if outcome.given else {}),
            }
            record.handle_id = handle
            record.progress = outcome.progress or record.progress
            record.run_status, record.updated_at = run_status, now()
            record.runtime = runtime
            if not last:
                return
            if outcome.error and not outcome.ok:
                runtime["error"] = outcome.error
                record.error = outcome.error["message"]
            record.result = ABSENT if output is None else output
            record.status = "success" if outcome.ok else "failed"

    def _release(self, record: Record, graph: Graph) -> None:
        for child in graph.children[record.spec.id]:
            with self._store.lock:
                waiting = graph.waiting[child.spec.id]
                waiting.discard(record.spec.id)
                ready = not waiting and child.status == "pending" and self._store.holds(child)
            if ready:
                self._queue.put((child, graph))

    def _skip_children(self, record: Record, graph: Graph) -> None:
        stack = [
            (child, f"dependency {record.spec.id} failed")
            for child in reversed(graph.children[record.spec.id])
        ]
        with self._store.lock:
            self.metrics["tasks_failed"] += len(stack)
            visited: set[tuple[str, str]] = set()
            while stack:
                child, reason = stack.pop()
                child.status, child.error, child.updated_at = "skipped", reason, now()
                child.run_status, child.runtime = "", None
                deeper = f"dependency {child.spec.id} skipped"
                for grandchild in reversed(graph.children[child.spec.id]):
                    edge = (child.spec.id, grandchild.spec.id)
                    if edge not in visited:
                        visited.add(edge)
                        stack.append((grandchild, deeper))
