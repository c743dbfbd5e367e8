"""The shape of a submission: which members there are, of which type, and which may be null.

A member with a default may be absent, but not null; only optional ones may be null, as in the real
runtime. Unknown members are ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

_LARGEST = 2**64 - 1


class ShapeError(Exception):
    """A body of the wrong shape; the answer is 422 with plain text, as from the real runtime."""


@dataclass(frozen=True)
class Member:
    """One member: ``kind`` is a type of Python, the allowed words, or the members of an object. With
    ``of``, it is a list or a map of that type."""

    kind: Any
    of: type | None = None
    nullable: bool = False
    required: bool = False


def _optional(kind: Any, of: type | None = None) -> Member:
    return Member(kind, of, nullable=True)


_NAMESPACES = {name: Member(bool) for name in ("mount", "pid", "uts", "ipc", "net")}
SUBMISSION: Mapping[str, Member] = {
    "task_id": _optional(str),
    "execution": Member(
        {
            "kind": Member(("command", "script"), required=True),
            "program": _optional(str),
            "args": Member(list, str),
            "script": _optional(str),
            "interpreter": _optional(list, str),
            "env": Member(dict, str),
        },
        required=True,
    ),
    "limits": Member(
        {
            "wall_time_ms": Member(int),
            "cpu_time_sec": _optional(int),
            "memory_bytes": _optional(int),
            "pids_max": _optional(int),
            "stdout_max_bytes": Member(int),
            "stderr_max_bytes": Member(int),
        }
    ),
    "sandbox": Member(
        {
            "profile": Member(("process", "linux_sandbox")),
            "workspace_subdir": _optional(str),
            "rootfs": _optional(str),
            "chroot": Member(bool),
            "namespaces": _optional(_NAMESPACES),
        }
    ),
    "policy": _optional({"capability_mode": Member(("adaptive", "strict"))}),
    "control_context": _optional(
        {
            "control_plane_mode": _optional(str),
            "tenant": _optional(str),
            "owner": _optional(str),
            "expected_runtime_profile": _optional(str),
            "requires_strict_sandbox": Member(bool),
            "requires_resource_reservation": Member(bool),
            "labels": Member(dict, str),
        }
    ),
    "metadata": Member(dict, str),
}


def check(body: Any, members: Mapping[str, Member] = SUBMISSION, where: str = "") -> None:
    """Raise :class:`ShapeError` unless ``body`` is an object with these members; ``ValueError`` for a
    value that is not a word where a word is expected."""
    if not isinstance(body, dict):
        place = f"{where.removesuffix('.')}: " if where else ""
        raise ShapeError(f"{place}invalid type: {_name(body)}, expected an object")
    for name, member in members.items():
        if name in body:
            _check_member(body[name], member, f"{where}{name}")
        elif member.required:
            raise ShapeError(f"{where}missing field `{name}`")


def _check_member(value: Any, member: Member, where: str) -> None:
    if value is None and member.nullable:
        return
    if isinstance(member.kind, Mapping):
        check(value, member.kind, f"{where}.")
    elif isinstance(member.kind, tuple):
        if isinstance(value, dict) and len(value) == 1:
            raise ShapeError(f"{where}: unknown variant `{next(iter(value))}`")
        if not isinstance(value, str):
            # The real runtime takes this for a mistake in the JSON text.
            raise ValueError(f"{where}: expected value")
        if value not in member.kind:
            names = " or ".join(f"`{word}`" for word in member.kind)
            raise ShapeError(f"{where}: unknown variant `{value}`, expected {names}")
    else:
        _check_type(value, member.kind, where)
        inner = value.values() if isinstance(value, dict) else value
        for item in inner if member.of else ():
            _check_type(item, member.of, where)


def _check_type(value: Any, kind: Any, where: str) -> None:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise ShapeError(f"{where}: invalid type: {_name(value)}, expected {kind.__name__}")
    if kind is int and not 0 <= value <= _LARGEST:
        raise ShapeError(f"{where}: invalid value: integer `{value}`, expected u64")


def _name(value: Any) -> str:
    return "null" if value is None else type(value).__name__
