"""The parts of a project for commands that start no test run: those that a run would see.

pytest itself loads the initial ``conftest.py`` files here, as for ``pytest --execgo-matrix``. Importing
``conftest.py`` by its path would be less code, but would miss ``pytest_plugins``, ``-p`` of ``addopts``,
``pythonpath`` and hooks without a decorator, so a command could refuse what a run accepts. The hook
``pytest_cmdline_main`` ends pytest before it configures plugins and collects tests, like ``--version``.
"""

from __future__ import annotations

import io
import re
import sys
import traceback
from collections.abc import Generator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.extensions import builtin_parts, hookspecs
from pytest_execgo.extensions.parts import KINDS
from pytest_execgo.extensions.registry import ENTRY_POINTS, Registry
from pytest_execgo.models.document import shown
from pytest_execgo.plugin.places import Places, places
from pytest_execgo.scenario.library import find_scenario_folder


def registry_of(config: pytest.Config) -> Registry:
    """Built-in parts, entry points, and the hooks of every ``conftest.py`` that is loaded so far."""
    manager = config.pluginmanager
    if not manager.is_registered(builtin_parts):
        manager.register(builtin_parts, "execgo-builtin_parts")
        manager.load_setuptools_entrypoints(ENTRY_POINTS)
    return Registry.from_hook(config.hook)


@dataclass(frozen=True)
class ProjectParts:
    """What a run in the current folder would use."""

    registry: Registry
    places: Places


def project_registry() -> Registry:
    """The parts of the project in the current folder; raises :class:`UsageError` in one line if its
    pytest settings, its ``conftest.py`` or a part is wrong."""
    parts = _PartsQuestion()
    _ask_pytest(parts, ["-s"])
    assert parts.registry is not None
    return parts.registry


def project_parts() -> ProjectParts:
    """As :func:`project_registry`, with the folders. Raises :class:`UsageError` also for a project that
    blocks the plugin, because nothing can be run there."""
    question = _PartsQuestion(with_places=True)
    _ask_pytest(question, ["-s"])
    assert question.registry is not None
    assert question.places is not None
    return ProjectParts(question.registry, question.places)


def project_scenarios(explicit: str | None) -> Path:
    """The folder of scenarios that a run in the current folder uses; raises :class:`UsageError`.

    ``explicit`` is the value of ``--scenarios``. Settings of pytest are read, a ``conftest.py`` is not.
    """
    if explicit is not None:
        here = Path.cwd()
        return find_scenario_folder(here / Path(explicit).expanduser(), here, here).path
    question = _ScenariosQuestion()
    _ask_pytest(question, ["-s", "--noconftest"])
    assert question.answer is not None
    return question.answer


class _Question(Protocol):
    problem: str

    @property
    def answer(self) -> object | None: ...


def _ask_pytest(question: _Question, args: list[str]) -> None:
    """Start pytest with a plugin that takes its answer and ends pytest; raises :class:`UsageError`."""
    printed = io.StringIO()
    # The output of a conftest.py must not mix with the JSON of a command. Without -s, pytest captures
    # it and writes it to standard output at its end.
    with redirect_stdout(sys.stderr), redirect_stderr(printed):
        pytest.main(args, plugins=[question])
    if question.answer is None:
        raise UsageError(question.problem or _complaint(printed.getvalue()))


class _ScenariosQuestion:
    """A pytest plugin that takes the folder of scenarios and ends pytest."""

    def __init__(self) -> None:
        self.answer: Path | None = None
        self.problem = ""

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """Take the folder instead of running tests."""
        called, root = config.invocation_params.dir, config.rootpath
        try:
            if hasattr(config.option, "execgo_scenarios"):
                self.answer = places(config).scenarios.path
            else:
                # The project switches the plugin off, so its ini file has none of our settings.
                self.answer = find_scenario_folder(None, called, root).path
        except UsageError as error:
            self.problem = str(error)
        return 0


class _PartsQuestion:
    """A pytest plugin that takes the registry, and the places if they are wanted, and ends pytest."""

    def __init__(self, *, with_places: bool = False) -> None:
        self._with_places = with_places
        self.registry: Registry | None = None
        self.places: Places | None = None
        self.problem = ""

    @property
    def answer(self) -> Registry | None:
        """The registry, ``None`` if there is a problem."""
        return None if self.problem else self.registry

    @pytest.hookimpl(wrapper=True)
    def pytest_load_initial_conftests(self) -> Generator[None, None, None]:
        """Keep the reason in one line if a ``conftest.py`` cannot be imported."""
        try:
            yield
        except Exception as error:
            # Any exception of the project's code. pytest raises its own and names the file in `path`.
            if error.__cause__ is not None and hasattr(error, "path"):
                self.problem = _import_problem(Path(error.path), error.__cause__)
            raise

    @pytest.hookimpl(tryfirst=True)
    def pytest_cmdline_main(self, config: pytest.Config) -> int:
        """Take the registry instead of running tests."""
        if not hasattr(config.hook, KINDS[0].hook):
            # The project switches the plugin off: -p no:execgo.
            config.pluginmanager.add_hookspecs(hookspecs)
        try:
            self.registry = registry_of(config)
            if self._with_places:
                self.places = self._places(config)
        except UsageError as error:
            self.problem = str(error)
        return 0

    def _places(self, config: pytest.Config) -> Places:
        if not hasattr(config.option, "execgo_scenarios"):
            raise UsageError(
                "the settings of pytest in this folder block the plugin (-p no:execgo)"
            )
        return places(config)


def _import_problem(path: Path, cause: BaseException) -> str:
    lines = [
        frame.lineno
        for frame in traceback.extract_tb(cause.__traceback__)
        if Path(frame.filename) == path
    ]
    where = f"{shown(path)}:{lines[-1]}" if lines else shown(path)
    reason = next(iter(str(cause).splitlines()), "")
    return f"{where}: {type(cause).__name__}: {reason}"


def _complaint(printed: str) -> str:
    """The line of pytest's output that names the mistake, such as an unknown option in ``addopts``."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    marked = [line for line in lines if "error: " in line.lower()]
    reason = re.sub(
        r"^.*?error: ", "", (marked[-1:] or lines or ["no reason given"])[0], flags=re.IGNORECASE
    )
    return f"pytest does not start in this folder: {reason}"
