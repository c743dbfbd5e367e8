"""Runs tasks as child processes: queue, slots, limits, kill, and recovery after a restart."""

from __future__ import annotations

import json
import os
import signal
import threading
from collections import Counter, deque
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any

from pytest_execgo.emulators.httpd import log
from pytest_execgo.emulators.runtime import documents, task_process
from pytest_execgo.emulators.runtime.documents import Settings
from pytest_execgo.emulators.runtime.request import RequestError, Submission, read_submission
from pytest_execgo.emulators.runtime.shape import ShapeError
from pytest_execgo.emulators.runtime.task_process import Ended, TaskProcess

FINAL = frozenset({"success", "failed", "cancelled"})


def stamp(seconds: float | None = None) -> str:
    """A time in seconds since 1970, by default the current one, in the format of tasks and events:
    RFC 3339, UTC, milliseconds."""
    moment = datetime.now(UTC) if seconds is None else datetime.fromtimestamp(seconds, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


@dataclass
class RuntimeTask:
    """One task; changed only with the lock of the supervisor held."""

    submission: Submission
    folder: Path
    created_at: str
    updated_at: str
    status: str = "accepted"
    started_at: str | None = None
    finished_at: str | None = None
    duration_ms: int | None = None
    pid: int | None = None
    shim_pid: int | None = None
    exit_code: int | None = None
    exit_signal: int | None = None
    error: dict[str, Any] | None = None
    kill_requested: bool = False
    began: float = 0.0
    process: TaskProcess | None = None
    events: list[dict[str, Any]] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        """The TaskStatusResponse, without unknown members."""
        task, folder = self.submission, self.folder
        stdout, stdout_cut = _head(folder / "stdout.log", task.stdout_max_bytes)
        stderr, stderr_cut = _head(folder / "stderr.log", task.stderr_max_bytes)
        duration = self.duration_ms
        if duration is None and self.status == "running" and self.began:
            duration = int((monotonic() - self.began) * 1000)
        artifacts = {
            "task_dir": str(folder),
            "request_path": str(folder / "request.json"),
            "result_path": str(folder / "result.json"),
            "stdout_path": str(folder / "stdout.log"),
            "stderr_path": str(folder / "stderr.log"),
        }
        if task.kind == "script":
            artifacts["script_path"] = str(folder / task.script_name)
        known = {
            "started_at": self.started_at,
            "finished_at": self.finished_at,
            "duration_ms": duration,
            "shim_pid": self.shim_pid,
            "pid": self.pid,
            "pgid": self.pid,
            "exit_code": self.exit_code,
            "exit_signal": self.exit_signal,
            "error": self.error,
            "usage": None if duration is None else {"duration_ms": duration},
            "execution_plan": documents.execution_plan(task),
            "reservation": documents.reservation(task) if self.started_at else None,
            "metadata": task.metadata or None,
        }
        return {
            "task_id": task.task_id,
            "handle_id": task.task_id,
            "status": self.status,
            "created_at": self.created_at,
            "updated_at": self.updated_at,
            "stdout": stdout,
            "stderr": stderr,
            "stdout_truncated": stdout_cut,
            "stderr_truncated": stderr_cut,
            "artifacts": artifacts,
            **{name: value for name, value in known.items() if value is not None},
        }


def _head(path: Path, limit: int) -> tuple[str, bool]:
    try:
        with path.open("rb") as file:
            # A limit may be larger than the memory.
            data = file.read(min(limit, os.fstat(file.fileno()).st_size) + 1)
    except OSError:
        return "", False
    return data[:limit].decode("utf-8", "replace"), len(data) > limit


class Supervisor:
    """Runs all tasks of one data folder."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self._root = settings.data_dir / "tasks"
        self._root.mkdir(parents=True, exist_ok=True)
        self._grace = settings.grace_ms / 1000
        self._lock = threading.RLock()
        self._ready = threading.Condition(self._lock)
        self._tasks: dict[str, RuntimeTask] = {}
        self._queue: deque[RuntimeTask] = deque()
        self._sequence = 0
        self._stopping = False
        self._recover()
        for _ in range(settings.max_running):
            threading.Thread(target=self._work, daemon=True).start()

    def submit(self, submission: Submission) -> None:
        """Queue a task; raises :class:`RequestError` for a full queue or a known id."""
        self._check_capabilities(submission)
        self._check_capacity(submission)
        with self._ready:
            if len(self._queue) >= self.settings.max_queued:
                raise RequestError(429, "resource_limit_exceeded", "queue is full")
            if submission.task_id in self._tasks:
                text = f"task is already terminal: task {submission.task_id} already exists"
                raise RequestError(409, "conflict", text)
            folder = self._root / submission.task_id
            if "\0" in submission.workspace_subdir:
                text = "io error: file name contained an unexpected NUL byte"
                raise RequestError(500, "internal", text)
            try:
                workspace = folder / "workspace" / submission.workspace_subdir
                workspace.mkdir(parents=True, exist_ok=True)
                _write(folder / "request.json", submission.request)
            except OSError as error:
                # For example an id or a subfolder with more than 255 bytes.
                text = f"io error: {error.strerror} (os error {error.errno})"
                raise RequestError(500, "internal", text) from None
            task = RuntimeTask(submission, folder, stamp(), stamp())
            self._tasks[submission.task_id] = task
            for event in ("submitted", "accepted"):
                self._note(task, event)
            self._queue.append(task)
            self._ready.notify()

    def _check_capabilities(self, submission: Submission) -> None:
        """In strict mode, refuse what this machine cannot enforce. Otherwise it is only not enforced."""
        lacks = documents.lacking(submission)
        if submission.strict and lacks:
            raise RequestError(400, "unsupported_capability", f"unsupported capability: {lacks[0]}")

    def _check_capacity(self, submission: Submission) -> None:
        capacity = self.settings.capacity()
        for name, amount in documents.reservation(submission).items():
            if amount > capacity.get(name, amount):
                text = (
                    f"insufficient resources: task requires {amount} {name.replace('_', ' ')} "
                    f"but runtime capacity is {capacity[name]}"
                ).replace("memory bytes", "memory_bytes")
                raise RequestError(400, "insufficient_resources", text)

    def resources(self) -> dict[str, Any]:
        """The ledger of running and waiting tasks."""
        with self._lock:
            active = [
                (task.submission, task.status, task.started_at)
                for task in self._tasks.values()
                if task.status == "running"
            ]
            waiting = sum(task.status == "accepted" for task in self._tasks.values())
        return documents.resources(self.settings, active, waiting)

    def metrics(self) -> str:
        """The metrics of all tasks in the data folder, as Prometheus text."""
        with self._lock:
            tasks = list(self._tasks.values())
        states = Counter(task.status for task in tasks)
        errors = Counter(task.error["code"] for task in tasks if task.error)
        ended = [t.duration_ms for t in tasks if t.status in FINAL and t.duration_ms is not None]
        return documents.metrics(states, errors, ended)

    def status(self, task_id: str) -> dict[str, Any]:
        """The TaskStatusResponse of a task; raises :class:`RequestError` (404)."""
        with self._lock:
            return self._task(task_id).as_json()

    def events(self, task_id: str) -> list[dict[str, Any]]:
        """The events of a task in order; empty for an unknown id."""
        with self._lock:
            task = self._tasks.get(task_id)
            return list(task.events) if task else []

    def kill(self, task_id: str, owner: str) -> dict[str, Any]:
        """Cancel a waiting task at once, a running one by SIGTERM, then SIGKILL."""
        with self._lock:
            task = self._task(task_id)
            wanted = task.submission.owner
            if wanted and owner != wanted:
                text = f"permission denied: kill requires owner '{wanted}'"
                raise RequestError(403, "permission_denied", text)
            if task.status not in FINAL:
                task.kill_requested = True
                self._note(task, "kill_requested")
                if task.status == "accepted":
                    error = {"code": "cancelled", "message": "task cancelled before execution"}
                    self._finish(task, "cancelled", error, duration_ms=0)
                elif task.process is not None:
                    self._end_group(task.process)
            return task.as_json()

    def stop(self) -> None:
        """Start no more tasks. Those that run go on, as with the real runtime."""
        with self._ready:
            self._stopping = True
            self._ready.notify_all()

    def _task(self, task_id: str) -> RuntimeTask:
        task = self._tasks.get(task_id)
        if task is None:
            raise RequestError(404, "not_found", f"task not found: {task_id}")
        return task

    def _note(self, task: RuntimeTask, event_type: str, data: Any = None) -> None:
        self._sequence += 1
        task.updated_at = stamp()
        event = {
            "seq": self._sequence,
            "task_id": task.submission.task_id,
            "event_type": event_type,
            "timestamp": task.updated_at,
            "message": f"task {event_type.replace('_', ' ')}",
        }
        task.events.append(event if data is None else {**event, "data": data})

    def _work(self) -> None:
        while True:
            with self._ready:
                while not self._queue and not self._stopping:
                    self._ready.wait()
                if self._stopping:
                    return
                task = self._queue.popleft()
                if task.status in FINAL:
                    continue
                if task.process is None:
                    task.status, task.began = "running", monotonic()
                    self._note(task, "planned", documents.execution_plan(task.submission))
                    self._note(task, "resource_reserved", documents.reservation(task.submission))
            try:
                process = task.process or self._start(task)
                if process is not None:
                    self._watch(task, process)
            except Exception as error:
                # An error of one task must not end the thread of its slot.
                with self._lock:
                    message = f"internal error: {type(error).__name__}: {error}"
                    self._finish(task, "failed", _error("internal", message))

    def _start(self, task: RuntimeTask) -> TaskProcess | None:
        """The process of the task; ``None`` if it could not be started, and the task has failed."""
        folder = task.folder
        try:
            with (
                (folder / "stdout.log").open("wb") as out,
                (folder / "stderr.log").open("wb") as err,
            ):
                process = task_process.start(task.submission, folder, out, err)
        except (OSError, ValueError, MemoryError) as error:
            number = getattr(error, "errno", 22) or 22
            text = f"spawn process: {getattr(error, 'strerror', error)} (os error {number})"
            with self._lock:
                self._finish(
                    task, "failed", {"code": "launch_failed", "message": text}, duration_ms=0
                )
            return None
        with self._lock:
            self._take(task, process)
            self._note(task, "started")
            if task.kill_requested:
                self._end_group(process)
        return process

    def _take(self, task: RuntimeTask, process: TaskProcess) -> None:
        task.process, task.pid, task.shim_pid = process, process.pid, process.shim_pid
        task.started_at = stamp(process.started_at)

    def _watch(self, task: RuntimeTask, process: TaskProcess) -> None:
        """Wait for the end of the task. What it left in the background lives on, as with the real
        runtime."""
        left = process.began + task.submission.wall_time_ms / 1000 - monotonic()
        timed_out = not process.wait(max(0.0, left))
        if timed_out:
            with self._lock:
                self._note(task, "timeout_triggered")
            self._end_group(process)
            process.wait()
        with self._lock:
            self._take_end(task, process.ended(), timed_out=timed_out)

    def _end_group(self, process: TaskProcess) -> None:
        """SIGTERM to the process group now, SIGKILL if it still runs after the grace period."""
        process.signal(signal.SIGTERM)

        def finish() -> None:
            if not process.wait(self._grace):
                process.signal(signal.SIGKILL)

        threading.Thread(target=finish, daemon=True).start()

    def _take_end(self, task: RuntimeTask, ended: Ended, *, timed_out: bool) -> None:
        if ended.code is None:
            self._finish(task, "failed", _error("internal", "recovery_lost"), duration_ms=0)
            return
        task.finished_at = stamp(ended.finished_at)
        task.duration_ms = int(ended.seconds * 1000)
        self._conclude(task, ended.code, timed_out=timed_out)

    def _conclude(self, task: RuntimeTask, code: int, *, timed_out: bool) -> None:
        if code >= 0:
            task.exit_code = code
        else:
            task.exit_signal = -code
        if timed_out:
            status, error = "failed", _error("timeout", "task exceeded wall_time_ms")
        elif task.kill_requested:
            status, error = "cancelled", _error("cancelled", "task cancelled")
        elif code == -getattr(signal, "SIGXCPU", 24):
            status, error = "failed", _error("cpu_limit_exceeded", "task exceeded cpu_time_sec")
        elif code == 0:
            status, error = "success", None
        elif code > 0:
            status, error = "failed", _error("exit_non_zero", f"task exited with code {code}")
        else:
            status, error = "failed", _error("internal", f"task terminated by signal {-code}")
        self._finish(task, status, error)

    def _finish(
        self,
        task: RuntimeTask,
        status: str,
        error: dict[str, Any] | None,
        duration_ms: int | None = None,
    ) -> None:
        task.status, task.error = status, error
        task.finished_at = task.finished_at or stamp()
        if duration_ms is None:
            duration_ms = task.duration_ms
        if duration_ms is None:
            duration_ms = int((monotonic() - task.began) * 1000)
        task.duration_ms = duration_ms
        task.process = None
        if task.began:
            self._note(task, "resource_released", documents.reservation(task.submission))
        self._note(task, "finished" if status == "success" else status)
        _write(task.folder / "result.json", task.as_json())
        log("task", id=task.submission.task_id, status=status, error=error, ms=duration_ms)

    def _recover(self) -> None:
        """Load the tasks of an earlier process, and adopt those that have not ended."""
        waiting = []
        for folder in sorted(self._root.iterdir()):
            try:
                request = json.loads((folder / "request.json").read_text(encoding="utf-8"))
                submission = read_submission(request)
            except (OSError, ValueError, RequestError, ShapeError) as error:
                log("task_unreadable", folder=str(folder), error=str(error))
                continue
            task = RuntimeTask(submission, folder, stamp(), stamp())
            self._tasks[submission.task_id] = task
            try:
                known = json.loads((folder / "result.json").read_text(encoding="utf-8"))
            except (OSError, ValueError):
                waiting += self._adopted(task)
                continue
            for name in _KEPT:
                setattr(task, name, known.get(name))
        # Those that run hold a slot each, and were never more than there are.
        self._queue.extend(
            sorted(waiting, key=lambda task: (task.process is None, task.created_at))
        )

    def _adopted(self, task: RuntimeTask) -> list[RuntimeTask]:
        """The task if it still runs or was never started."""
        task.created_at = stamp((task.folder / "request.json").stat().st_mtime)
        process = task_process.adopt(task.folder)
        if process is None:
            return [task]
        task.began = process.began
        self._take(task, process)
        task.status = "running"
        if task_process.is_held(task.folder):
            self._note(task, "recovered")
            return [task]
        self._take_end(task, process.ended(), timed_out=False)
        return []


_KEPT = (
    "status",
    "created_at",
    "updated_at",
    "started_at",
    "finished_at",
    "duration_ms",
    "pid",
    "shim_pid",
    "exit_code",
    "exit_signal",
    "error",
)


def _error(code: str, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


def _write(path: Path, value: Any) -> None:
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value), encoding="utf-8")
    os.replace(temporary, path)
