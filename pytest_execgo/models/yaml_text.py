"""Reads YAML that a person or another program wrote, within limits.

The result has the types of JSON, and in addition dates, times, infinities and NaN, which
:func:`pytest_execgo.models.document.parse` refuses with their key path.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import yaml

MAX_DEPTH = 200
MAX_VALUES = 200_000
"""Keys and values, each alias counted with everything that it repeats."""
_LONGEST_NUMBER = 308

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TEXT = "tag:yaml.org,2002:str"
_MERGE = "tag:yaml.org,2002:merge"
_INTEGER = "tag:yaml.org,2002:int"
_FLOAT = "tag:yaml.org,2002:float"
_VALUE = "tag:yaml.org,2002:value"


class YamlProblem(ValueError):
    """A text that is not YAML, or that is beyond the limits; the message is one short line.

    ``line`` and ``column`` count from 1; ``None`` if the place is unknown.
    """

    def __init__(self, problem: str, line: int | None = None, column: int | None = None) -> None:
        super().__init__(problem)
        self.line, self.column = line, column


def decode_yaml(text: str) -> Any:
    """The value of a YAML text with one document; ``None`` for an empty text.

    Keys are always text, as in JSON: ``on:`` is the key ``"on"``, not ``True``. Raises
    :class:`YamlProblem` for a repeated key, for a key that is a list or a mapping, for tags such as
    ``!!timestamp``, for an alias inside of its own anchor, for more than 200 levels, and for more than
    200,000 values.
    """
    try:
        _check_limits(text)
        return yaml.load(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _as_problem(error, text) from None


def compose_yaml(text: str) -> Any:
    """The node tree of a YAML text, with the line of each node; ``None`` for an empty text.

    Raises :class:`YamlProblem`, also for a text that is beyond the limits.
    """
    try:
        _check_limits(text)
        return yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        raise _as_problem(error, text) from None


class _Loader(_Base):  # type: ignore[misc]
    """Constructs values of a text that :func:`_check_limits` accepted."""

    def resolve(self, kind: Any, value: Any, implicit: Any) -> Any:
        tag = super().resolve(kind, value, implicit)
        # YAML 1.1 reads 10:30 as the number 630, and gives = a type that PyYAML does not know.
        return _TEXT if tag == _VALUE or (tag in (_INTEGER, _FLOAT) and ":" in value) else tag

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        for key, _ in node.value:
            if key.tag != _MERGE:
                key.tag = _TEXT
        return super().construct_mapping(node, deep)

    def construct_object(self, node: Any, deep: bool = False) -> Any:
        number = node.tag in (_INTEGER, _FLOAT)
        if number and len(node.value) > _LONGEST_NUMBER:
            raise _at(node.start_mark, f"a number of more than {_LONGEST_NUMBER} characters")
        try:
            return super().construct_object(node, deep)
        except YamlProblem:
            raise
        except (ValueError, OverflowError) as error:
            # For example a date such as 2026-99-99: it matches the pattern of dates.
            problem = f"{_short(node.value)} cannot be read ({error}); to write text, use quotes"
            raise _at(node.start_mark, problem) from None


@dataclass
class _Collection:
    """A list or mapping whose end was not read yet."""

    anchor: str | None
    mapping: bool
    keys: set[str] = field(default_factory=set)
    values_before: int = 0
    at_key: bool = True


def _check_limits(text: str) -> None:
    """Raise for tags, repeated keys, keys that are not text, depth and the number of values, before
    anything is built from ``text``."""
    open_: list[_Collection] = [_Collection(None, mapping=False)]
    sizes: dict[str, int | None] = {}
    documents = values = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.DocumentStartEvent):
            documents += 1
            if documents > 1:
                raise _at(event.start_mark, "a second document begins here, and a file has one")
        elif isinstance(event, yaml.CollectionEndEvent):
            done = open_.pop()
            if done.anchor is not None:
                sizes[done.anchor] = values - done.values_before
        elif isinstance(event, yaml.NodeEvent):
            _check_tag(event)
            _check_key(event, open_[-1])
            if isinstance(event, yaml.AliasEvent):
                values += _size_of_alias(event, sizes)
            elif isinstance(event, yaml.CollectionStartEvent):
                mapping = isinstance(event, yaml.MappingStartEvent)
                open_.append(_Collection(event.anchor, mapping, values_before=values))
            if not isinstance(event, yaml.AliasEvent):
                values += 1
                if event.anchor is not None:
                    sizes[event.anchor] = 1 if isinstance(event, yaml.ScalarEvent) else None
        if len(open_) > MAX_DEPTH + 1:
            raise _at(event.start_mark, f"more than {MAX_DEPTH} levels")
        if values > MAX_VALUES:
            raise _at(event.start_mark, f"more than {MAX_VALUES} values, with aliases repeated")


def _check_tag(event: yaml.NodeEvent) -> None:
    tag = getattr(event, "tag", None)
    allowed = (None, "!", _TEXT) if isinstance(event, yaml.ScalarEvent) else (None, "!")
    if tag not in allowed:
        shown = str(tag).replace("tag:yaml.org,2002:", "!!")
        raise _at(event.start_mark, f"the tag {_short(shown)} is not allowed; leave it out")


def _check_key(event: yaml.NodeEvent, outer: _Collection) -> None:
    """Raise if ``event`` begins a key of ``outer`` that is not text, or that ``outer`` has already."""
    if not outer.mapping:
        return
    outer.at_key = not outer.at_key
    if outer.at_key:
        return
    if not isinstance(event, yaml.ScalarEvent):
        raise _at(event.start_mark, "a key must be text, not a list, a mapping or an alias")
    merge = event.value == "<<" and event.implicit[0]
    if event.value in outer.keys and not merge:
        raise _at(event.start_mark, f"the key {_short(event.value)} is given twice")
    outer.keys.add(event.value)


def _size_of_alias(event: yaml.AliasEvent, sizes: dict[str, int | None]) -> int:
    anchor = str(event.anchor)
    size = sizes.get(anchor, 1)
    if size is None:
        problem = f"the alias {_short(anchor)} is inside of its own anchor"
        raise _at(event.start_mark, problem)
    return size


def _at(mark: Any, problem: str) -> YamlProblem:
    return YamlProblem(problem, mark.line + 1, mark.column + 1)


def _as_problem(error: yaml.YAMLError, text: str) -> YamlProblem:
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        code = error.character if isinstance(error.character, int) else ord(error.character)
        return YamlProblem(f"the character #x{code:04x} is not allowed", line)
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        lines = text.split("\n")[error.problem_mark.line : error.problem_mark.line + 1]
        if lines and lines[0][error.problem_mark.column :].startswith("\t"):
            return _at(error.problem_mark, "a tab; YAML indents with spaces")
        return _at(error.problem_mark, error.problem or "cannot be read")
    return YamlProblem(" ".join(str(error).split()))


def _short(text: str) -> str:
    shown = repr(text)
    return shown if len(shown) <= 80 else shown[:77] + "..."
