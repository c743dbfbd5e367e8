"""The base classes of documents, the check of their schema version, and reading them from files."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from pytest_execgo.errors import UsageError
from pytest_execgo.files.reading import FileProblem, read_bounded
from pytest_execgo.models.json_text import JsonProblem, decode_json
from pytest_execgo.models.messages import Source, explain, show
from pytest_execgo.models.safe_text import one_line
from pytest_execgo.models.yaml_text import YamlProblem, decode_yaml

SCHEMA_VERSION: Literal["1"] = "1"
LARGEST_TEXT = 4_000_000
"""Of a file that a person writes, in bytes."""
LARGEST_JSON = 1_000_000_000
"""Of a JSON file, in bytes: the report of a large run is one."""


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


LONGEST_ID = 80
"""Of a scenario or a profile. A trial's folder has both ids, the framework and the mode in its name, and
file systems allow 255 bytes."""
A_DAY_MS = 86_400_000
"""The longest time that a document can ask for, in milliseconds."""

# Ids of scenarios and profiles become pytest markers. These names are markers of pytest already.
RESERVED = frozenset({"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings"})


def free_name(name: str) -> str:
    """``name``, or ``ValueError`` if it cannot be an id."""
    if name in RESERVED:
        raise ValueError(f"{name!r} is a marker of pytest itself; choose another name")
    return name


M = TypeVar("M", bound=BaseModel)
# Lines say more than the number of a character in a file.
_VERSION = re.compile("[0-9]{1,9}")
_CHARACTER = re.compile(r" at character \d+(?=\)$)")


def load(model: type[M], path: Path) -> M:
    """Read one YAML or JSON file into ``model``.

    Raises :class:`UsageError` with one line naming the file, the line, the key path, what was
    found and what is allowed.
    """
    source = read_source(path)
    return parse(model, _decoded(source.text or "", path), source)


def read_source(path: Path) -> Source:
    """The text of a document, for messages about its parts; raises as :func:`read_text`."""
    return Source(shown(path), read_text(path, _limit(path)))


def shown(path: Path) -> str:
    """A path for messages: relative to the working directory if it is inside it."""
    try:
        return one_line(path.relative_to(Path.cwd()))
    except (ValueError, OSError):
        return one_line(path)


def read_text(path: Path, limit: int = LARGEST_TEXT) -> str:
    """The UTF-8 text of a file of at most ``limit`` bytes; raises :class:`UsageError` with one line."""
    try:
        # A mark of the byte order, which some editors write, is not part of the text.
        return read_bounded(path, limit).decode("utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"{shown(path)}: no such file") from None
    except UnicodeDecodeError as error:
        problem = f"not UTF-8 text ({error.reason} at byte {error.start})"
        raise UsageError(f"{shown(path)}: {problem}; save it as UTF-8") from None
    except FileProblem as problem:
        raise UsageError(f"{shown(path)}: cannot be read: {problem}") from None


def read_data(path: Path) -> Any:
    """The JSON value in a YAML or JSON file; raises :class:`UsageError` with one line."""
    source = read_source(path)
    found = _decoded(source.text or "", path)
    _refuse_other_types(found, source)
    return found


def _limit(path: Path) -> int:
    return LARGEST_JSON if path.suffix == ".json" else LARGEST_TEXT


def _decoded(text: str, path: Path) -> Any:
    problem: JsonProblem | YamlProblem
    try:
        if path.suffix == ".json":
            return decode_json(text, max_values=None, unique_keys=True)
        return decode_yaml(text)
    except JsonProblem as found:
        problem, what = found, _CHARACTER.sub("", str(found))
    except YamlProblem as found:
        problem, what = found, f"not YAML: {found}"
    line = f":{problem.line}" if problem.line else ""
    column = f" (column {problem.column})" if problem.column else ""
    raise UsageError(one_line(f"{shown(path)}{line}: {what}{column}"))


def parse(model: type[M], data: Any, source: str | Source) -> M:
    """Validate ``data`` as ``model``; ``source`` is for the error message only.

    Raises :class:`UsageError` with one line.
    """
    source = Source(source) if isinstance(source, str) else source
    if not isinstance(data, dict):
        raise source.mistake(
            f"expected a mapping with the keys of a {_title(model)}, got {show(data)}"
        )
    _check_version(model, data, source)
    _refuse_other_types(data, source)
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UsageError(explain(error, model, source)) from None


def _refuse_other_types(data: Any, source: Source) -> None:
    for keys, value in _foreign(data):
        raise source.mistake(
            f"{show(value)} is not a JSON value ({type(value).__name__}); to write it as text, "
            "put it in quotes",
            keys,
        )


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


def _check_version(model: type[BaseModel], data: dict[Any, Any], source: Source) -> None:
    if "schema_version" not in model.model_fields:
        return
    version = data.get("schema_version")
    if version is None:
        raise source.mistake(f'schema_version is missing; add: schema_version: "{SCHEMA_VERSION}"')
    if version == SCHEMA_VERSION:
        return
    number = str(version) if isinstance(version, (str, int)) else ""
    if _VERSION.fullmatch(number) and int(number) > int(SCHEMA_VERSION):
        raise source.mistake(
            f"schema_version {show(version)} is newer than this pytest-execgo reads "
            f'("{SCHEMA_VERSION}"); upgrade it with: pip install -U pytest-execgo'
        )
    raise source.mistake(
        f'schema_version must be the string "{SCHEMA_VERSION}", got {show(version)}'
    )


def _title(model: type[BaseModel]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", model.__name__).lower()
