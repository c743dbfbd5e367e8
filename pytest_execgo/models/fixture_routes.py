"""``fixtures/routes.yaml``: answers of the fixtures server that are more than a file."""

from __future__ import annotations

import re
from typing import Any

from pydantic import Field, field_validator, model_validator

from pytest_execgo.models.document import A_DAY_MS, Document, VersionedDocument

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_HEADER = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]+")
_OWN_HEADERS = {"content-length", "content-type", "connection", "transfer-encoding"}
MODEL_PATH = "/model/"
"""Below it is the scripted model."""


class FixtureRoute(Document):
    """The answer to one method and path. The body is ``json``, ``text``, or ``file``, which is relative
    to the folder ``fixtures``; without any of them it is empty. ``delay_ms`` in milliseconds."""

    path: str
    method: str = "GET"
    status: int = Field(default=200, ge=200, le=599)
    headers: dict[str, str] = {}
    content_type: str | None = None
    delay_ms: float = Field(default=0, ge=0, le=A_DAY_MS)
    json_: Any = Field(default=None, alias="json")
    text: str | None = None
    file: str | None = None

    @field_validator("path")
    @classmethod
    def _servable(cls, value: str) -> str:
        return servable(value)

    @field_validator("method")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in _METHODS:
            raise ValueError(f"got {value!r} (allowed: {', '.join(_METHODS)})")
        return value

    @field_validator("headers")
    @classmethod
    def _possible(cls, value: dict[str, str]) -> dict[str, str]:
        for name, text in value.items():
            if name.lower() in _OWN_HEADERS:
                raise ValueError(f"the server sets {name} itself; use content_type for the type")
            if not _HEADER.fullmatch(name) or not text.isprintable() or not text.isascii():
                raise ValueError(f"{name!r}: {text!r} is not a header of HTTP")
        return value

    @model_validator(mode="after")
    def _one_body(self) -> FixtureRoute:
        given = {"json_", "text", "file"} & self.model_fields_set
        if len(given) > 1:
            raise ValueError("give one of json, text and file")
        return self


class FixtureRoutes(VersionedDocument):
    """The document ``routes.yaml``; each pair of method and path is given once."""

    routes: tuple[FixtureRoute, ...]


def servable(path: str) -> str:
    """``path``, or ``ValueError`` if the fixtures server has no place for it."""
    if not path.startswith("/") or "?" in path or "#" in path:
        raise ValueError(f"must begin with '/' and have no '?' and no '#', got {path!r}")
    if path.startswith(MODEL_PATH):
        raise ValueError(f"{MODEL_PATH} belongs to the scripted model")
    return path
