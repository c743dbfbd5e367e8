"""Source paths: JMESPath expressions over a task as ExecGo returned it.

Two additions to JMESPath: ``from_json(@)`` reads text that holds JSON, and a dotted numeric segment
(``runtime.output.files.0``) means an index (``[0]``).
"""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import Any

import jmespath
from jmespath import exceptions, functions

from pytest_execgo.errors import did_you_mean

# Quoted parts stay as they are; numbers after a dot are replaced in the other parts.
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`)""")
_DOTTED_NUMBER = re.compile(r"\.(\d+)(?![\w])")


class PathError(ValueError):
    """A path that does not compile, or that cannot be applied to a document; the text says why."""


class _Functions(functions.Functions):
    @functions.signature({"types": ["string", "null"]})
    def _func_from_json(self, text: str | None) -> Any:
        if text is None:
            return None
        try:
            return json.loads(text)
        except ValueError as error:
            shown = text if len(text) <= 60 else text[:57] + "..."
            raise PathError(f"from_json: not JSON ({error}): {shown!r}") from None


_FUNCTIONS = _Functions()
_OPTIONS = jmespath.Options(custom_functions=_FUNCTIONS)


@lru_cache(maxsize=512)
def _compiled(path: str) -> Any:
    parts = _QUOTED.split(path)
    plain = "".join(
        part if i % 2 else _DOTTED_NUMBER.sub(r"[\1]", part) for i, part in enumerate(parts)
    )
    try:
        compiled = jmespath.compile(plain)
        _check_functions(path, compiled.parsed)
        return compiled
    except exceptions.JMESPathError as error:
        reason = " ".join(str(error).splitlines()[0].split())
        raise PathError(f"{path!r} is not a JMESPath expression: {reason}") from None


def _check_functions(path: str, node: Any) -> None:
    """Raise :class:`PathError` for an unknown function, which JMESPath reports only when it is
    called."""
    known = _FUNCTIONS.FUNCTION_TABLE
    if node["type"] == "function_expression" and node["value"] not in known:
        hint = did_you_mean(node["value"], known)
        raise PathError(f"{path!r}: unknown function {node['value']!r}{hint}")
    for child in node["children"]:
        if isinstance(child, dict):
            _check_functions(path, child)


def check_path(path: str) -> str:
    """Return ``path`` if it compiles, else raise :class:`PathError`."""
    _compiled(path)
    return path


def search(path: str, document: Any) -> Any:
    """The value at ``path``; ``None`` if it is null or missing, which JMESPath does not tell apart.

    Raises :class:`PathError`.
    """
    try:
        return _compiled(path).search(document, options=_OPTIONS)
    except exceptions.JMESPathError as error:
        raise PathError(f"{path}: {' '.join(str(error).split())}") from None
