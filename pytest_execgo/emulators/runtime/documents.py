"""The documents with which the stub describes itself: info, capabilities, config, resources, metrics."""

from __future__ import annotations

import os
import platform
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_execgo.emulators.runtime import SPEAKS, VERSION
from pytest_execgo.emulators.runtime.request import Submission

STABLE = (
    "submit",
    "status",
    "events",
    "stdout_stderr",
    "timeout",
    "kill",
    "artifacts",
    "result_persistence",
    "recovery",
)
BUCKETS_MS = (100, 250, 500, 1000, 5000, 10_000, 30_000, 60_000, 300_000)


def nanosecond_stamp() -> str:
    """The time in the format of the runtime's documents: RFC 3339, UTC."""
    return datetime.now(UTC).isoformat().replace("+00:00", "Z")


def total_memory() -> int | None:
    """Bytes of memory of this machine; ``None`` if unknown."""
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None


@dataclass(frozen=True)
class Settings:
    """The options of the stub, and the limits of its machine."""

    listen_addr: str
    data_dir: Path
    max_running: int
    max_queued: int
    grace_ms: int
    memory_bytes: int | None = field(default_factory=total_memory)
    pids: int | None = None
    default_mode: str = "adaptive"
    own_id: str | None = None
    started_at: str = field(default_factory=nanosecond_stamp)

    @property
    def runtime_id(self) -> str:
        """The id contains the address, as that of the real runtime."""
        return self.own_id or "execgo-runtime-stub-" + self.listen_addr.replace(":", "-")

    def capacity(self) -> dict[str, int]:
        """The resources that all tasks together may reserve."""
        known = {
            "task_slots": self.max_running,
            "memory_bytes": self.memory_bytes,
            "pids": self.pids,
        }
        return {name: value for name, value in known.items() if value is not None}


def _platform() -> dict[str, Any]:
    return {
        "os": platform.system().lower(),
        "arch": platform.machine(),
        "containerized": Path("/.dockerenv").exists(),
        "kubernetes": "KUBERNETES_SERVICE_HOST" in os.environ,
    }


def info(settings: Settings) -> dict[str, Any]:
    """The info document; its extra member ``implementation`` identifies the stub."""
    return {
        "runtime_id": settings.runtime_id,
        "version": SPEAKS,
        "started_at": settings.started_at,
        "snapshot_version": "v1",
        "platform": _platform(),
        "implementation": f"pytest-execgo stub {VERSION}",
    }


def capabilities(settings: Settings) -> dict[str, Any]:
    """The capabilities: no sandbox, no cgroups, limits by ``ulimit``."""
    limits = shutil.which("sh") is not None
    namespaces = dict.fromkeys(("mount", "pid", "uts", "ipc", "net"), False)
    return {
        "runtime_id": settings.runtime_id,
        "snapshot_version": "v1",
        "collected_at": nanosecond_stamp(),
        "platform": _platform(),
        "execution": {"command": True, "script": True, "process_group": hasattr(os, "killpg")},
        "sandbox": {
            "process": True,
            "linux_sandbox": False,
            "chroot": False,
            "namespaces": namespaces,
        },
        "storage": {"data_dir_writable": os.access(settings.data_dir, os.W_OK)},
        "resources": {
            "rlimit_cpu": limits,
            "rlimit_memory": limits,
            "cgroup_v2": False,
            "cgroup_writable": False,
            "memory_limit": limits,
            "pids_limit": False,
            "oom_detection": False,
            "cpu_quota": False,
            "ledger": True,
            "capacity": settings.capacity(),
        },
        "stable_semantics": list(STABLE),
        "enhanced_semantics": ["resource_ledger"],
        "degraded": False,
    }


def config(settings: Settings) -> dict[str, Any]:
    """The settings under the names of the real runtime; unsupported ones are zero or off."""
    return {
        "runtime_id": settings.runtime_id,
        "listen_addr": settings.listen_addr,
        "data_dir": str(settings.data_dir),
        "max_running_tasks": settings.max_running,
        "max_queued_tasks": settings.max_queued,
        "termination_grace_ms": settings.grace_ms,
        "result_retention_secs": 0,
        "gc_interval_ms": 0,
        "dispatch_poll_interval_ms": 0,
        "cgroup_root": "",
        "default_capability_mode": settings.default_mode,
        "cgroup_enabled": False,
    }


def reservation(submission: Submission) -> dict[str, int]:
    """The resources that one task reserves."""
    known = {
        "task_slots": 1,
        "memory_bytes": submission.memory_bytes,
        "pids": submission.pids_max,
    }
    return {name: value for name, value in known.items() if value is not None}


def lacking(submission: Submission) -> list[str]:
    """What the task asks for and the stub does not enforce: no sandbox, no cgroups."""
    found = []
    if submission.sandbox_profile == "linux_sandbox":
        found.append("sandbox.profile=linux_sandbox is unavailable on this runtime")
    limits = shutil.which("sh") is not None
    for name in ("cpu_time_sec", "memory_bytes"):
        if getattr(submission, name) is not None and not limits:
            found.append(f"{name} enforcement is unavailable on this runtime")
    if submission.pids_max is not None:
        found.append("pids_max enforcement requires writable cgroup support")
    return found


def execution_plan(submission: Submission) -> dict[str, Any]:
    """How limits are enforced; a requested limit without enforcement makes the plan ``degraded``."""
    requested = {"profile": submission.sandbox_profile, "chroot": False}
    effective = {"profile": "process", "chroot": False}
    lacks = lacking(submission)
    enforcement: dict[str, Any] = {"wall_time_ms": submission.wall_time_ms}
    for name, value, enforced in (
        ("cpu_time", submission.cpu_time_sec, submission.cpu_time_sec is not None),
        ("memory", submission.memory_bytes, submission.memory_bytes is not None),
        ("pids", submission.pids_max, False),
    ):
        member = {"cpu_time": "cpu_time_sec", "memory": "memory_bytes", "pids": "pids_max"}[name]
        if value is not None:
            enforcement[member] = value
        enforcement[f"{name}_enforced"] = enforced
    plan: dict[str, Any] = {
        "capability_mode": submission.capability_mode,
        "requested_sandbox": requested,
        "effective_sandbox": effective,
        "resource_enforcement": {**enforcement, "cgroup_enforced": False, "oom_detection": False},
        "degraded": bool(lacks),
    }
    if lacks:
        plan["fallback_reasons"] = lacks
    return plan


def resources(
    settings: Settings, active: Sequence[tuple[Submission, str, str | None]], waiting: int
) -> dict[str, Any]:
    """The ledger; ``active`` are (submission, status, reserved_at) of the running tasks."""
    capacity = settings.capacity()
    reserved = dict.fromkeys(capacity, 0)
    for submission, _, _ in active:
        for name, amount in reservation(submission).items():
            reserved[name] = reserved.get(name, 0) + amount
    return {
        "runtime_id": settings.runtime_id,
        "capacity": capacity,
        "reserved": reserved,
        "available": {name: capacity[name] - reserved[name] for name in capacity},
        "active_reservations": [
            {
                "task_id": submission.task_id,
                "status": status,
                "reservation": reservation(submission),
                **({"reserved_at": at} if at else {}),
            }
            for submission, status, at in active
        ],
        "accepted_waiting_tasks": waiting,
        "tenants": [],
    }


def metrics(states: Counter[str], errors: Counter[str], durations: Sequence[int]) -> str:
    """The metrics in Prometheus text format; ``durations`` in milliseconds."""
    name = "execgo_runtime_task_duration_ms"
    lines = [
        "# HELP execgo_runtime_tasks_total Tasks by status",
        "# TYPE execgo_runtime_tasks_total counter",
        *(f'execgo_runtime_tasks_total{{status="{s}"}} {n}' for s, n in sorted(states.items())),
        "# HELP execgo_runtime_tasks_running Tasks that run now",
        "# TYPE execgo_runtime_tasks_running gauge",
        f"execgo_runtime_tasks_running {states['running']}",
        "# HELP execgo_runtime_task_errors_total Tasks by error code",
        "# TYPE execgo_runtime_task_errors_total counter",
        *(f'execgo_runtime_task_errors_total{{code="{c}"}} {n}' for c, n in sorted(errors.items())),
        f"# HELP {name} Duration of tasks in milliseconds",
        f"# TYPE {name} histogram",
        *(f'{name}_bucket{{le="{b}"}} {sum(d <= b for d in durations)}' for b in BUCKETS_MS),
        f'{name}_bucket{{le="+Inf"}} {len(durations)}',
        f"{name}_sum {sum(durations)}",
        f"{name}_count {len(durations)}",
    ]
    return "\n".join(lines) + "\n"
