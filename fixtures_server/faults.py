"""Faults of the fixtures server: their effects on answers, and the armed faults."""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pytest_execgo.emulators.httpd import Response


def error(response: Response, params: dict[str, Any]) -> Response:
    """Replace the answer by an error status, ``params["status"]`` (503)."""
    status = int(params.get("status", 503))
    body = json.dumps({"error": f"fixture fault: status {status}"}).encode()
    return replace(response, status=status, body=body, content_type="application/json")


def latency(response: Response, params: dict[str, Any]) -> Response:
    """Delay the answer by ``params["delay_ms"]`` (800)."""
    time.sleep(float(params.get("delay_ms", 800)) / 1000)
    return response


def garbage(response: Response, params: dict[str, Any]) -> Response:
    """Replace the body by bytes that are neither JSON nor UTF-8, with status 200."""
    return replace(response, status=200, body=b"\xff\xfe<html>" + bytes(range(128, 192)))


def wrong_value(response: Response, params: dict[str, Any]) -> Response:
    """Change every text and number of JSON, and keep its shape. Other text is changed as one text, and
    content that is not text byte by byte."""
    try:
        text = response.body.decode()
    except UnicodeDecodeError:
        return replace(response, body=bytes(byte ^ 1 for byte in response.body))
    try:
        false = json.dumps(_falsified(json.loads(text)))
    except ValueError:
        false = _falsified(text)
    return replace(response, body=false.encode())


def _falsified(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _falsified(found) for key, found in value.items()}
    if isinstance(value, list):
        return [_falsified(found) for found in value]
    if isinstance(value, str):
        # With other digits a version remains a version; a text without digits gets a prefix.
        changed = "".join(str((int(c) + 1) % 10) if c in "0123456789" else c for c in value)
        return changed if changed != value else f"not {value}"
    if isinstance(value, bool) or value is None:
        return value
    return value + 1


EFFECTS: dict[str, Callable[[Response, dict[str, Any]], Response]] = {
    "error": error,
    "latency": latency,
    "garbage": garbage,
    "wrong_value": wrong_value,
}


@dataclass
class ArmedFault:
    """One fault of a scope (a trial). ``times`` 0 means every matching request.

    ``first_injected_at`` is in seconds since the epoch.
    """

    fault_id: str
    scope: str
    effect: str
    params: dict[str, Any] = field(default_factory=dict)
    path_prefix: str = "/"
    times: int = 0
    injections: int = 0
    first_injected_at: float | None = None

    def as_json(self) -> dict[str, Any]:
        """The fault in answers of the control plane."""
        return dict(vars(self))


_TYPES = {"scope": str, "effect": str, "params": dict, "path_prefix": str, "times": int}


class FaultBook:
    """All armed faults; safe to use from many threads. With a ``path`` they survive a restart."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._faults: dict[str, ArmedFault] = {}
        self._count = 0
        if path and path.exists():
            book = json.loads(path.read_text(encoding="utf-8"))
            self._count = book["count"]
            self._faults = {name: ArmedFault(**fault) for name, fault in book["faults"].items()}

    def arm(self, wanted: dict[str, Any]) -> ArmedFault:
        """Add a fault; raises ``ValueError`` for an unknown effect or member."""
        if not isinstance(wanted, dict):
            raise ValueError("expected an object")
        for name in wanted:
            if name not in _TYPES:
                raise ValueError(f"unknown member {name!r} (allowed: {', '.join(_TYPES)})")
        for name, kind in _TYPES.items():
            if name in wanted and type(wanted[name]) is not kind:
                raise ValueError(f"{name} must be of type {kind.__name__}, got {wanted[name]!r}")
        if wanted.get("effect") not in EFFECTS:
            raise ValueError(
                f"unknown effect {wanted.get('effect')!r} (allowed: {', '.join(sorted(EFFECTS))})"
            )
        with self._lock:
            self._count += 1
            try:
                fault = ArmedFault(fault_id=f"f{self._count}", **wanted)
            except TypeError as problem:
                raise ValueError(str(problem)) from None
            self._faults[fault.fault_id] = fault
            self._save()
            return fault

    def all(self) -> list[ArmedFault]:
        """The faults that are armed now."""
        with self._lock:
            return list(self._faults.values())

    def get(self, fault_id: str) -> ArmedFault | None:
        """The fault with this id, or ``None``."""
        return self._faults.get(fault_id)

    def disarm(self, fault_id: str) -> ArmedFault | None:
        """Remove a fault; returns it with its number of injections, or ``None``."""
        with self._lock:
            fault = self._faults.pop(fault_id, None)
            if fault:
                self._save()
            return fault

    def apply(self, scope: str, path: str, response: Response, at: float) -> Response:
        """The answer after all matching faults, whose injections are counted.

        ``at``: the time of the request, in seconds since the epoch.
        """
        affected = []
        with self._lock:
            for fault in self._faults.values():
                spent = fault.times and fault.injections >= fault.times
                if fault.scope != scope or not path.startswith(fault.path_prefix) or spent:
                    continue
                fault.injections += 1
                fault.first_injected_at = fault.first_injected_at or at
                affected.append(fault)
            if affected:
                self._save()
        # Outside the lock, so that a delayed answer does not delay the others.
        for fault in affected:
            response = EFFECTS[fault.effect](response, fault.params)
        return response

    def _save(self) -> None:
        if self._path is None:
            return
        faults = {name: fault.as_json() for name, fault in self._faults.items()}
        temporary = self._path.with_suffix(".tmp")
        temporary.write_text(json.dumps({"count": self._count, "faults": faults}), encoding="utf-8")
        os.replace(temporary, self._path)
