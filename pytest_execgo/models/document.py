"""The base classes of documents, the check of their schema version, and reading them from files."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pytest_execgo.errors import UsageError
from pytest_execgo.models.messages import explain, key_path, show

SCHEMA_VERSION: Literal["1"] = "1"

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """YAML in which a repeated key is an error. PyYAML keeps the last value without a message."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[Any] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                problem = f"the key {key.value!r} is given twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value if isinstance(key.value, str) else id(key))
        return super().construct_mapping(node, deep)


class Document(BaseModel):
    """Base class of every value that is written to disk or passed between layers.

    It is frozen (fields cannot be assigned) and strict: an unknown key is an error, and so are infinity
    and NaN.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _require_version(schema: dict[str, Any]) -> None:
    """Mark ``schema_version`` as required in the JSON Schema: code may leave it out, a file may not."""
    schema["required"] = ["schema_version", *schema.get("required", [])]


class VersionedDocument(Document):
    """A document that is a file of its own. ``schema_version`` is the version of the file's format:
    :func:`load` and :func:`parse` check it before anything else."""

    model_config = ConfigDict(json_schema_extra=_require_version)

    schema_version: Literal["1"] = SCHEMA_VERSION


# Ids of scenarios and profiles become pytest markers. These names are markers of pytest already.
RESERVED = frozenset({"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings"})


def free_name(name: str) -> str:
    """``name``, or ``ValueError`` if it cannot be an id."""
    if name in RESERVED:
        raise ValueError(f"{name!r} is a marker of pytest itself; choose another name")
    return name


M = TypeVar("M", bound=BaseModel)


def load(model: type[M], path: Path) -> M:
    """Read one YAML or JSON file into ``model``.

    Raises :class:`UsageError` with one line naming the file, the line, the key path, what was
    found and what is allowed.
    """
    text = read_text(path)
    return parse(model, _load_text(text, path), shown(path), text)


def shown(path: Path) -> str:
    """A path for messages: relative to the working directory if it is inside it."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_text(path: Path) -> str:
    """The text of ``path``; raises :class:`UsageError` with one line."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{shown(path)}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown(path)}: cannot be read as UTF-8 text: {error}") from None


def read_data(path: Path) -> Any:
    """The value in a YAML or JSON file; raises :class:`UsageError` with one line."""
    return _load_text(read_text(path), path)


def _load_text(text: str, path: Path) -> Any:
    try:
        if path.suffix == ".json":
            return json.loads(text)
        return yaml.load(text, Loader=_Loader)
    except json.JSONDecodeError as error:
        raise UsageError(
            f"{shown(path)}:{error.lineno}: not JSON: {error.msg} (column {error.colno})"
        ) from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{shown(path)}:{mark.line + 1}" if mark else shown(path)
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        column = f" (column {mark.column + 1})" if mark else ""
        raise UsageError(f"{where}: not YAML: {problem}{column}") from None


def parse(model: type[M], data: Any, source: str, text: str | None = None) -> M:
    """Validate ``data`` as ``model``; ``source`` and ``text`` are for the error message only.

    Raises :class:`UsageError` with one line.
    """
    if not isinstance(data, dict):
        raise UsageError(
            f"{source}: expected a mapping with the keys of a {_title(model)}, got {show(data)}"
        )
    _check_version(model, data, source)
    for keys, value in _foreign(data):
        raise UsageError(
            f"{source}: {key_path(keys)}: {show(value)} is not a JSON value "
            f"({type(value).__name__}); to write it as text, put it in quotes"
        )
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UsageError(explain(error, model, data, source, text)) from None


def _foreign(value: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """Values of YAML that JSON does not have: dates, bytes, sets, infinities, keys other than text."""
    if isinstance(value, dict):
        for key, item in value.items():
            if not isinstance(key, str):
                yield keys, key
            yield from _foreign(item, (*keys, str(key)))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _foreign(item, (*keys, index))
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield keys, value
    elif value is not None and not isinstance(value, (str, int)):
        yield keys, value


def _check_version(model: type[BaseModel], data: dict[Any, Any], source: str) -> None:
    if "schema_version" not in model.model_fields:
        return
    version = data.get("schema_version")
    if version is None:
        raise UsageError(
            f'{source}: schema_version is missing; add: schema_version: "{SCHEMA_VERSION}"'
        )
    if version == SCHEMA_VERSION:
        return
    number = str(version)
    if number.isdigit() and int(number) > int(SCHEMA_VERSION):
        raise UsageError(
            f"{source}: schema_version {version!r} is newer than this pytest-execgo reads "
            f'("{SCHEMA_VERSION}"); upgrade it with: pip install -U pytest-execgo'
        )
    raise UsageError(
        f'{source}: schema_version must be the string "{SCHEMA_VERSION}", got {version!r}'
    )


def without_surrogates(value: Any) -> Any:
    """``value`` with U+FFFD for lone surrogates, which JSON can contain and UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, (list, tuple)):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    return value


def _title(model: type[BaseModel]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", model.__name__).lower()
