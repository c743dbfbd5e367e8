"""The folder ``fixtures`` of a scenario: what the fixtures server answers in its trials."""

from __future__ import annotations

import base64
import json
import mimetypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_execgo.errors import UsageError
from pytest_execgo.files.reading import FileProblem, read_bounded
from pytest_execgo.models.document import load, read_source, shown
from pytest_execgo.models.fixture_routes import FixtureRoute, FixtureRoutes, servable
from pytest_execgo.models.messages import Source

FOLDER, ROUTES = "fixtures", "routes.yaml"
LARGEST_FIXTURES = 16_000_000
"""All content of a scenario together, in bytes."""
_TEXT_TYPES = {".json": "application/json", ".yaml": "application/yaml", ".yml": "application/yaml"}


@dataclass(frozen=True)
class OwnFixtures:
    """The routes of ``routes.yaml``, and each other file of the folder as a route of its own."""

    folder: Path
    routes: tuple[FixtureRoute, ...]

    def as_json(self) -> list[dict[str, Any]]:
        """The routes with their content, for the fixtures server; raises :class:`UsageError`."""
        served, size = [], 0
        for route in self.routes:
            body = self._body(route)
            size += len(body)
            if size > LARGEST_FIXTURES:
                limit = f"{LARGEST_FIXTURES // 1_000_000} MB"
                raise UsageError(f"{shown(self.folder)}: more than {limit} of content in all")
            served.append(
                {
                    "path": route.path,
                    "method": route.method,
                    "status": route.status,
                    "headers": route.headers,
                    "content_type": route.content_type or _type_of(route),
                    "delay_ms": route.delay_ms,
                    "body": base64.b64encode(body).decode(),
                }
            )
        return served

    def _body(self, route: FixtureRoute) -> bytes:
        if "json_" in route.model_fields_set:
            return json.dumps(route.json_, ensure_ascii=False).encode()
        if route.file is None:
            return (route.text or "").encode()
        path = self.folder / route.file
        try:
            return read_bounded(path, LARGEST_FIXTURES)
        except (FileNotFoundError, FileProblem) as problem:
            reason = problem if isinstance(problem, FileProblem) else "no such file"
            raise UsageError(f"{shown(path)}: cannot be served: {reason}") from None


def load_fixtures(scenario: Path) -> OwnFixtures | None:
    """The fixtures of the scenario in a folder, ``None`` if it has none; raises :class:`UsageError`."""
    folder = scenario / FOLDER
    if not folder.is_dir():
        return None
    special = folder / ROUTES
    routes: tuple[FixtureRoute, ...] = ()
    if special.is_file():
        routes = load(FixtureRoutes, special).routes
        _inspect(folder, routes, read_source(special))
    taken = {(route.method, route.path) for route in routes}
    files = [route for route in _files(folder) if (route.method, route.path) not in taken]
    return OwnFixtures(folder, (*routes, *files))


def _files(folder: Path) -> Iterator[FixtureRoute]:
    """Each file below the folder, at its path."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if not path.is_file() or name == ROUTES or hidden:
            continue
        try:
            yield FixtureRoute(path=servable(f"/{name}"), file=name)
        except ValueError as problem:
            raise UsageError(f"{shown(path)}: cannot be served: its path {problem}") from None


def _inspect(folder: Path, routes: tuple[FixtureRoute, ...], source: Source) -> None:
    """Raise :class:`UsageError` for a file that is not there, and for an answer given twice."""
    seen: set[tuple[str, str]] = set()
    for index, route in enumerate(routes):
        place = route.method, route.path
        if place in seen:
            message = f"{route.method} {route.path} is given twice"
            raise source.mistake(message, ["routes", index, "path"])
        seen.add(place)
        if route.file is None:
            continue
        if route.file.startswith("/") or ".." in route.file.split("/"):
            message = f"must be in {FOLDER}/, got {route.file!r}"
            raise source.mistake(message, ["routes", index, "file"])
        if not (folder / route.file).is_file():
            raise source.mistake(f"no such file: {route.file}", ["routes", index, "file"])


def _type_of(route: FixtureRoute) -> str:
    if "json_" in route.model_fields_set:
        return "application/json"
    if route.file is None:
        return "text/plain; charset=utf-8"
    known = _TEXT_TYPES.get(Path(route.file).suffix) or mimetypes.guess_type(route.file)[0]
    if known is None:
        return "application/octet-stream"
    return f"{known}; charset=utf-8" if known.startswith("text/") else known
