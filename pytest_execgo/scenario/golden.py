"""New content for the files that ``equals_file`` names, from what a trial produced."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import yaml

from pytest_execgo.files.reading import FileProblem
from pytest_execgo.files.workspace import LARGEST_FILE, open_inside
from pytest_execgo.models.path import PathError
from pytest_execgo.scenario.checks import TrialView
from pytest_execgo.scenario.manifest import Check, FileCheck, Scenario, ValueCheck


@dataclass(frozen=True)
class Golden:
    """A file of the scenario, by its path from the scenario's folder, and its new content."""

    file: str
    content: bytes


def new_content(scenario: Scenario, view: TrialView) -> Iterator[Golden]:
    """The files that would make the checks with ``equals_file`` hold, each with its content. A check
    without a value or without a file has none."""
    for check in scenario.manifest.checks:
        name = getattr(check, "equals_file", None)
        content = None
        with suppress(PathError, FileProblem, FileNotFoundError):
            content = _content(check, view)
        if name is not None and content is not None:
            yield Golden(name, content)


def _content(check: Check, view: TrialView) -> bytes | None:
    if isinstance(check, FileCheck):
        with open_inside(view.workspace, check.path) as file:
            content = file.read(LARGEST_FILE + 1)
        return content if len(content) <= LARGEST_FILE else None
    if not isinstance(check, ValueCheck) or check.task not in view.tasks:
        return None
    got = view.value(check.task, check.path)
    return None if got is None else _encoded(got, str(check.equals_file))


def _encoded(value: Any, name: str) -> bytes:
    if name.endswith(".json"):
        return (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode()
    return yaml.safe_dump(value, sort_keys=False, allow_unicode=True).encode()
