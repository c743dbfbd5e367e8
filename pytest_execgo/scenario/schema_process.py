"""Reads a JSON Schema and a value from standard input, and writes what is wrong with the value.

:mod:`pytest_execgo.scenario.conformity` starts this module. Input is the JSON list ``[schema, value]``.
Output is one JSON object: ``{}`` if the value conforms, ``{"path": …, "message": …}`` for the error that
says most, or ``{"raised": …}`` if the schema cannot be used.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import jsonschema
import referencing

NO_MEMORY = 3
"""Exit status of this process if the memory that it may use is not enough."""
LONGEST_MESSAGE = 300
"""Of an error, in characters. Messages of jsonschema repeat the value, which may be long."""


def evaluated(schema: Any, value: Any) -> dict[str, str]:
    """The object to write, for one schema and one value."""
    try:
        # Without a registry, jsonschema loads other documents over the network.
        known = referencing.Registry()
        validator = jsonschema.validators.validator_for(schema)(schema, registry=known)
        error = jsonschema.exceptions.best_match(validator.iter_errors(value))
    except MemoryError:
        raise
    except Exception as problem:
        return {"raised": f"{type(problem).__name__}: {problem}"[:LONGEST_MESSAGE]}
    if error is None:
        return {}
    return {"path": error.json_path, "message": error.message[:LONGEST_MESSAGE]}


def _limit(seconds: int) -> None:
    """Also a process whose parent was killed ends."""
    try:
        import resource

        resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
        resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
    except (ImportError, ValueError, OSError):
        pass


if __name__ == "__main__":
    _limit(int(sys.argv[1]))
    try:
        print(json.dumps(evaluated(*json.load(sys.stdin))))
    except MemoryError:
        sys.exit(NO_MEMORY)
