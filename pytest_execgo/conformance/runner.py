"""Runs one recorded case against an engine; the result is a list of differences."""

from __future__ import annotations

import http.client
import json
import secrets
import socket
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol

from pytest_execgo.conformance.cases import Case
from pytest_execgo.conformance.matching import Differences, at_pointer, differences, fill
from pytest_execgo.conformance.peer import Peer
from pytest_execgo.system.clock import monotonic, sleep

REQUEST_TIMEOUT_SECONDS = 30.0
DEFAULT_WITHIN_SECONDS = 10.0


class Engine(Protocol):
    """The engine under test. A case that only sends requests needs only ``base_url``."""

    @property
    def base_url(self) -> str:
        """Its base URL, the same after a restart."""

    @property
    def data_dir(self) -> Path:
        """Its data folder."""

    def terminate(self) -> int:
        """SIGTERM and wait for the end; returns the exit status."""

    def kill(self) -> int:
        """SIGKILL and wait for the end; returns the exit status."""

    def start(self) -> int | None:
        """Start it again; returns ``None`` when it is ready, or its exit status if it ends before."""

    def await_exit(self, seconds: float) -> int | None:
        """The exit status if it ends within the time, else ``None``."""


class _Stop(Exception):
    """A step differs, so the rest of the case cannot be judged."""

    def __init__(self, found: Differences) -> None:
        super().__init__("; ".join(found))
        self.found = found


class CaseRunner:
    """Runs cases against one engine; ``closed`` is an address without a listener."""

    def __init__(self, engine: Engine, peer: Peer, closed: str) -> None:
        self._engine, self._peer, self._closed = engine, peer, closed
        self._variables: dict[str, str] = {}
        self._began = 0.0

    def run(self, case: Case) -> Differences:
        """The differences of the first step that differs; empty if the case passes."""
        with tempfile.TemporaryDirectory(prefix="case-") as folder:
            self._variables = {
                "ns": f"n{secrets.token_hex(4)}",
                "tmp": str(Path(folder).resolve()),
                "closed": self._closed,
                "peer": self._peer.url,
                "peer_addr": self._peer.address,
            }
            self._began = monotonic()
            self._peer.program(fill(list(case.peer or ()), self._variables))
            try:
                for index, step in enumerate(case.setup):
                    self._step(step, f"setup[{index}]", compare=False)
                for index, step in enumerate(case.requests):
                    self._step(step, f"requests[{index}]", compare=True)
                if case.peer_expect is not None:
                    self._check_peer(list(case.peer_expect))
            except _Stop as stop:
                return stop.found
            except (OSError, http.client.HTTPException) as error:
                return [f"{type(error).__name__}: {error}"]
        return []

    def _step(self, step: dict[str, Any], where: str, *, compare: bool) -> None:
        kinds: dict[str, Callable[[dict[str, Any], str], None]] = {
            "burst": self._burst,
            "write_file": self._write_file,
            "expect_file": self._expect_file,
            "control": self._control,
        }
        if "sleep_ms" in step:
            sleep(step["sleep_ms"] / 1000)
            return
        for kind, handler in kinds.items():
            if kind in step:
                handler(step, where)
                return
        self._request(step, where, compare=compare)

    # -- requests

    def _request(self, step: dict[str, Any], where: str, *, compare: bool) -> None:
        expect = fill(step.get("expect", {}), self._variables)
        label = f"{where} {step['method']} {fill(step['path'], self._variables)}"
        answer = self._answer(step, label)
        for name, pointer in step.get("capture", {}).items():
            self._variables[name] = str(at_pointer(answer.value, pointer))
            expect = fill(step.get("expect", {}), self._variables)
        earliest = step.get("not_before_ms", 0)
        if (monotonic() - self._began) * 1000 < earliest:
            raise _Stop([f"{label}: ended before {earliest} ms had passed"])
        if compare:
            _stop_if(answer.compare(expect), label)

    def _answer(self, step: dict[str, Any], label: str) -> _Answer:
        """The answer; with ``until``, repeat the request until an answer matches."""
        until = step.get("until")
        deadline = monotonic() + step.get("within_s", DEFAULT_WITHIN_SECONDS)
        while True:
            answer = self._send(step)
            if until is None or _reached(fill(until, self._variables), answer):
                return answer
            if monotonic() > deadline:
                raise _Stop([f"{label}: {until} not reached; last answer {answer.raw[:200]!r}"])
            sleep(step.get("every_ms", 15) / 1000)

    def _send(self, step: dict[str, Any], extra: dict[str, str] | None = None) -> _Answer:
        variables = {**self._variables, **(extra or {})}
        body = _body(step, variables)
        headers = {} if body is None else {"Content-Type": "application/json"}
        headers |= fill(step.get("headers", {}), variables)
        address = self._engine.base_url.removeprefix("http://")
        connection = http.client.HTTPConnection(address, timeout=REQUEST_TIMEOUT_SECONDS)
        try:
            connection.request(step["method"], fill(step["path"], variables), body, headers)
            reply = connection.getresponse()
            return _Answer(
                reply.status, {k.lower(): v for k, v in reply.headers.items()}, reply.read()
            )
        except (ConnectionError, http.client.HTTPException):
            return _Answer(0, {}, b"")
        finally:
            connection.close()

    def _burst(self, step: dict[str, Any], where: str) -> None:
        inner, count = step["step"], step["burst"]
        with ThreadPoolExecutor(count) as pool:
            answers = list(pool.map(lambda i: self._send(inner, {"i": str(i)}), range(count)))
        for index, answer in enumerate(answers):
            expect = fill(inner["expect"], {**self._variables, "i": str(index)})
            _stop_if(answer.compare(expect), f"{where} burst {index}")

    # -- files, processes, the peer

    def _path(self, text: str) -> Path:
        filled: str = fill(text, self._variables)
        if filled.startswith("@data/"):
            return self._engine.data_dir / filled.removeprefix("@data/")
        return Path(filled)

    def _write_file(self, step: dict[str, Any], where: str) -> None:
        wanted = step["write_file"]
        path = self._path(wanted["path"])
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(fill(wanted["content"], self._variables), encoding="utf-8")

    def _expect_file(self, step: dict[str, Any], where: str) -> None:
        wanted = step["expect_file"]
        path = self._path(wanted["path"])
        deadline = monotonic() + step.get("within_s", 5.0)
        while True:
            found = self._file_differences(path, wanted)
            if not found:
                return
            if monotonic() > deadline:
                raise _Stop([f"{where} file {path}: {text}" for text in found])
            sleep(0.02)

    def _file_differences(self, path: Path, wanted: dict[str, Any]) -> Differences:
        if wanted.get("absent"):
            return ["exists, but must be absent"] if path.exists() else []
        if not path.exists():
            return ["is missing"]
        text = path.read_text(encoding="utf-8")
        if "json" in wanted:
            try:
                return differences(fill(wanted["json"], self._variables), json.loads(text))
            except ValueError as error:
                return [f"is not JSON: {error}"]
        return differences(fill(wanted["content"], self._variables), text)

    def _control(self, step: dict[str, Any], where: str) -> None:
        action, expect = step["control"], step.get("expect") or {}
        began = monotonic()
        if action == "terminate":
            status: int | None = self._engine.terminate()
        elif action == "kill":
            status = self._engine.kill()
        elif action == "await_exit":
            status = self._engine.await_exit(step.get("within_s", DEFAULT_WITHIN_SECONDS))
        else:
            status = self._engine.start()
            if action == "start" and status is not None:
                raise _Stop([f"{where} start: the engine ended with {status}"])
        seen = {"exit_code": status, "took_ms": int((monotonic() - began) * 1000)}
        relevant = {name: value for name, value in seen.items() if name in expect}
        _stop_if(differences(expect, relevant), f"{where} {action}")

    def _check_peer(self, expected: list[dict[str, Any]]) -> None:
        wanted = fill(expected, self._variables)
        deadline = monotonic() + 2.0
        while True:
            seen = self._peer.seen(self._variables["ns"])
            found = differences(wanted, seen, "peer")
            if not found:
                return
            if monotonic() > deadline:
                raise _Stop(found)
            sleep(0.02)


class _Answer:
    """Status (0: no answer), headers by lower-case name, raw body, and its JSON value, if any."""

    def __init__(self, status: int, headers: dict[str, str], raw: bytes) -> None:
        self.status, self.headers, self.raw = status, headers, raw
        self.value: Any = None
        if "json" in headers.get("content-type", ""):
            try:
                self.value = json.loads(raw.decode("utf-8", "replace"))
            except ValueError:
                self.value = None

    def compare(self, expect: dict[str, Any]) -> Differences:
        """The differences from the expectation."""
        if self.status == 0:
            silent = expect.get("no_response") or expect.get("may_drop")
            return [] if silent else ["the connection was closed without an answer"]
        if expect.get("no_response"):
            return [f"expected no answer, got {self.status}"]
        found = [] if self.status == expect["status"] else [self._status(expect["status"])]
        for name, want in expect.get("headers", {}).items():
            found += differences(want, self.headers.get(name), f"header {name}")
        absent = [name for name in expect.get("headers_absent", ()) if name in self.headers]
        found += [f"header {name}: should be absent" for name in absent]
        if "body" in expect:
            found += differences(expect["body"], self.value)
        if "text" in expect:
            found += differences(expect["text"], self.raw.decode("utf-8", "replace"), "text")
        if expect.get("empty") and self.raw:
            found.append(f"expected an empty body, got {self.raw[:200]!r}")
        return found + self._raw_differences(expect)

    def _status(self, wanted: int) -> str:
        return f"status: expected {wanted}, got {self.status} ({self.raw[:200]!r})"

    def _raw_differences(self, expect: dict[str, Any]) -> Differences:
        parts = [text.encode() for text in expect.get("raw_contains", ())]
        parts += [bytes.fromhex(text) for text in expect.get("raw_hex_contains", ())]
        found = [f"the raw body lacks {part!r}" for part in parts if part not in self.raw]
        end = expect.get("raw_ends_with")
        if end is not None and not self.raw.endswith(end.encode()):
            found.append(f"the raw body does not end with {end!r}")
        return found


def _stop_if(found: Differences, label: str) -> None:
    if found:
        raise _Stop([f"{label}: {text}" for text in found])


def _reached(until: dict[str, Any], answer: _Answer) -> bool:
    for pointer, wanted in until.items():
        if pointer == "status_code":
            got: Any = answer.status
        else:
            try:
                got = at_pointer(answer.value, pointer)
            except (KeyError, IndexError, TypeError, ValueError):
                return False
        options = wanted if isinstance(wanted, list) else [wanted]
        if all(differences(option, got) for option in options):
            return False
    return True


def _body(step: dict[str, Any], variables: dict[str, str]) -> bytes | None:
    if "json" in step:
        return json.dumps(fill(step["json"], variables)).encode()
    if "text" in step:
        text: str = fill(step["text"], variables)
        return text.encode()
    if "hex" in step:
        return bytes.fromhex(step["hex"])
    if "generate" in step:
        return json.dumps({"tasks": _generated(step["generate"], variables)}).encode()
    return None


def _generated(spec: dict[str, Any], variables: dict[str, str]) -> list[Any]:
    """``count`` tasks from a template with ``{{i}}`` and ``{{prev}}``."""
    tasks = []
    for i in range(spec["count"]):
        template = spec["first"] if i == 0 and "first" in spec else spec["item"]
        tasks.append(fill(template, {**variables, "i": str(i), "prev": str(i - 1)}))
    return tasks


def closed_address() -> str:
    """A loopback address without a listener."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"
