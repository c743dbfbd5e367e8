"""Source paths: JMESPath expressions over a task as ExecGo returned it.

Three differences from JMESPath: ``from_json(@)`` reads text that holds JSON, a dotted numeric segment
(``runtime.output.files.0``) means an index (``[0]``), and ``to_string`` of null is null.

A model may have written the path, and a task the document. Evaluation is bounded in time and size,
because a short path can double a value many times.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import jmespath
from jmespath import exceptions, functions
from jmespath.visitor import TreeInterpreter

from pytest_execgo.errors import did_you_mean
from pytest_execgo.models.json_text import MAX_DEPTH, JsonProblem, decode_json
from pytest_execgo.system.clock import monotonic

LONGEST_PATH = 4096
SECONDS = 5.0
LARGEST_VALUE = 16 * 1024 * 1024
"""Of each value that a path makes, in bytes, about; a part that occurs twice counts twice."""
_LARGEST_SUM = 4 * LARGEST_VALUE
_SCALAR_BYTES = 32
_LIST_ITEM_BYTES = 8
_MEMBER_BYTES = 128
_ESCAPED_BYTES = 12

# Quoted parts stay as they are; numbers after a dot are replaced in the other parts.
_QUOTED = re.compile(r"""("(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*'|`(?:[^`\\]|\\.)*`)""")
_DOTTED_NUMBER = re.compile(r"\.(\d+)(?![\w])")


class PathError(ValueError):
    """A path that does not compile, or that cannot be applied to a document; the text says why."""


class NoJson(PathError):
    """``from_json`` was applied to a text that is not JSON. ``text`` is that text."""

    def __init__(self, message: str, text: str) -> None:
        super().__init__(message)
        self.text = text

    def of_task(self, task: str, path: str) -> str:
        """The same, about what a task printed if ``path`` reads that."""
        if "stdout" not in path and "stderr" not in path:
            return f"task {task}: {path}: {self}"
        if not self.text.strip():
            return f"task {task} printed nothing; expected JSON"
        return f"task {task} printed no JSON: {self}"


class _Functions(functions.Functions):
    @functions.signature({"types": ["string", "null"]})
    def _func_from_json(self, text: str | None) -> Any:
        if text is None:
            return None
        try:
            return decode_json(text)
        except JsonProblem as problem:
            shown = text if len(text) <= 60 else text[:57] + "..."
            raise NoJson(f"from_json: {problem}: {shown!r}", text) from None


_FUNCTIONS = _Functions()
_OPTIONS = jmespath.Options(custom_functions=_FUNCTIONS)


class _Bounded(TreeInterpreter):
    """Evaluates one path over one document; raises :class:`PathError` at a limit.

    Every value that is made is measured. Parts of values are shared, so each list and mapping is
    measured once: its size with all its parts, and its depth.
    """

    def __init__(self, document: Any) -> None:
        super().__init__(_OPTIONS)
        self._deadline = monotonic() + SECONDS
        self._measured: dict[int, tuple[int, int]] = {}
        # An id is only valid as long as its object exists.
        self._alive: list[Any] = []
        self._sum = 0
        self._measure(document, limit=False)
        self._sum = 0

    def visit(self, node: Any, *args: Any, **options: Any) -> Any:
        if monotonic() > self._deadline:
            raise PathError(f"the path takes more than {SECONDS:.0f} s")
        found = super().visit(node, *args, **options)
        size, _ = self._measure(found)
        if isinstance(found, str) and node["type"] == "function_expression":
            self._count(size)
        return found

    def visit_function_expression(self, node: Any, value: Any) -> Any:
        """Like the original, but arguments are checked that the function would multiply."""
        name, arguments = node["value"], [self.visit(child, value) for child in node["children"]]
        if name == "to_string":
            self._count(sum(_ESCAPED_BYTES * self._measure(one)[0] for one in arguments))
        elif name == "join" and len(arguments) == 2 and isinstance(arguments[1], list):
            separator, items = arguments
            self._count(len(items) * len(separator) if isinstance(separator, str) else 0)
        if name == "to_string" and arguments == [None]:
            # JMESPath makes the text "null" of it, so a missing value would look like one.
            return None
        return _FUNCTIONS.call_function(name, arguments)

    def _measure(self, value: Any, *, limit: bool = True) -> tuple[int, int]:
        """Size in bytes, about, and depth of a value."""
        if not isinstance(value, (list, dict)):
            return _SCALAR_BYTES + (len(value) if isinstance(value, str) else 0), 0
        if (known := self._measured.get(id(value))) is not None:
            return known
        items: Iterable[Any] = value
        own = _SCALAR_BYTES + _LIST_ITEM_BYTES * len(value)
        if isinstance(value, dict):
            items = value.values()
            own = _SCALAR_BYTES + sum(_MEMBER_BYTES + len(str(key)) for key in value)
        size, depth = own, 0
        for item in items:
            item_size, item_depth = self._measure(item, limit=limit)
            size, depth = size + item_size, max(depth, item_depth)
        depth += 1
        if limit and size > LARGEST_VALUE:
            raise PathError(f"the path makes a value of more than {LARGEST_VALUE} bytes")
        if limit and depth > MAX_DEPTH:
            raise PathError(f"the path makes a value with more than {MAX_DEPTH} levels")
        self._count(own, limit=limit)
        self._measured[id(value)] = size, depth
        self._alive.append(value)
        return size, depth

    def _count(self, size: int, *, limit: bool = True) -> None:
        """Add to the size of all values that were made."""
        self._sum += size
        if limit and self._sum > _LARGEST_SUM:
            raise PathError(f"the path makes values of more than {_LARGEST_SUM} bytes in all")


@lru_cache(maxsize=512)
def _compiled(path: str) -> Any:
    if len(path) > LONGEST_PATH:
        raise PathError(f"{path[:60]!r}... is longer than {LONGEST_PATH} characters")
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
    except RecursionError:
        raise PathError(f"{path[:60]!r}... is nested too deeply") from None


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

    Raises :class:`PathError`, also for a path that takes more than 5 s or makes too large a value.
    """
    compiled = _compiled(path)
    try:
        return _Bounded(document).visit(compiled.parsed, document)
    except exceptions.JMESPathTypeError as error:
        wanted = " or ".join(error.expected_types)
        got = f"{error.function_name}() takes {wanted}, got {error.actual_type}"
        raise PathError(f"{path}: {got}") from None
    except exceptions.JMESPathError as error:
        raise PathError(f"{path}: {' '.join(str(error).split())}") from None
    except NoJson:
        raise
    except PathError as error:
        raise PathError(f"{path}: {error}") from None
    except (ValueError, TypeError, ArithmeticError, RecursionError) as error:
        # Functions of JMESPath do not check every value, such as a step of 0 in a slice.
        raise PathError(f"{path}: {type(error).__name__}: {error}") from None
