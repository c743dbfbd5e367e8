"""Find, pull and build images; each image is built once, also with several workers.

The tag of a built image contains the hash of its inputs, so an image with that tag needs no build.
"""

from __future__ import annotations

import re
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests
from docker.errors import APIError, ImageNotFound
from docker.utils import parse_repository_tag
from testcontainers.core.config import testcontainers_config

from pytest_execgo.errors import UsageError
from pytest_execgo.harness.containers.engine import DOCKER_ERRORS, engine, explain, raised_as
from pytest_execgo.harness.containers.leftovers import IMAGE
from pytest_execgo.harness.containers.locks import BUILDING, held
from pytest_execgo.harness.service import Progress
from pytest_execgo.system.clock import monotonic

_OF = "pytest-execgo.of"
_BUILD_TIMEOUT_SECONDS = 3600
_SILENCE_SECONDS = 1.0
_SHOWN_LINES = 20
_SHOWN_COLUMNS = 150
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@dataclass(frozen=True)
class Recipe:
    """How to build an image.

    ``tag`` contains the hash of all inputs. ``of`` names the source: a new image replaces older ones
    of the same source. ``network`` is Docker's ``network_mode`` for the steps (``None``: its
    default).
    """

    what: str
    tag: str
    context: Path
    of: str
    target: str | None = None
    arguments: dict[str, str] = field(default_factory=dict)
    network: str | None = None


def find(name: str) -> Any | None:
    """The image with this name, or ``None`` if the engine does not have it."""
    for known in dict.fromkeys((name, testcontainers_config.hub_image_name_prefix + name)):
        try:
            return engine().images.get(known)
        except ImageNotFound:
            continue
        except DOCKER_ERRORS as error:
            raise UsageError(f"the image {name!r}: {explain(error)}") from None
    return None


def fetch(name: str, what: str, progress: Progress) -> Any:
    """The image with this name, pulled if it is missing; raises :class:`UsageError`."""
    found = find(name)
    if found is not None:
        return found
    full = testcontainers_config.hub_image_name_prefix + name
    began = monotonic()
    progress(f"pulling {full} …")
    repository, tag = parse_repository_tag(full)
    try:
        found = engine().images.pull(repository, tag=tag or "latest")
    except DOCKER_ERRORS as error:
        reason = " ".join(str(getattr(error, "explanation", None) or error).split())
        raise UsageError(
            f"{what}: the image {name} is missing and cannot be pulled: {reason[:300]}; "
            "build or load it first (docker build -t …, docker load), or correct the name"
        ) from None
    progress(f"pulled {full} in {monotonic() - began:.1f} s")
    return found


def build(recipe: Recipe, progress: Progress) -> Any:
    """The image of a recipe, built if it is missing.

    Raises :class:`UsageError` with the last lines of the build's output.
    """
    found = find(recipe.tag)
    if found is not None:
        return found
    # One build per image at a time. The shared lock keeps other runs from removing unfinished layers.
    with held(recipe.tag.partition(":")[0]), held(BUILDING, together=True):
        found = find(recipe.tag)
        if found is None:
            with raised_as(UsageError, f"{recipe.what} cannot be built"):
                _build(recipe, progress)
                found = engine().images.get(recipe.tag)
            _remove_superseded(recipe, found.id)
    return found


def _build(recipe: Recipe, progress: Progress) -> None:
    began = monotonic()
    printed = _Printed(recipe, progress, began)
    try:
        stream = engine().api.build(
            path=str(recipe.context),
            tag=recipe.tag,
            target=recipe.target,
            buildargs=recipe.arguments,
            network_mode=recipe.network,
            labels={_OF: recipe.of, IMAGE: "built"},
            rm=True,
            forcerm=True,
            decode=True,
            timeout=_BUILD_TIMEOUT_SECONDS,
        )
    except OSError as error:
        # An unreadable file of the context. Connection errors are OSErrors too, and are handled above.
        if isinstance(error, requests.RequestException):
            raise
        raise UsageError(f"{recipe.what} cannot be built: {error}") from None
    with closing(stream):
        for line in stream:
            printed.take(line)
    progress(f"built {recipe.tag} in {monotonic() - began:.1f} s")


class _Printed:
    """Reads the output of a build: progress for the user, and the last lines for an error."""

    def __init__(self, recipe: Recipe, progress: Progress, began: float) -> None:
        self._recipe, self._progress, self._began = recipe, progress, began
        self._step = "before its first step"
        self._lines: list[str] = []
        self._reported_at = began
        progress(f"building {recipe.what} as {recipe.tag} …")

    def take(self, line: dict[str, Any]) -> None:
        """Take one message of the stream; raises :class:`UsageError` if it is an error."""
        if "error" in line:
            raise self._failure(str(line["error"]))
        for text in _COLOUR.sub("", str(line.get("stream") or "")).splitlines():
            if re.match(r"Step \d+/\d+ : ", text):
                self._step = text.strip()
                self._lines = []
                self._report_step()
            elif text.strip() and not text.startswith((" ---> ", "Removing intermediate")):
                self._lines.append(text.rstrip()[:_SHOWN_COLUMNS])

    def _report_step(self) -> None:
        """Report the step if the last report is old enough: cached steps need no line each."""
        now = monotonic()
        if now - self._reported_at >= _SILENCE_SECONDS:
            self._reported_at = now
            self._progress(f"  {now - self._began:6.1f} s  {self._step[:_SHOWN_COLUMNS]}")

    def _failure(self, error: str) -> UsageError:
        words = error.strip()
        if "no space left on device" in words:
            words = explain(OSError(words))
        summary = f"{self._recipe.what} could not be built; {self._step[:_SHOWN_COLUMNS]}"
        lines = [f"  | {line}" for line in self._lines[-_SHOWN_LINES:]]
        lines.append(f"  {' '.join(words.split())[:500]}")
        if "BuildKit" in words:
            lines.append(
                "  this Dockerfile needs BuildKit: build it yourself, then use the image by name:"
            )
            lines.append("  docker buildx build --load -t NAME PATH, then …=container:NAME")
        elif not self._recipe.target:
            lines.append(f"  try it alone: docker build {self._recipe.context}")
        return UsageError(summary, lines)


def _remove_superseded(recipe: Recipe, kept: str) -> None:
    # The SDK inspects each listed image, and fails if one was removed meanwhile. The next build retries.
    with suppress(*DOCKER_ERRORS):
        for image in engine().images.list(filters={"label": f"{_OF}={recipe.of}"}):
            if image.id != kept:
                _untag(image)


def _untag(image: Any) -> list[str]:
    gone = []
    for name in image.tags or [image.id]:
        with suppress(APIError):
            engine().images.remove(name)
            gone.append(str(name))
    return gone


def remove_built() -> list[str]:
    """Remove every image that this plugin built and that is not in use; returns their names."""
    return [
        name for image in engine().images.list(filters={"label": _OF}) for name in _untag(image)
    ]
