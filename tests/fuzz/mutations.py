"""Hostile values, and small random changes of documents and bytes. All is drawn from a given generator,
so the same seed makes the same changes."""

from __future__ import annotations

import copy
from random import Random
from typing import Any

TIMES = (
    "2026-01-01T00:00:00Z", "2026-01-01", "2026-01-01T00:00:00", "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59.999999999-23:59", "9999-12-31T23:59:59Z", "", "now", "+10000-01-01T00:00:00Z",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    None, True, False, 0, -1, 1.5, 2**31, 2**63, -(2**64), 10**300, 1e308, "", "x", "\x00", "\ud800",
    "\x1b[2J", "\u2028::error::x", "</details><script>", "1", "success", "x" * 100_000, [], {}, [[]],
    [None] * 1000, {"": {}}, {"code": 1}, {"details": {"raw_error_code": []}}, "runtime submit returned",
    *TIMES,
)  # fmt: skip
"""JSON values, of every type and with unusual content."""
NAMES: tuple[str, ...] = (
    "", "x", "__class__", "\x1b[31mred", "\ud800", "a.b[0]", "on", "id", "kind", "n" * 5000, "a\nb",
    "\x85",
)  # fmt: skip


def changed(rng: Random, document: Any) -> Any:
    """A copy of a JSON document with one to three changes of members or items."""
    document = copy.deepcopy(document)
    for _ in range(rng.randint(1, 3)):
        _change(rng, document)
    return document


def _change(rng: Random, node: Any) -> None:
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        if not keys:
            return
        key = rng.choice(keys)
        inner = node[key]
        if isinstance(inner, (dict, list)) and inner and rng.random() < 0.7:
            node = inner
            continue
        how = rng.random() if isinstance(node, dict) else 1.0
        if how < 0.15:
            del node[key]
        elif how < 0.22:
            node[rng.choice(NAMES)] = node.pop(key)
        elif how < 0.27:
            node[rng.choice(NAMES)] = copy.deepcopy(rng.choice(VALUES))
        else:
            node[key] = copy.deepcopy(rng.choice(VALUES))
        return


def damaged(rng: Random, content: bytes) -> bytes:
    """``content`` with one to eight bytes, or parts of it, changed, removed or inserted."""
    found = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        where = rng.randrange(len(found) + 1)
        how = rng.randrange(3)
        if how == 0:
            found[where : where + 1] = bytes([rng.randrange(256)])
        elif how == 1:
            del found[where : where + rng.randint(1, 40)]
        else:
            found[where:where] = rng.randbytes(rng.randint(1, 20))
    return bytes(found)
