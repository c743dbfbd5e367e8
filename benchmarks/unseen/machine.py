"""Faults of the machine, of the tasks' processes and of the driver."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path

import psutil

from benchmarks.unseen.fleet_site import Inject, Site
from pytest_execgo.models.events import Event, StageStarted


@contextmanager
def at_stage(site: Site, number: int, act: Callable[[Path], None]) -> Iterator[None]:
    """Call ``act`` with the workspace when stage ``number`` (from 1) starts."""
    seen: list[Event] = []

    def listen(event: Event, workspace: Path) -> None:
        if isinstance(event, StageStarted):
            seen.append(event)
            if len(seen) == number:
                act(workspace)

    site.listeners.append(listen)
    try:
        yield
    finally:
        site.listeners.remove(listen)


@contextmanager
def no_space(site: Site) -> Iterator[None]:
    disk = site.disk
    assert disk is not None
    filler = disk / "filler"

    def fill(workspace: Path) -> None:
        with suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(b"x" * 4096)
                file.flush()

    with at_stage(site, 2, fill):
        try:
            yield
        finally:
            filler.unlink(missing_ok=True)


@contextmanager
def read_only(site: Site) -> Iterator[None]:
    disk = str(site.disk)

    def remount(mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", disk], check=True)

    with at_stage(site, 2, lambda workspace: remount("ro")):
        try:
            yield
        finally:
            remount("rw")


def removing(pattern: str, stage: int) -> Inject:
    def inject(site: Site) -> AbstractContextManager[None]:
        def remove(workspace: Path) -> None:
            for path in sorted(workspace.rglob(pattern)):
                path.unlink()

        return at_stage(site, stage, remove)

    return inject


def signalling(number: int) -> Inject:
    """Send each task a signal, again and again, from the second stage on."""

    @contextmanager
    def inject(site: Site) -> Iterator[None]:
        def end_them() -> None:
            for process in tasks_of(site.pids["runtime"]):
                with suppress(psutil.Error):
                    process.send_signal(number)

        with again_and_again(site, end_them):
            try:
                yield
            finally:
                with suppress(psutil.Error):
                    for left in psutil.Process(site.pids["runtime"]).children(recursive=True):
                        left.kill()

    return inject


@contextmanager
def again_and_again(site: Site, act: Callable[[], None]) -> Iterator[None]:
    """Call ``act`` every few milliseconds from the second stage on."""
    over = threading.Event()

    def repeat() -> None:
        while not over.is_set():
            act()
            over.wait(0.005)

    thread = threading.Thread(target=repeat)
    with at_stage(site, 2, lambda workspace: thread.start()):
        try:
            yield
        finally:
            over.set()


@contextmanager
def throughout(site: Site, act: Callable[[Path], None]) -> Iterator[None]:
    """Call ``act`` with the workspace every few milliseconds from the first stage on."""
    over = threading.Event()

    def repeat(workspace: Path) -> None:
        while not over.wait(0.002):
            act(workspace)

    def begin(workspace: Path) -> None:
        threading.Thread(target=repeat, args=(workspace,), daemon=True).start()

    with at_stage(site, 1, begin):
        try:
            yield
        finally:
            over.set()


def tasks_of(runtime: int) -> list[psutil.Process]:
    """The processes of tasks: they have the workspace in their arguments, and a shim as parent."""
    with suppress(psutil.Error):
        shims = psutil.Process(runtime).children()
        return [task for shim in shims for task in shim.children()]
    return []


@contextmanager
def no_descriptors(site: Site) -> Iterator[None]:
    pid = site.pids["runtime"]
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = psutil.Process(pid).num_fds()
    with at_stage(
        site, 2, lambda workspace: _prlimit(pid, resource.RLIMIT_NOFILE, (used + 1, before[1]))
    ):
        try:
            yield
        finally:
            _prlimit(pid, resource.RLIMIT_NOFILE, before)


@contextmanager
def driver_stopped(site: Site) -> Iterator[None]:
    """The driver itself, with its observers, is stopped for a second."""

    def stop(workspace: Path) -> None:
        subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {os.getpid()}"])
        os.kill(os.getpid(), signal.SIGSTOP)

    with at_stage(site, 2, stop):
        yield


def both(*injects: Inject) -> Inject:
    @contextmanager
    def inject(site: Site) -> Iterator[None]:
        with ExitStack() as stack:
            for one in injects:
                stack.enter_context(one(site))
            yield

    return inject


def rewriting(pattern: str, stage: int, text: str | None) -> Inject:
    """Overwrite files of the workspace; ``None``: with nothing."""

    def inject(site: Site) -> AbstractContextManager[None]:
        def rewrite(workspace: Path) -> None:
            for path in sorted(workspace.rglob(pattern)):
                path.write_text((path.read_text() + text) if text else "")

        return at_stage(site, stage, rewrite)

    return inject


@contextmanager
def workspace_moved(site: Site) -> Iterator[None]:
    """The folder of the trial has another name from the second stage on."""
    moved: list[Path] = []

    def move(workspace: Path) -> None:
        moved.append(workspace.rename(workspace.with_name("elsewhere")))

    with at_stage(site, 2, move):
        try:
            yield
        finally:
            for path in moved:
                shutil.rmtree(path, ignore_errors=True)


def limiting(which: int, value: int) -> Inject:
    """A limit of the operating system on the runtime, which its tasks inherit."""

    @contextmanager
    def inject(site: Site) -> Iterator[None]:
        pid = site.pids["runtime"]
        before = resource.prlimit(pid, which)
        with at_stage(site, 2, lambda workspace: _prlimit(pid, which, (value, before[1]))):
            try:
                yield
            finally:
                _prlimit(pid, which, before)

    return inject


def _prlimit(pid: int, which: int, limits: tuple[int, int]) -> None:
    # The process may have ended of its limit.
    with suppress(ProcessLookupError):
        resource.prlimit(pid, which, limits)


@contextmanager
def shims_killed(site: Site) -> Iterator[None]:
    """The processes between the runtime and its tasks are killed, not the tasks."""

    def end_them() -> None:
        with suppress(psutil.Error):
            for shim in psutil.Process(site.pids["runtime"]).children():
                if shim.children():
                    shim.kill()

    with again_and_again(site, end_them):
        yield


@contextmanager
def busy(site: Site) -> Iterator[None]:
    """Eight busy loops per core, which the scheduler prefers to everything else."""
    loops = [
        subprocess.Popen(["nice", "-n", "-15", sys.executable, "-c", "while True: pass"])
        for _ in range(8 * (os.cpu_count() or 1))
    ]
    try:
        yield
    finally:
        for loop in loops:
            loop.kill()
            loop.wait()


@contextmanager
def logs_rotated(site: Site) -> Iterator[None]:
    """A wrong rule of logrotate: it empties the logs of tasks again and again."""
    logs = Path(psutil.Process(site.pids["runtime"]).cwd()) / "runtime" / "tasks"

    def rotate() -> None:
        for log in logs.glob("*/*.log"):
            with suppress(OSError):
                os.truncate(log, 0)

    with again_and_again(site, rotate):
        yield


def reverted(site: Site) -> AbstractContextManager[None]:
    """Somebody restores the files that a task has changed, between two stages."""

    def revert(workspace: Path) -> None:
        for backup in sorted(workspace.rglob("*.py.orig")):
            shutil.copy(backup, backup.with_suffix(""))

    return at_stage(site, 2, revert)


def inputs_cut(site: Site) -> AbstractContextManager[None]:
    """The copy of the input data ended half-way."""

    def cut(workspace: Path) -> None:
        for pattern in ("requirements.txt", "evidence/*"):
            for path in sorted(workspace.glob(pattern)):
                os.truncate(path, path.stat().st_size // 2)

    return at_stage(site, 1, cut)


@contextmanager
def no_inodes(site: Site) -> Iterator[None]:
    """The disk has space, but can hold no more files."""
    disk = site.disk
    assert disk is not None

    def remount(most: int) -> None:
        subprocess.run(["mount", "-o", f"remount,nr_inodes={most}", disk], check=True)

    def exhaust(workspace: Path) -> None:
        found = os.statvfs(disk)
        remount(found.f_files - found.f_ffree)

    before = os.statvfs(disk).f_files
    with at_stage(site, 1, exhaust):
        try:
            yield
        finally:
            remount(before)


def engine_terminated(site: Site) -> AbstractContextManager[None]:
    """ExecGo ends at the second stage, and is not started again."""

    def end(workspace: Path) -> None:
        with suppress(ProcessLookupError):
            os.kill(site.pids["execgo"], signal.SIGTERM)

    return at_stage(site, 2, end)


def suspending(service: str, seconds: float) -> Inject:
    """The process of a service is frozen at the second stage, as while a virtual machine moves."""

    @contextmanager
    def inject(site: Site) -> Iterator[None]:
        pid = site.pids[service]
        timer = threading.Timer(seconds, os.kill, (pid, signal.SIGCONT))

        def freeze(workspace: Path) -> None:
            os.kill(pid, signal.SIGSTOP)
            timer.start()

        with at_stage(site, 2, freeze):
            try:
                yield
            finally:
                timer.cancel()
                os.kill(pid, signal.SIGCONT)

    return inject


def mounted_as_folder(site: Site) -> AbstractContextManager[None]:
    """Input files are empty folders: a container engine makes them for mounts of what is missing."""

    def replace(workspace: Path) -> None:
        for name in ("requirements.txt", "evidence/app.log"):
            path = workspace / name
            if path.is_file():
                path.unlink()
                path.mkdir()

    return at_stage(site, 1, replace)


def outputs_swept(site: Site) -> AbstractContextManager[None]:
    """A cleaner of temporary files removes what tasks leave for each other, as soon as it is there."""

    def sweep(workspace: Path) -> None:
        for pattern in ("findings.json", "out/count-*.json"):
            for path in workspace.glob(pattern):
                path.unlink(missing_ok=True)

    return throughout(site, sweep)


@contextmanager
def data_folder_replaced(site: Site) -> Iterator[None]:
    """A wrong restore: where the runtime keeps its tasks, there is a file."""
    folder = Path(psutil.Process(site.pids["runtime"]).cwd()) / "runtime" / "tasks"
    kept = folder.with_name("tasks.kept")

    def replace(workspace: Path) -> None:
        folder.rename(kept)
        folder.write_bytes(b"")

    with at_stage(site, 2, replace):
        try:
            yield
        finally:
            if kept.exists():
                folder.unlink(missing_ok=True)
                kept.rename(folder)
