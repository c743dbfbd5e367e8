"""Validation errors as one line, with key path and line number."""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Sequence
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from pytest_execgo.errors import did_you_mean
from pytest_execgo.models.safe_text import one_line
from pytest_execgo.models.yaml_text import YamlProblem, compose_yaml

_LONGEST_TEXT = 4_000_000


def explain(
    error: ValidationError, model: type[BaseModel], data: Any, source: str, text: str | None = None
) -> str:
    """Turn the first validation error into one line; the others are counted."""
    errors = error.errors(include_url=False)
    # A misspelt key first: it is often the reason why another key is missing.
    first = next((e for e in errors if e["type"] == "extra_forbidden"), errors[0])
    keys, owner = _locate(model, first["loc"])
    where = line_of(text, keys)
    prefix = f"{source}:{where}" if where else source
    message = _message(dict(first), keys, owner, data)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return one_line(f"{prefix}: {message}{more}")


def _message(
    first: dict[str, Any], keys: list[str | int], owner: type[BaseModel] | None, data: Any
) -> str:
    path = key_path(keys)
    kind = first["type"]
    context = first.get("ctx", {})
    if kind == "extra_forbidden":
        allowed = _keys_of(owner) if owner else []
        text = f"{path}: unknown key (allowed: {', '.join(allowed)})"
        return text + did_you_mean(str(keys[-1]), allowed)
    if kind == "missing":
        return f"{path}: this key is required"
    if kind == "union_tag_invalid":
        tag = str(context.get("tag"))
        allowed = [name.strip(" '") for name in str(context.get("expected_tags", "")).split(",")]
        name = str(context.get("discriminator", "")).strip("'")
        return (
            f"{path}.{name}: unknown {name} {show(tag)} (allowed: {', '.join(allowed)})"
            + did_you_mean(tag, allowed)
        )
    if kind == "union_tag_not_found":
        name = str(context.get("discriminator", "")).strip("'")
        return f"{path}.{name}: this key is required"
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        got = first["input"]
        hint = did_you_mean(got, allowed) if isinstance(got, str) else ""
        return f"{path}: got {show(got)} (allowed: {', '.join(allowed)}){hint}"
    text = str(first["msg"]).removeprefix("Value error, ")
    return (
        f"{path}: {text}"
        if kind == "value_error"
        else f"{path}: {text}, got {show(first['input'])}"
    )


def key_path(keys: Sequence[str | int]) -> str:
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


def line_of(text: str | None, keys: Sequence[str | int]) -> str:
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
