"""Reads ``trace.json``."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any


def lanes(document: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    events = document["traceEvents"]
    names = {e["tid"]: e["args"]["name"] for e in events if e["name"] == "thread_name"}
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names.values()}
    for event in events:
        if event["ph"] == "X":
            found[names[event["tid"]]].append(event)
    return found


def check(document: dict[str, Any]) -> None:
    """It is JSON, its slices are ordered, and those of a lane do not overlap."""
    assert json.loads(json.dumps(document)) == document
    slices = [event for event in document["traceEvents"] if event["ph"] == "X"]
    assert [one["ts"] for one in slices] == sorted(one["ts"] for one in slices)
    for members in lanes(document).values():
        assert all(one["ts"] + one["dur"] <= other["ts"] for one, other in pairwise(members))
