"""The sixth batch of faults of the machine: interpreters, leftovers, links and stolen ports."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import psutil

from benchmarks.unseen.fleet_site import Inject, Site
from benchmarks.unseen.machine import again_and_again, at_stage, tasks_of, throughout

OWN_FOLDER = Path(tempfile.gettempdir()) / f"unseen-{os.getpid()}"
"""Made and removed by the faults that need a place outside of the workspace."""
INTERPRETER = OWN_FOLDER / "python"
SCRATCH = OWN_FOLDER / "scratch"
_PAGE = "4k"
_END_SECONDS = 10.0


# -- the interpreter. The plan names a script that starts Python.


def _wrapper(text: str) -> str:
    return f"#!/bin/sh\n{text}\n"


_GOOD = _wrapper(f'exec {sys.executable} "$@"')


def _interpreter(stage: int, change: Callable[[], None]) -> Inject:
    """The interpreter of the tasks is another one from this stage on."""

    @contextmanager
    def inject(site: Site) -> Iterator[None]:
        OWN_FOLDER.mkdir()
        INTERPRETER.write_text(_GOOD)
        INTERPRETER.chmod(0o755)
        try:
            with at_stage(site, stage, lambda workspace: change()):
                yield
        finally:
            shutil.rmtree(OWN_FOLDER)

    return inject


def _install(text: str) -> None:
    """As a package manager does: the new file takes the place of the old one."""
    new = INTERPRETER.with_name("new")
    new.write_text(_wrapper(text))
    new.chmod(0o755)
    new.replace(INTERPRETER)


def _overwrite(text: str) -> None:
    INTERPRETER.write_text(text)


interpreter_bare = _interpreter(3, lambda: _install(f'exec {sys.executable} -S "$@"'))
"""The new one has no packages."""
interpreter_banner = _interpreter(
    2, lambda: _install(f'echo "Python 3.15.0a2: this is a preview"; exec {sys.executable} "$@"')
)
interpreter_mode = _interpreter(2, lambda: INTERPRETER.chmod(0o644))
"""The umask of the package manager was wrong."""
interpreter_shebang = _interpreter(
    2, lambda: _overwrite(f'#!/opt/pyenv/none/bin/sh\nexec {sys.executable} "$@"\n')
)
"""The new one needs another program, which is not installed."""


# -- files


@contextmanager
def _immutable(site: Site, name: str) -> Iterator[None]:
    """A file of the workspace is left from another user, and no task may write it."""
    locked: list[Path] = []

    def lock(workspace: Path) -> None:
        path = workspace / name
        path.write_text("")
        subprocess.run(["chattr", "+i", path], check=True)
        locked.append(path)

    with at_stage(site, 1, lock):
        try:
            yield
        finally:
            for path in locked:
                subprocess.run(["chattr", "-i", path], check=False)


def output_immutable(site: Site) -> AbstractContextManager[None]:
    return _immutable(site, "report.md")


def link_loop(site: Site) -> AbstractContextManager[None]:
    """Files that tasks read or write are links to themselves: a deployment tool ran twice."""

    def replace(workspace: Path) -> None:
        for name in ("findings.json", "evidence/metrics.csv"):
            path = workspace / name
            if path.parent.is_dir():
                path.unlink(missing_ok=True)
                path.symlink_to(path.name)

    return at_stage(site, 1, replace)


def inputs_transcoded(site: Site) -> AbstractContextManager[None]:
    """Somebody's editor saved the input files in another encoding."""

    def transcode(workspace: Path) -> None:
        for pattern in ("requirements.txt", "evidence/*"):
            for path in sorted(workspace.glob(pattern)):
                path.write_text(path.read_text(), encoding="utf-16")

    return at_stage(site, 1, transcode)


def outputs_overwritten(site: Site) -> AbstractContextManager[None]:
    """A synchroniser of folders brings an older version of what tasks leave for each other."""
    older = {
        "findings.json": '{"scanned": 0, "findings": []}',
        "out/merge-a1.json": '{"older": 1}',
    }

    def synchronise(workspace: Path) -> None:
        for name, text in older.items():
            path = workspace / name
            if path.is_file() and path.read_text() != text:
                path.write_text(text)

    return throughout(site, synchronise)


@contextmanager
def scratch_full(site: Site) -> Iterator[None]:
    """The disk for temporary files has place for one small file only; the plan names it."""
    SCRATCH.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_PAGE}", "tmpfs", SCRATCH], check=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", SCRATCH], check=True)
        shutil.rmtree(OWN_FOLDER)


# -- processes


@contextmanager
def one_task_killed(site: Site) -> Iterator[None]:
    """As the kernel does when memory is short: the biggest task is killed, once."""
    killed: list[int] = []

    def end_it() -> None:
        if killed:
            return
        sizes: list[tuple[int, psutil.Process]] = []
        for task in tasks_of(site.pids["runtime"]):
            with suppress(psutil.Error):
                sizes.append((task.memory_info().rss, task))
        if sizes:
            with suppress(psutil.Error):
                max(sizes, key=lambda found: found[0])[1].kill()
                killed.append(1)

    with again_and_again(site, end_it):
        yield


@contextmanager
def port_stolen(site: Site) -> Iterator[None]:
    """The runtime ended, and another program listens where it did."""
    servers: list[ThreadingHTTPServer] = []

    class Other(BaseHTTPRequestHandler):
        server_version = "Jetty(9.4.z)"

        def do_GET(self) -> None:
            self._answer()

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers.get("Content-Length") or 0))
            self._answer()

        def _answer(self) -> None:
            text = b"<html><head><title>Dashboard [Jenkins]</title></head><body/></html>"
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, format: str, *args: object) -> None:
            """Print nothing."""

    def steal(workspace: Path) -> None:
        process = psutil.Process(site.pids["runtime"])
        process.kill()
        process.wait(_END_SECONDS)
        servers.append(ThreadingHTTPServer(site.fronts["runtime"].upstream, Other))
        threading.Thread(target=servers[0].serve_forever, daemon=True).start()

    with at_stage(site, 2, steal):
        try:
            yield
        finally:
            for server in servers:
                server.shutdown()
                server.server_close()


@contextmanager
def cancelled_by_other(site: Site) -> Iterator[None]:
    """An operator cancels whatever the runtime runs, by its own interface."""
    host, port = site.fronts["runtime"].upstream
    base = f"http://{host}:{port}/api/v1"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))

    def cancel() -> None:
        with suppress(OSError, ValueError, KeyError):
            with opener.open(f"{base}/runtime/resources", timeout=2) as reply:
                active = json.load(reply)["active_reservations"]
            for one in active:
                ask = urllib.request.Request(
                    f"{base}/tasks/{one['task_id']}/kill", b"", method="POST"
                )
                with suppress(OSError):
                    opener.open(ask, timeout=2).close()

    with again_and_again(site, cancel):
        yield
