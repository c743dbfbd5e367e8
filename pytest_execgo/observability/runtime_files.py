"""Compares what ExecGo says about tasks with the files that the runtime keeps of them.

The runtime names these files in each answer. Nothing between ExecGo and the runtime can change them, so
they show whether a request or an answer was changed on its way. They can be read only if the runtime
runs on this machine, and not in a container.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Iterator, Mapping
from typing import Any

_MOST_BYTES = 1_000_000
_COMPARED = {
    "execution": ("kind", "program", "args", "script", "interpreter", "env"),
    "limits": ("wall_time_ms", "cpu_time_sec", "memory_bytes", "pids_max"),
}


def request_difference(task: Mapping[str, Any]) -> str | None:
    """The first member of the task's payload, as ExecGo has it, that is otherwise in the request that
    the runtime keeps, such as ``env.PATH``; ``None`` if there is none, or that request cannot be read.
    ``task`` as ExecGo returns it."""
    request, given = _request(task), _payload(task)
    if request is None:
        return None
    found = (
        where
        for part, names in _COMPARED.items()
        for name in names
        for where in _different(_member(given, part, name), _member(request, part, name), name)
    )
    return next(found, None)


def stdout_in_file(task: Mapping[str, Any]) -> str | None:
    """What the runtime's file for the task's standard output holds, up to the limit of the task;
    ``None`` if that cannot be read."""
    request, found = _request(task), _read(_path(output_of(task), "stdout_path"))
    if request is None or found is None:
        return None
    limit = _member(request, "limits", "stdout_max_bytes")
    return found[: limit if isinstance(limit, int) else None].decode("utf-8", "replace")


def _request(task: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The request that the runtime keeps of this task. A file that is about no task, or another one, is
    none: its path may come from anywhere."""
    found = _read(_path(output_of(task), "request_path"))
    try:
        request = json.loads(found or b"")
    except (ValueError, RecursionError):
        return None
    if not isinstance(request, Mapping):
        return None
    own = request.get("task_id") == (_payload(task).get("task_id") or task.get("id"))
    return request if own else None


def _payload(task: Mapping[str, Any]) -> Mapping[str, Any]:
    found = task.get("input") if task.get("input") is not None else task.get("params")
    return found if isinstance(found, Mapping) else {}


def _member(payload: Mapping[str, Any], part: str, name: str) -> Any:
    inner = payload.get(part)
    return inner.get(name) if isinstance(inner, Mapping) else None


def output_of(task: Mapping[str, Any]) -> Mapping[str, Any]:
    """The runtime's answer about a task that ExecGo keeps; empty without one."""
    runtime = task.get("runtime")
    output = runtime.get("output") if isinstance(runtime, Mapping) else None
    return output if isinstance(output, Mapping) else {}


def _path(output: Mapping[str, Any], name: str) -> str:
    artifacts = output.get("artifacts")
    path = artifacts.get(name) if isinstance(artifacts, Mapping) else None
    return path if isinstance(path, str) else ""


def _read(path: str) -> bytes | None:
    """A regular file of at most 1 MB, without waiting for anything."""
    if not os.path.isabs(path):
        return None
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return None
            found = file.read(_MOST_BYTES + 1)
    except (OSError, ValueError):  # ValueError: no path at all.
        return None
    return found if len(found) <= _MOST_BYTES else None


def _without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _different(given: Any, kept: Any, at: str) -> Iterator[str]:
    """Where ``kept`` is not what was given. Where nothing was given, the runtime has defaults."""
    if isinstance(given, Mapping) and isinstance(kept, Mapping):
        for name, value in given.items():
            yield from _different(value, kept.get(name), f"{at}.{name}")
    elif given and given != kept:
        yield at
