"""What the machine lacked when something failed: space, files, memory."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.models.cause import Layer
from pytest_execgo.models.events import MachineSeen
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion
from pytest_execgo.verdict.wording import LAYERS

# Less than one block of a file system.
_NO_SPACE_BYTES = 4096


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    looks = evidence.of(MachineSeen)
    for look in [look for look in looks if look.when == "failure"]:
        start = looks[0]
        yield from _folders(start, look)
        yield from _processes(look)
        killed = evidence.was_killed() and None not in (start.oom_kills, look.oom_kills)
        if killed and (look.oom_kills or 0) > (start.oom_kills or 0):
            text = "the kernel killed a process because memory ran out"
            yield _suspicion(look, "unknown", "out_of_memory", text)


def _folders(start: MachineSeen, look: MachineSeen) -> Iterator[Suspicion]:
    for name, now in look.folders.items():
        before = start.folders.get(name)
        if before is None:
            continue
        if before.writable and not now.writable:
            text = f"the file system of {name} became read-only"
            yield _suspicion(look, "unknown", "read_only", text)
        if now.free_bytes < _NO_SPACE_BYTES <= before.free_bytes or (
            now.free_inodes == 0 and before.free_inodes
        ):
            yield _suspicion(look, "unknown", "no_space", f"the file system of {name} became full")


def _processes(look: MachineSeen) -> Iterator[Suspicion]:
    for service, now in look.processes.items():
        limit = now.descriptor_limit
        if limit is not None and now.descriptors >= limit - 1:
            text = f"{service} had {now.descriptors} files open and may have {limit}"
            yield _suspicion(look, LAYERS[service], "too_many_files", text, service)


def _suspicion(
    look: MachineSeen, layer: Layer, code: str, text: str, service: str = ""
) -> Suspicion:
    notes = frozenset({"machine"} if layer == "unknown" else ())
    return Suspicion(
        layer, code, "possible", (look.event_id,), text, look.at_ms, service=service, notes=notes
    )


RULE = Rule(
    "machine",
    {
        "unknown": ("out_of_memory", "read_only", "no_space"),
        "engine": ("too_many_files",),
        "runtime": ("too_many_files",),
        "fixture": ("too_many_files",),
    },
    _suspect,
)
