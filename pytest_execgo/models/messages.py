"""Validation errors as one line, with key path and line number."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypeAlias, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from pytest_execgo.errors import UsageError, choice
from pytest_execgo.models.safe_text import one_line
from pytest_execgo.models.yaml_text import YamlProblem, compose_yaml

_LONGEST_TEXT = 4_000_000
_WORDS = {
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number",
    "float_parsing": "must be a number",
    "finite_number": "must be a finite number",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "list_type": "must be a list",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "timezone_aware": "needs a time zone",
    "greater_than_equal": "must be at least {ge}",
    "greater_than": "must be more than {gt}",
    "less_than_equal": "must be at most {le}",
    "less_than": "must be less than {lt}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "needs at least {min_length} items",
    "too_long": "must have at most {max_length} items",
}
"""What a value must be, by pydantic's name of the error and with the members of its context."""
_PATTERNS = {
    "^[a-z0-9_]+$": "may only have lower-case letters, digits and '_'",
    "^[a-z0-9]+(-[a-z0-9]+)*$": "may only have lower-case letters and digits, in words joined by '-'",
    "^[0-9]+/[0-9]+$": "must be i/n, such as 2/4",
    "^[0-9a-f]{64}$": "must be a SHA-256 digest, 64 hexadecimal digits in lower case",
    r"^[A-Za-z_]\w*:[A-Za-z_]\w*$": "must be module:function, such as checks:greets_everybody",
    "^[A-Za-z_][A-Za-z0-9_]*$": "must be the name of a variable: letters, digits and '_'",
}
"""What a text must be, by the regular expression that it does not match."""


Keys: TypeAlias = Sequence[str | int]
"""The keys and indexes that lead to a place in a document."""


@dataclass(frozen=True)
class Source:
    """Where a document comes from, for messages: its name, its text if lines are to be shown, and the
    keys that lead to it if it is a part of that text."""

    name: str
    text: str | None = None
    within: tuple[str | int, ...] = ()

    def part(self, *keys: str | int) -> Source:
        """The part of the document at ``keys``."""
        return Source(self.name, self.text, (*self.within, *keys))

    def line(self, message: str, keys: Keys = ()) -> str:
        """One line about the place at ``keys``: the file, the line in it, the key path, the message."""
        place = [*self.within, *keys]
        number = line_of(self.text, place)
        path = f" {key_path(place)}:" if place else ""
        return one_line(f"{self.name}{f':{number}' if number and place else ''}:{path} {message}")

    def mistake(self, message: str, keys: Keys = ()) -> UsageError:
        """The error for a mistake of the user at ``keys``."""
        return UsageError(self.line(message, keys))


def explain(error: ValidationError, model: type[BaseModel], source: Source) -> str:
    """Turn the first validation error into one line; the others are counted."""
    found = list(mistakes(error, model))
    keys, message = found[0]
    more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return source.line(f"{message}{more}", keys or ["(top level)"])


def mistakes(error: ValidationError, model: type[BaseModel]) -> Iterator[tuple[Keys, str]]:
    """Each validation error: the keys that lead to its place, and what is wrong there.

    Unknown keys come first: a misspelt key is often the reason why another key is missing.
    """
    errors = error.errors(include_url=False)
    for one in sorted(errors, key=lambda e: e["type"] != "extra_forbidden"):
        keys, owner = _locate(model, one["loc"])
        if one["type"] in ("union_tag_invalid", "union_tag_not_found"):
            keys.append(str(one.get("ctx", {}).get("discriminator", "")).strip("'"))
        yield keys, _message(dict(one), keys, owner)


def _message(found: dict[str, Any], keys: Keys, owner: type[BaseModel] | None) -> str:
    kind, context = found["type"], found.get("ctx", {})
    if kind == "extra_forbidden":
        return "unknown key" + choice(str(keys[-1]), _keys_of(owner) if owner else [])
    if kind in ("missing", "union_tag_not_found"):
        return "this key is required"
    if kind == "union_tag_invalid":
        tag = str(context.get("tag"))
        allowed = [name.strip(" '") for name in str(context.get("expected_tags", "")).split(",")]
        return f"unknown {keys[-1]} {show(tag)}{choice(tag, allowed)}"
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        got = found["input"]
        return f"got {show(got)}{choice(got if isinstance(got, str) else '', allowed)}"
    if kind == "value_error":
        return str(found["msg"]).removeprefix("Value error, ")
    text = _PATTERNS.get(context.get("pattern", "")) or _WORDS.get(kind, "").format_map(context)
    return f"{text or found['msg']}, got {show(found['input'])}"


def key_path(keys: Keys) -> str:
    """``['checks', 0, 'path']`` as ``checks[0].path``."""
    out = ""
    for key in keys:
        out += f"[{key}]" if isinstance(key, int) else (f".{key}" if out else str(key))
    return out or "(top level)"


def split_path(path: str) -> list[str | int]:
    """The inverse of :func:`key_path`."""
    parts = re.findall(r"\[(\d+)\]|([^.\[\]]+)", path)
    return [int(index) if index else name for index, name in parts]


def show(value: Any) -> str:
    """``repr`` of a value, cut to eighty characters."""
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _keys_of(model: type[BaseModel]) -> list[str]:
    return [field.alias or name for name, field in model.model_fields.items()]


def _locate(
    model: type[BaseModel], loc: Sequence[str | int]
) -> tuple[list[str | int], type[BaseModel] | None]:
    """Split pydantic's location into document keys (tags of unions left out) and the owning model."""
    keys: list[str | int] = []
    kinds: list[Any] = [model]
    owner: type[BaseModel] | None = model
    for part in loc:
        tagged = [kind for kind in kinds if _is_model(kind) and part in _tags(kind)]
        if len(kinds) > 1 and tagged:
            kinds = tagged
            continue
        owner = next((kind for kind in kinds if _is_model(kind)), None)
        keys.append(part)
        kinds = [inner for kind in kinds for inner in _step(kind, part)]
    return keys, owner


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def _tags(model: type[BaseModel]) -> list[Any]:
    tags: list[Any] = []
    for field in model.model_fields.values():
        if get_origin(field.annotation) is Literal:
            tags += get_args(field.annotation)
    return tags


def _step(kind: Any, part: str | int) -> list[Any]:
    """The possible types one key below ``kind``."""
    if _is_model(kind):
        for name, field in kind.model_fields.items():
            if part in (name, field.alias):
                return _members(field.annotation)
        return []
    if isinstance(part, int) and get_origin(kind) in (list, tuple):
        return _members(get_args(kind)[0])
    if get_origin(kind) is dict:
        return _members(get_args(kind)[1])
    return []


def _members(annotation: Any) -> list[Any]:
    origin = get_origin(annotation)
    if origin is Annotated:
        return _members(get_args(annotation)[0])
    if isinstance(annotation, typing.TypeAliasType) if hasattr(typing, "TypeAliasType") else False:
        return _members(annotation.__value__)
    if origin in (Union, types.UnionType):
        return [member for arg in get_args(annotation) for member in _members(arg)]
    return [annotation]


def line_of(text: str | None, keys: Keys) -> str:
    """The line (from 1) of the deepest key of ``keys`` that the YAML ``text`` has; empty without a
    text, and for one of more than 4 million characters."""
    if text is None or len(text) > _LONGEST_TEXT:
        return ""
    try:
        node = compose_yaml(text)
    except YamlProblem:
        return ""
    if node is None:
        return ""
    line = node.start_mark.line
    for key in keys:
        found = _child(node, key)
        if found is None:
            break
        line, node = found
    return str(line + 1)


def _child(node: Any, key: str | int) -> tuple[int, Any] | None:
    if isinstance(node, yaml.MappingNode):
        for name, value in node.value:
            if getattr(name, "value", None) == str(key):
                return name.start_mark.line, value
    if isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
        child = node.value[key]
        return child.start_mark.line, child
    return None
