"""Compares an answer with a recorded one, in which volatile parts are placeholders (``$type``)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

Differences = list[str]

_PATTERNS = {
    "timestamp": r"(?!0001-)\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?(Z|[+-]\d\d:\d\d)",
    "trace_id": r"[0-9a-f]{16}",
    "mcp_handle": r"mcp-\d{10,}",
    "adapter_id": r"adapter-\d{10,}",
    "uptime": r"(\d+h)?(\d+m)?\d+s",
}
_VARIABLE = re.compile(r"\{\{([a-z_0-9]+)(?::(\d+))?\}\}")


def fill(value: Any, variables: dict[str, str]) -> Any:
    """``value`` with ``{{name}}``, ``{{pad:N}}`` and ``{{nest:N}}`` replaced in all texts and keys."""
    if isinstance(value, str):
        return _VARIABLE.sub(lambda found: _variable(found, variables), value)
    if isinstance(value, list):
        return [fill(item, variables) for item in value]
    if isinstance(value, dict):
        return {fill(name, variables): fill(item, variables) for name, item in value.items()}
    return value


def _variable(found: re.Match[str], variables: dict[str, str]) -> str:
    name, count = found.group(1), int(found.group(2) or 0)
    if name == "pad":
        return "x" * count
    if name == "nest":
        return "[" * count + "]" * count
    return variables[name]


def differences(expected: Any, got: Any, where: str = "$") -> Differences:
    """One text for each difference; empty if the values match."""
    if isinstance(expected, dict) and "$type" in expected:
        return _typed(expected, got, where)
    if isinstance(expected, dict):
        return _object(expected, got, where, exact=True)
    if isinstance(expected, list):
        if not isinstance(got, list):
            return [f"{where}: expected a list, got {_show(got)}"]
        if len(got) != len(expected):
            return [f"{where}: expected {len(expected)} items, got {len(got)}: {_show(got)}"]
        pairs = enumerate(zip(expected, got, strict=True))
        return [text for i, (e, g) in pairs for text in differences(e, g, f"{where}[{i}]")]
    same = expected == got and isinstance(expected, bool) == isinstance(got, bool)
    return [] if same else [f"{where}: expected {_show(expected)}, got {_show(got)}"]


def _object(expected: dict[str, Any], got: Any, where: str, *, exact: bool) -> Differences:
    if not isinstance(got, dict):
        return [f"{where}: expected an object, got {_show(got)}"]
    found = []
    for name, want in expected.items():
        optional = isinstance(want, dict) and want.get("$type") == "optional"
        if name in got:
            found += differences(want, got[name], f"{where}.{name}")
        elif not optional:
            found.append(f"{where}.{name}: missing")
    if exact:
        extra = [name for name in got if name not in expected]
        found += [f"{where}.{name}: unexpected, {_show(got[name])}" for name in extra]
    return found


def _typed(spec: dict[str, Any], got: Any, where: str) -> Differences:
    kind = spec["$type"]
    if kind in _PATTERNS:
        fits = isinstance(got, str) and re.fullmatch(_PATTERNS[kind], got)
        return [] if fits else [f"{where}: expected a {kind}, got {_show(got)}"]
    return _KINDS[kind](spec, got, where)


def _string(spec: dict[str, Any], got: Any, where: str) -> Differences:
    fits = (
        isinstance(got, str)
        and re.fullmatch(spec.get("pattern", ".*"), got, re.DOTALL)
        and len(got) == spec.get("length", len(got))
    )
    return [] if fits else [f"{where}: expected {_show(spec)}, got {_show(got)}"]


def _number(spec: dict[str, Any], got: Any, where: str) -> Differences:
    types = (int,) if spec["$type"] == "int" else (int, float)
    fits = (
        isinstance(got, types)
        and not isinstance(got, bool)
        and spec.get("min", got) <= got <= spec.get("max", got)
    )
    return [] if fits else [f"{where}: expected {_show(spec)}, got {_show(got)}"]


def _oneof(spec: dict[str, Any], got: Any, where: str) -> Differences:
    if any(not differences(option, got, where) for option in spec["values"]):
        return []
    return [f"{where}: {_show(got)} is not one of {_show(spec['values'])}"]


def _unordered(spec: dict[str, Any], got: Any, where: str) -> Differences:
    if not isinstance(got, list):
        return [f"{where}: expected a list, got {_show(got)}"]
    left = list(got)
    found = []
    for want in spec["items"]:
        fitting = [i for i, item in enumerate(left) if not differences(want, item)]
        if fitting:
            del left[fitting[0]]
        else:
            found.append(f"{where}: no item matches {_show(want)}")
    return found + [f"{where}: unexpected item {_show(item)}" for item in left]


def _array(spec: dict[str, Any], got: Any, where: str) -> Differences:
    if not isinstance(got, list):
        return [f"{where}: expected a list, got {_show(got)}"]
    found = []
    if len(got) != spec.get("length", len(got)) or len(got) < spec.get("min_length", 0):
        found.append(f"{where}: {len(got)} items, expected {_show(spec)}")
    if "each" in spec:
        for i, item in enumerate(got):
            found += differences(spec["each"], item, f"{where}[{i}]")
    for want in spec.get("contains", []):
        if all(differences(want, item) for item in got):
            found.append(f"{where}: no item matches {_show(want)}")
    return found


_KINDS: dict[str, Callable[[dict[str, Any], Any, str], Differences]] = {
    "any": lambda spec, got, where: [],
    "optional": lambda spec, got, where: differences(spec["of"], got, where),
    "oneof": _oneof,
    "string": _string,
    "int": _number,
    "number": _number,
    "superset": lambda spec, got, where: _object(spec["of"], got, where, exact=False),
    "unordered": _unordered,
    "array": _array,
}


def at_pointer(document: Any, pointer: str) -> Any:
    """The value at ``/a/0/b``; raises ``KeyError``, ``IndexError``, ``TypeError`` or ``ValueError``."""
    for part in filter(None, pointer.split("/")):
        document = document[int(part)] if isinstance(document, list) else document[part]
    return document


def _show(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False, default=str)
    return text if len(text) <= 300 else text[:297] + "..."
