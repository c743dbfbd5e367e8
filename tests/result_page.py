"""Writes the tables of docs/result.md from the models: python -m tests.result_page"""

from __future__ import annotations

import inspect
import re
import types
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

from pydantic import BaseModel

from pytest_execgo.models.document import Document
from pytest_execgo.models.trial_result import TrialResult

PAGE = Path(__file__).parents[1] / "docs/result.md"
_BEGIN, _END = (
    "<!-- members: written by python -m tests.result_page -->\n",
    "<!-- end of members -->",
)


def updated(text: str) -> str:
    """The page with the members as the models have them."""
    before, _, rest = text.partition(_BEGIN)
    sections = "\n".join(_sections(TrialResult, "result"))
    return f"{before}{_BEGIN}\n{sections}\n{_END}{rest.partition(_END)[2]}"


def _sections(first: type[BaseModel], where: str) -> Iterator[str]:
    """One section for each model that is reached from ``first``, each once."""
    waiting, seen = [(first, where)], {first}
    while waiting:
        model, place = waiting.pop(0)
        yield f"### `{place}`"
        yield ""
        yield from _described(model)
        yield "| member | type |"
        yield "| --- | --- |"
        for name, field in model.model_fields.items():
            yield f"| `.{name}` | {_type(field.annotation)} |"
            for inner, suffix in _models(field.annotation):
                if inner not in seen:
                    seen.add(inner)
                    waiting.append((inner, f"{place}.{name}{suffix}"))
        yield ""


def _described(model: type[BaseModel]) -> Iterator[str]:
    """The docstring of a model, as Markdown."""
    text = model.__doc__
    if text is None or text == Document.__doc__:
        return
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    yield inspect.cleandoc(text)
    yield ""


def _models(annotation: Any) -> Iterator[tuple[type[BaseModel], str]]:
    """The models in an annotation, and what selects one: ``[i]`` in a list."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation, ""
    suffix = "[i]" if get_origin(annotation) in (tuple, list) else ""
    for part in get_args(annotation):
        yield from ((model, suffix + more) for model, more in _models(part))


def _type(annotation: Any) -> str:
    origin, parts = get_origin(annotation), get_args(annotation)
    if origin is Literal:
        return " ".join(f"`{value}`" for value in parts)
    if origin in (typing.Union, types.UnionType):
        return " or ".join("null" if part is type(None) else _type(part) for part in parts)
    if origin in (tuple, list):
        return f"list of {_type(parts[0])}"
    if origin is dict:
        return f"mapping from {_type(parts[0])} to {_type(parts[1])}"
    if origin is typing.Annotated:
        return _type(parts[0])
    if annotation is Any:
        return "any"
    names = {
        "str": "text", "int": "whole number", "float": "number", "bool": "true or false",
        "datetime": "date and time",
    }  # fmt: skip
    return names.get(annotation.__name__, "members below")


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text()))
