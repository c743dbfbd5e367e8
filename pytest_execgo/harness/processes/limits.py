"""Limits on a running process (memory, cpu, pids): set them, remove them, read them.

Memory is RLIMIT_AS; processes that start later inherit it. Cpu alternates SIGSTOP and SIGCONT over the
process and its descendants, because limits of the kernel need privileges. Pids needs a writable cgroup.
"""

from __future__ import annotations

import os
import secrets
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import psutil

Heal = Callable[[], None]
PERIOD_SECONDS = 0.1
_MEGABYTE = 1024 * 1024
# Limits of Linux, by the name that reports use: the name in psutil, and the unit of its value.
_RLIMITS = {
    "memory": ("RLIMIT_AS", _MEGABYTE, " MB"),
    "open files": ("RLIMIT_NOFILE", 1, ""),
    "file size": ("RLIMIT_FSIZE", 1, " bytes"),
    "cpu time": ("RLIMIT_CPU", 1, " s"),
}


def unsupported(resource: str, pid: int) -> str | None:
    """Why a resource cannot be limited on this machine; ``None`` if it can."""
    if resource == "memory" and not sys.platform.startswith("linux"):
        return "memory of a running process can be limited on Linux only"
    if resource == "pids" and _pids_cgroup(pid) is None:
        return "pids can be limited only through a cgroup, and no cgroup here is writable"
    return None


def state_of(pid: int | None) -> tuple[bool, dict[str, str]]:
    """Whether a process is stopped, and its limits, as far as the operating system reports them."""
    return _stopped(pid), _limits_of(pid)


def _stopped(pid: int | None) -> bool:
    with suppress(psutil.Error):
        return pid is not None and bool(psutil.Process(pid).status() == psutil.STATUS_STOPPED)
    return False


def _limits_of(pid: int | None) -> dict[str, str]:
    found: dict[str, str] = {}
    if pid is None or not sys.platform.startswith("linux"):
        return found
    with suppress(psutil.Error, OSError, ValueError):
        process = psutil.Process(pid)
        for name, (which, unit, word) in _RLIMITS.items():
            soft, _ = process.rlimit(getattr(psutil, which))
            found[name] = "unlimited" if soft < 0 else f"{soft // unit}{word}"
        for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            for root in _roots(controllers):
                limit = root / path.lstrip("/") / "pids.max"
                if limit.exists():
                    found["pids"] = limit.read_text(encoding="utf-8").strip()
                else:
                    found.setdefault("pids", "max")
    return found


def limit_memory(pid: int, megabytes: int) -> Heal:
    """Limit the address space of the process and of processes that it starts later.

    If the process uses more already, it only gets no further memory.
    """
    import resource

    before = resource.prlimit(pid, resource.RLIMIT_AS)
    resource.prlimit(pid, resource.RLIMIT_AS, (megabytes * _MEGABYTE, before[1]))

    def heal() -> None:
        with suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_AS, before)

    return heal


def throttle(pid: int, share: float) -> Heal:
    """Let the process and its descendants run for ``share`` (0 to 1) of the time."""
    done = threading.Event()
    process = psutil.Process(pid)

    def work() -> None:
        # PIDs are reused: check that it is still the same process.
        while not done.is_set() and process.is_running():
            _signal_tree(process, signal.SIGSTOP)
            done.wait(PERIOD_SECONDS * (1 - share))
            _signal_tree(process, signal.SIGCONT)
            done.wait(PERIOD_SECONDS * share)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()

    def heal() -> None:
        done.set()
        thread.join()
        _signal_tree(process, signal.SIGCONT)

    return heal


def limit_pids(pid: int, more: int) -> Heal:
    """Let the process and its descendants start at most ``more`` further processes and threads."""
    home = _pids_cgroup(pid)
    if home is None:
        raise OSError(unsupported("pids", pid))
    _remove_stale(home)
    own = home / f"execgo-{os.getpid()}-{secrets.token_hex(4)}"
    own.mkdir()
    for member in (pid, *_descendants(pid)):
        _move(member, own)
    used = int((own / "pids.current").read_text(encoding="utf-8"))
    (own / "pids.max").write_text(str(used + more), encoding="utf-8")

    def heal() -> None:
        (own / "pids.max").write_text("max", encoding="utf-8")
        for member in (own / "cgroup.procs").read_text(encoding="utf-8").split():
            _move(int(member), home)
        with suppress(OSError):
            own.rmdir()

    return heal


def _remove_stale(home: Path) -> None:
    """Remove the cgroups of runs that were killed."""
    for folder in home.glob("execgo-*-*"):
        owner = folder.name.split("-")[1]
        if owner.isdigit() and not psutil.pid_exists(int(owner)):
            with suppress(OSError):
                folder.rmdir()


def _move(pid: int, cgroup: Path) -> None:
    with suppress(ProcessLookupError):
        (cgroup / "cgroup.procs").write_text(str(pid), encoding="utf-8")


def _pids_cgroup(pid: int) -> Path | None:
    """The process's cgroup of the pids controller (v2 or v1), if this user can create children of it."""
    with suppress(OSError):
        for line in Path(f"/proc/{pid}/cgroup").read_text(encoding="utf-8").splitlines():
            _, controllers, path = line.split(":", 2)
            for root in _roots(controllers):
                folder = root / path.lstrip("/")
                enabled = bool(controllers) or "pids" in _words(folder / "cgroup.subtree_control")
                if enabled and os.access(folder, os.W_OK) and (folder / "cgroup.procs").exists():
                    return folder
    return None


def _roots(controllers: str) -> Iterator[Path]:
    if "pids" in controllers.split(","):
        yield Path("/sys/fs/cgroup/pids")
    elif not controllers:
        yield Path("/sys/fs/cgroup")


def _words(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def _descendants(pid: int) -> list[int]:
    with suppress(psutil.Error):
        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    return []


def _signal_tree(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.Error):
        for member in (process, *process.children(recursive=True)):
            with suppress(psutil.Error):
                member.send_signal(number)
