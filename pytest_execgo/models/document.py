"""What all documents share: strictness, the schema version gate, and readable validation errors."""

from __future__ import annotations

import json
import math
import re
import types
import typing
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from pytest_execgo.errors import UsageError, did_you_mean

SCHEMA_VERSION: Literal["1"] = "1"

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]
    """YAML in which a key that stands twice is an error, not a silent replacement."""

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        """See PyYAML."""
        seen: set[Any] = set()
        for key, _ in node.value:
            if key.tag != "tag:yaml.org,2002:merge" and key.value in seen:
                problem = f"the key {key.value!r} stands twice"
                raise yaml.constructor.ConstructorError(None, None, problem, key.start_mark)
            seen.add(key.value if isinstance(key.value, str) else id(key))
        return super().construct_mapping(node, deep)


class Model(BaseModel):
    """A frozen value; an unknown key is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _require_version(schema: dict[str, Any]) -> None:
    """The version has a default for those who make documents; a file must say it."""
    schema["required"] = ["schema_version", *schema.get("required", [])]


class Document(Model):
    """A value that is written to disk on its own; carries the version of its format."""

    model_config = ConfigDict(json_schema_extra=_require_version)

    schema_version: Literal["1"] = SCHEMA_VERSION


# Ids of scenarios and profiles become pytest markers; these have a meaning there already.
RESERVED = frozenset({"skip", "skipif", "xfail", "parametrize", "usefixtures", "filterwarnings"})


def free_name(name: str) -> str:
    """``name`` if it may be an id, else ``ValueError``."""
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
    """A path as people want to read it: relative to where they are, if it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def read_text(path: Path) -> str:
    """The text of ``path``, or a :class:`UsageError` of one line."""
    try:
        return path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError(f"{shown(path)}: no such file") from None
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(f"{shown(path)}: cannot be read as UTF-8 text: {error}") from None


def read_data(path: Path) -> Any:
    """The value that a YAML or JSON file holds."""
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
    """Validate ``data`` as ``model``; ``source`` and ``text`` only serve the error message."""
    if not isinstance(data, dict):
        raise UsageError(
            f"{source}: expected a mapping with the keys of a {_title(model)}, got {_show(data)}"
        )
    _check_version(model, data, source)
    for keys, value in _foreign(data):
        raise UsageError(
            f"{source}: {key_path(keys)}: {_show(value)} is no value of JSON "
            f"({type(value).__name__}); if text is meant, put it in quotes"
        )
    try:
        return model.model_validate(data)
    except ValidationError as error:
        raise UsageError(explain(error, model, data, source, text)) from None


def _foreign(value: Any, keys: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], Any]]:
    """What YAML knows and JSON does not: dates, bytes, sets, infinities, keys that are no text."""
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


def explain(
    error: ValidationError, model: type[BaseModel], data: Any, source: str, text: str | None = None
) -> str:
    """Turn the first validation error into one line; the others are counted."""
    errors = error.errors(include_url=False)
    first = errors[0]
    keys, owner = _locate(model, first["loc"])
    where = line_of(text, keys)
    prefix = f"{source}:{where}" if where else source
    message = _message(dict(first), keys, owner, data)
    more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
    return f"{prefix}: {message}{more}"


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
            f"{path}.{name}: unknown {name} {tag!r} (allowed: {', '.join(allowed)})"
            + did_you_mean(tag, allowed)
        )
    if kind == "union_tag_not_found":
        name = str(context.get("discriminator", "")).strip("'")
        return f"{path}.{name}: this key is required"
    if kind == "literal_error":
        allowed = re.findall(r"'([^']*)'", str(context.get("expected", "")))
        got = first["input"]
        hint = did_you_mean(got, allowed) if isinstance(got, str) else ""
        return f"{path}: got {_show(got)} (allowed: {', '.join(allowed)}){hint}"
    text = str(first["msg"]).removeprefix("Value error, ")
    return (
        f"{path}: {text}"
        if kind == "value_error"
        else f"{path}: {text}, got {_show(first['input'])}"
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


def without_surrogates(value: Any) -> Any:
    """``value`` with U+FFFD for lone surrogates: JSON can spell them, UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, (list, tuple)):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    return value


def _show(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _title(model: type[BaseModel]) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", " ", model.__name__).lower()


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
    """The 1-based line of the deepest key of ``keys`` that stands in the YAML ``text``."""
    if text is None:
        return ""
    try:
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError:
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
