"""Whether a value that a task wrote conforms to a JSON Schema, bounded in time and memory.

Several keywords can take years: regular expressions in ``pattern`` and ``patternProperties``, references
that multiply, ``uniqueItems`` over a long list. jsonschema has no limits, and matches expressions in
several places that cannot be replaced. So a schema with such a keyword, or a large value, is evaluated
in a child process that can be ended.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import threading
from dataclasses import dataclass
from typing import Any

from pytest_execgo.scenario import schema_process
from pytest_execgo.scenario.matching import MatchProblem
from pytest_execgo.system import child

SECONDS = 5.0
"""For one value and one schema."""
_SLOW = {
    "pattern",
    "patternProperties",
    "$ref",
    "$dynamicRef",
    "$recursiveRef",
    "uniqueItems",
    "unevaluatedItems",
    "unevaluatedProperties",
}
_SMALL = 1_000_000
"""Lengths of schema and value as JSON, multiplied: one part of the schema may apply to each item."""
_NEEDS = (
    "jsonschema",
    "jsonschema_specifications",
    "referencing",
    "rpds",
    "attr",
    "attrs",
    "typing_extensions",
)
# Python may need them to start.
_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


@dataclass(frozen=True)
class Nonconformity:
    """The error of a value that says most: where in the value (``$.a[0]``), and what is wrong."""

    path: str
    message: str


class SchemaFailure(ValueError):
    """A schema that jsonschema cannot use, such as one with a reference to nothing."""


def nonconformity(schema: Any, value: Any) -> Nonconformity | None:
    """What is wrong with ``value``; ``None`` if it conforms.

    Raises :class:`MatchProblem` if that takes too much time or memory, and :class:`SchemaFailure`.
    """
    if is_fast(schema, value):
        answer = schema_process.evaluated(schema, value)
    else:
        answer = _asked(json.dumps([schema, value]).encode())
    if "raised" in answer:
        raise SchemaFailure(answer["raised"])
    return Nonconformity(**answer) if answer else None


def is_fast(schema: Any, value: Any) -> bool:
    """Whether the evaluation certainly takes little time."""
    if len(json.dumps(schema)) * len(json.dumps(value)) > _SMALL:
        return False
    return not _has_slow_keyword(schema)


def _has_slow_keyword(schema: Any) -> bool:
    """Whether one is in the schema, at any depth. The name of a property counts, too."""
    if isinstance(schema, dict):
        return bool(_SLOW & schema.keys()) or any(map(_has_slow_keyword, schema.values()))
    return isinstance(schema, list) and any(map(_has_slow_keyword, schema))


def _asked(question: bytes) -> dict[str, str]:
    command = child.of_module(schema_process.__name__, str(int(SECONDS) + 1), needs=_NEEDS)
    environment = {k: os.environ[k] for k in _VARIABLES if k in os.environ}
    process = child.start(
        command, environment=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    late = threading.Event()

    def end() -> None:
        late.set()
        process.kill()

    # Not communicate(timeout=…): where a test froze the time, it would never end.
    limit = threading.Timer(SECONDS, end)
    limit.daemon = True
    limit.start()
    try:
        text, _ = process.communicate(question)
    finally:
        limit.cancel()
        process.kill()
    if process.returncode == 0:
        answer: dict[str, str] = json.loads(text)
        return answer
    if late.is_set() or process.returncode == -signal.SIGXCPU:
        raise MatchProblem(
            f"checking it takes more than {SECONDS:g} s; avoid repetitions inside repetitions in "
            "regular expressions, such as (a+)+, references that multiply, and uniqueItems "
            "for long lists"
        )
    if process.returncode == schema_process.NO_MEMORY or process.returncode < 0:
        raise MatchProblem("checking it failed: it needs too much memory")
    raise SchemaFailure(f"the process that checks it ended with status {process.returncode}")
