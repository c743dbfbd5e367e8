"""Task records: state, JSON form, and the file that survives a restart."""

from __future__ import annotations

import json
import os
import threading
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from time import time_ns
from typing import Any

from pytest_execgo.emulators.execgo.graph import ABSENT, TaskSpec
from pytest_execgo.emulators.httpd import log


def now() -> str:
    """The time in ExecGo's format: RFC 3339, local zone, nanoseconds without trailing zeros."""
    nanoseconds = time_ns()
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    moment = datetime.fromtimestamp(seconds).astimezone()
    fraction = f".{rest:09d}".rstrip("0").rstrip(".")
    offset = moment.strftime("%z")
    zone = "Z" if offset in ("+0000", "") else f"{offset[:3]}:{offset[3:]}"
    return moment.strftime("%Y-%m-%dT%H:%M:%S") + fraction + zone


def dumps(value: Any) -> str:
    """JSON in one line."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@dataclass
class Record:
    """One task. Only the scheduler changes it, with the lock of the store held."""

    spec: TaskSpec
    created_at: str
    updated_at: str
    status: str = "pending"
    run_status: str = ""
    handle_id: str = ""
    progress: list[Any] = field(default_factory=list)
    result: Any = ABSENT
    runtime: dict[str, Any] | None = None
    error: str = ""

    def text(self) -> str:
        """The task as JSON, with the payloads in the spelling of the client."""
        raw = {"params": self.spec.raw_params, "input": self.spec.raw_input}
        parts = []
        for name, value in self.as_json().items():
            spelled = raw.get(name)
            parts.append(f'"{name}":{dumps(value) if spelled is None else spelled}')
        return "{" + ",".join(parts) + "}"

    def as_json(self) -> dict[str, Any]:
        """The task with its members in ExecGo's order, without empty ones."""
        spec = self.spec
        members: list[tuple[str, Any, bool]] = [
            ("id", spec.id, True),
            ("type", spec.type, True),
            ("params", spec.params, spec.params is not ABSENT),
            ("tool_name", spec.tool_name, bool(spec.tool_name)),
            ("input", spec.input, spec.input is not ABSENT),
            ("execution_category", spec.execution_category, bool(spec.execution_category)),
            ("depends_on", spec.depends_on, bool(spec.depends_on)),
            ("retry", spec.retry, spec.retry != 0),
            ("timeout", spec.timeout, spec.timeout != 0),
            ("annotations", spec.annotations, bool(spec.annotations)),
            ("status", self.status, True),
            ("run_status", self.run_status, bool(self.run_status)),
            ("handle_id", self.handle_id, bool(self.handle_id)),
            ("progress", self.progress, bool(self.progress)),
            ("result", self.result, self.result is not ABSENT and self.result is not None),
            ("runtime", self.runtime, self.runtime is not None),
            ("error", self.error, bool(self.error)),
            ("created_at", self.created_at, True),
            ("updated_at", self.updated_at, True),
        ]
        return {name: value for name, value, shown in members if shown}


class Store:
    """All records by id, and their file ``state.json``."""

    def __init__(self, data_dir: Path) -> None:
        self.lock = threading.RLock()
        self._records: dict[str, Record] = {}
        self._file = data_dir / "state.json"
        data_dir.mkdir(parents=True, exist_ok=True)
        self._load()

    def put(self, record: Record) -> None:
        """Add a record, or replace the one with the same id."""
        with self.lock:
            self._records[record.spec.id] = record

    def get(self, task_id: str) -> str | None:
        """The task as JSON, or ``None``."""
        with self.lock:
            record = self._records.get(task_id)
            return record.text() if record else None

    def all(self) -> str:
        """All tasks as a JSON array."""
        with self.lock:
            return "[" + ",".join(record.text() for record in self._records.values()) + "]"

    def delete(self, task_id: str) -> bool:
        """Remove the record only: its work continues, as in ExecGo. Returns whether it existed."""
        with self.lock:
            return self._records.pop(task_id, None) is not None

    def holds(self, record: Record) -> bool:
        """Whether ``record`` is still the record of its id."""
        with self.lock:
            return self._records.get(record.spec.id) is record

    def save(self) -> None:
        """Write ``state.json`` through a temporary file."""
        with self.lock:
            state = {name: record.as_json() for name, record in self._records.items()}
        temporary = self._file.with_suffix(".json.tmp")
        temporary.write_text(json.dumps(state, indent=2), encoding="utf-8")
        os.replace(temporary, self._file)

    def _load(self) -> None:
        try:
            text = self._file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return
        try:
            state = json.loads(text) if text.strip() else {}
        except ValueError as error:
            log("state_unreadable", path=str(self._file), error=str(error))
            return
        known = state.items() if isinstance(state, dict) else ()
        for name, task in known:
            try:
                self._records[name] = _restored(task)
            except (KeyError, TypeError) as error:
                log("state_entry_left_out", task=name, error=repr(error))


_SPEC_MEMBERS = tuple(n for n in TaskSpec.__dataclass_fields__ if not n.startswith("raw_"))
_STATE_MEMBERS = ("run_status", "handle_id", "progress", "result", "runtime", "error")


def _restored(task: dict[str, Any]) -> Record:
    """A record from the file. A running task becomes pending, and stays so, as in ExecGo."""
    spec = TaskSpec(**{name: task[name] for name in _SPEC_MEMBERS if name in task})
    state = {name: task[name] for name in _STATE_MEMBERS if name in task}
    record = Record(spec, task["created_at"], task["updated_at"], task["status"], **state)
    if record.runtime is not None:
        # As in ExecGo, members that are null in answers are not stored.
        known = record.runtime.items()
        record.runtime = {name: value for name, value in known if value is not None}
    if record.status == "running":
        record.status, record.updated_at = "pending", now()
    return record
