"""Kinds of faults that no rule of attribution was written for."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from time import sleep

import psutil

from benchmarks.unseen.front import Corrupt, Exchange, Front, Reset, wait
from pytest_execgo.models.events import Event, StageStarted

_DRIP_SECONDS = 0.05
_LATE_SECONDS = 2.0


Listener = Callable[[Event, Path], None]


@dataclass
class Site:
    """What a fault can reach. ``fronts`` and ``pids``: the front and the process of each service.
    ``disk``: a folder on a small disk, which holds the workspaces; ``None`` without one. ``listeners``
    are called with each event of the running trial, and its workspace."""

    fronts: dict[str, Front]
    pids: dict[str, int]
    disk: Path | None
    listeners: list[Listener]


Inject = Callable[[Site], AbstractContextManager[None]]


@dataclass(frozen=True)
class Kind:
    """``right``: the layers that may be named. ``inject`` is a context manager around a trial.
    ``edit``: for a fault of the plan, a text of the plan file and its replacement."""

    name: str
    right: frozenset[str]
    inject: Inject | None = None
    scenarios: tuple[str, ...] = ("vuln_scan", "multi_step_agent", "long_chain_dag", "codegen_exec")
    edit: tuple[str, str] | None = None


# -- answers


def _closed(exchange: Exchange) -> Iterator[bytes]:
    yield b""


def _reset(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer()[:20]
    raise Reset


def _half_open(exchange: Exchange) -> Iterator[bytes]:
    yield b""
    wait()


def _slow_body(exchange: Exchange) -> Iterator[bytes]:
    whole = exchange.answer()
    head = len(whole) - len(exchange.body)
    yield whole[:head]
    for position in range(head, len(whole)):
        sleep(_DRIP_SECONDS)
        yield whole[position : position + 1]


def _cut_body(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(exchange.body[: len(exchange.body) // 2], length=len(exchange.body))


def _cut_right_length(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(exchange.body[: len(exchange.body) // 2])


def _duplicated(exchange: Exchange) -> Iterator[bytes]:
    third = len(exchange.body) // 3
    again = exchange.body[third : 2 * third]
    yield exchange.answer(exchange.body[: 2 * third] + again + exchange.body[2 * third :])


def _every_second(exchange: Exchange) -> Iterator[bytes]:
    if exchange.number % 2 == 0:
        yield b""
        raise Reset
    yield exchange.answer()


def _html(exchange: Exchange) -> Iterator[bytes]:
    headers = (("Content-Type", "text/html"),)
    yield exchange.answer(b"<html><h1>It works!</h1></html>", 200, headers=headers)


def _forbidden(exchange: Exchange) -> Iterator[bytes]:
    headers = (("Content-Type", "text/html"),)
    yield exchange.answer(b"<html>blocked by policy</html>", 403, headers=headers)


def _gateway(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"Bad Gateway", 502, headers=(("Content-Type", "text/plain"),))


def _bad_request(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b'{"error": "no"}', 400)


def _empty(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"")


def _flipped(exchange: Exchange) -> Iterator[bytes]:
    """One character of a number or word in the body changes; it stays JSON."""
    text = exchange.body.decode("utf-8", "replace")
    yield exchange.answer(text.replace("1", "7").encode())


def _failed(exchange: Exchange) -> Iterator[bytes]:
    text = exchange.body.decode("utf-8", "replace")
    yield exchange.answer(text.replace('"success"', '"failed"').encode())


_CHANGES: dict[str, Corrupt] = {
    "closed": _closed, "reset": _reset, "half_open": _half_open, "slow_body": _slow_body,
    "cut_body": _cut_body, "cut_right_length": _cut_right_length, "duplicated": _duplicated,
    "every_second": _every_second, "html": _html, "forbidden": _forbidden, "gateway": _gateway,
    "bad_request": _bad_request, "empty": _empty, "flipped": _flipped, "says_failed": _failed,
}  # fmt: skip


def _redirect(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"", 302, headers=(("Location", exchange.path),))


def _too_many(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"slow down", 429, headers=(("Content-Type", "text/plain"),))


def _bad_chunks(exchange: Exchange) -> Iterator[bytes]:
    head = f"HTTP/1.1 {exchange.status} X\r\nTransfer-Encoding: chunked\r\n\r\n"
    yield head.encode() + b"zz\r\n" + exchange.body + b"\r\n0\r\n\r\n"


def _not_gzip(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(headers=(*exchange.headers, ("Content-Encoding", "gzip")))


def _late(exchange: Exchange) -> Iterator[bytes]:
    sleep(_LATE_SECONDS)
    yield exchange.answer()


def _half_a_head(exchange: Exchange) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Ty"


def _null(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"null")


def _empty_object(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer(b"{}")


def _third_time(exchange: Exchange) -> Iterator[bytes]:
    yield exchange.answer() if exchange.number % 3 else b""


# Added after the rules, and measured once: no rule was changed for them.
_LATER: dict[str, Corrupt] = {
    "redirect": _redirect, "too_many": _too_many, "bad_chunks": _bad_chunks, "not_gzip": _not_gzip,
    "late": _late, "half_a_head": _half_a_head, "null": _null, "empty_object": _empty_object,
    "third_time": _third_time,
}  # fmt: skip
_LAYERS = {"fixtures": "fixture", "runtime": "runtime", "execgo": "engine"}
_SLOW = {"half_open", "slow_body"}
_STAGED = ("vuln_scan", "multi_step_agent", "codegen_exec")
"""Scenarios with more than one stage."""


def _is_work(method: str, path: str) -> bool:
    return not path.startswith(("/health", "/readyz", "/healthz", "/__control", "/metrics"))


def _on_front(service: str, corrupt: Corrupt, applies: Callable[[str, str], bool]) -> Inject:
    @contextmanager
    def inject(site: Site) -> Iterator[None]:
        front = site.fronts[service]
        front.begin(corrupt, applies)
        try:
            yield
        finally:
            front.end()

    return inject


# -- the machine


@contextmanager
def _at_stage(site: Site, number: int, act: Callable[[Path], None]) -> Iterator[None]:
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
def _no_space(site: Site) -> Iterator[None]:
    disk = site.disk
    assert disk is not None
    filler = disk / "filler"

    def fill(workspace: Path) -> None:
        with suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(b"x" * 4096)
                file.flush()

    with _at_stage(site, 2, fill):
        try:
            yield
        finally:
            filler.unlink(missing_ok=True)


@contextmanager
def _read_only(site: Site) -> Iterator[None]:
    disk = str(site.disk)

    def remount(mode: str) -> None:
        subprocess.run(["mount", "-o", f"remount,{mode}", disk], check=True)

    with _at_stage(site, 2, lambda workspace: remount("ro")):
        try:
            yield
        finally:
            remount("rw")


def _removing(pattern: str, stage: int) -> Inject:
    def inject(site: Site) -> AbstractContextManager[None]:
        def remove(workspace: Path) -> None:
            for path in sorted(workspace.rglob(pattern)):
                path.unlink()

        return _at_stage(site, stage, remove)

    return inject


def _signalling(number: int) -> Inject:
    @contextmanager
    def inject(site: Site) -> Iterator[None]:
        over = threading.Event()

        def hunt() -> None:
            while not over.is_set():
                for process in _tasks(site.pids["runtime"]):
                    with suppress(psutil.Error):
                        process.send_signal(number)
                over.wait(0.005)

        thread = threading.Thread(target=hunt)
        with _at_stage(site, 2, lambda workspace: thread.start()):
            try:
                yield
            finally:
                over.set()

    return inject


def _tasks(runtime: int) -> list[psutil.Process]:
    """The processes of tasks: they have the workspace in their arguments, and a shim as parent."""
    with suppress(psutil.Error):
        shims = psutil.Process(runtime).children()
        return [task for shim in shims for task in shim.children()]
    return []


@contextmanager
def _no_descriptors(site: Site) -> Iterator[None]:
    pid = site.pids["runtime"]
    before = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    used = psutil.Process(pid).num_fds()
    with _at_stage(site, 2, lambda workspace: _limit(pid, (used + 1, before[1]))):
        try:
            yield
        finally:
            _limit(pid, before)


def _limit(pid: int, limits: tuple[int, int]) -> None:
    resource.prlimit(pid, resource.RLIMIT_NOFILE, limits)


@contextmanager
def _driver_stopped(site: Site) -> Iterator[None]:
    """The driver itself, with its observers, is stopped for a second."""

    def stop(workspace: Path) -> None:
        subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {os.getpid()}"])
        os.kill(os.getpid(), signal.SIGSTOP)

    with _at_stage(site, 2, stop):
        yield


def _both(*injects: Inject) -> Inject:
    @contextmanager
    def inject(site: Site) -> Iterator[None]:
        with ExitStack() as stack:
            for one in injects:
                stack.enter_context(one(site))
            yield

    return inject


# -- all of them


def kinds() -> list[Kind]:
    """Every kind, in a fixed order."""
    found = []
    for service, layer in _LAYERS.items():
        for name, corrupt in _CHANGES.items():
            if service != "fixtures" and name == "slow_body":
                continue
            scenarios = ("vuln_scan",) if service == "fixtures" else Kind.scenarios
            if name in _SLOW:
                scenarios = scenarios[:1]
            inject = _on_front(service, corrupt, _is_work)
            found.append(Kind(f"{service}_{name}", frozenset({layer}), inject, scenarios))
    for service, layer in _LAYERS.items():
        for name, corrupt in _LATER.items():
            scenarios = _STAGED[:1] if service == "fixtures" else _STAGED[:2]
            inject = _on_front(service, corrupt, _is_work)
            found.append(Kind(f"later_{service}_{name}", frozenset({layer}), inject, scenarios))
    machine = frozenset({"unknown"})
    found += [
        Kind("no_space", machine, _no_space, ("vuln_scan", "codegen_exec")),
        Kind("read_only", machine, _read_only, ("vuln_scan", "codegen_exec")),
        Kind("tool_removed", machine, _removing("*.py", 2), ("vuln_scan", "codegen_exec")),
        Kind("killed", machine, _signalling(signal.SIGKILL), _STAGED),
        Kind("terminated", machine, _signalling(signal.SIGTERM), _STAGED),
        Kind("segfault", machine | {"task"}, _signalling(signal.SIGSEGV), _STAGED),
        Kind("no_descriptors", machine | {"runtime"}, _no_descriptors, _STAGED),
        Kind("driver_stopped", machine, _driver_stopped, _STAGED),
        Kind(
            "two_layers", frozenset({"fixture", "runtime"}),
            _both(
                _on_front("fixtures", _gateway, _is_work),
                _on_front("runtime", _every_second, lambda method, path: method == "GET"),
            ),
            ("vuln_scan",),
        ),
        Kind(
            "wrong_field", frozenset({"binding", "task", "plan", "unknown"}), None,
            ("multi_step_agent",),
            ("from_json(runtime.output.stdout).events | to_string(@)", "runtime.output.stdout"),
        ),
        Kind(
            "wrong_key", frozenset({"binding", "plan"}), None, ("multi_step_agent",),
            ("from_json(runtime.output.stdout).events | to_string(@)",
             "from_json(runtime.output.stdout).evnts | to_string(@)"),
        ),
        Kind(
            "own_error", frozenset({"task"}), None, ("multi_step_agent",),
            ('sorted(events, key=lambda e: e["at"])', 'sorted(events, key=lambda e: e["on"])'),
        ),
    ]  # fmt: skip
    return found
