"""Where the files of a run are. One decision for plugin, commands, workers and printed commands."""

from __future__ import annotations

import itertools
import os
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.options.table import BY_NAME, OPTIONS

if TYPE_CHECKING:
    from pytest_execgo.scenario.library import ScenarioFolder

_PLACES: pytest.StashKey[Places] = pytest.StashKey()
_MANIFEST = "scenario.yaml"
_WORKER_KEYS = ("execgo_called", "execgo_root", "execgo_scenarios", "execgo_reports")
# Files that move pytest's root folder.
_SETTINGS = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", "setup.py")


@dataclass(frozen=True)
class Places:
    """The folders of a run, absolute. ``called``: where pytest was called; ``root``: pytest's root
    folder; ``reports``: holds one folder per run."""

    called: Path
    root: Path
    scenarios: ScenarioFolder
    reports: Path

    def shown(self, path: Path) -> str:
        """``path`` for a message or a command: relative to the folder in which pytest was called if both
        are below the root folder, else absolute."""
        if path.is_relative_to(self.root) and self.called.is_relative_to(self.root):
            return Path(os.path.relpath(path, self.called)).as_posix()
        return str(path)

    def argument(self, node_id: str) -> str:
        """The argument that selects a node of pytest, whose id is relative to the root folder."""
        path, sign, name = node_id.partition("::")
        return f"{self.shown(self.root / path)}{sign}{name}"


def places(config: pytest.Config) -> Places:
    """The places of this run; raises :class:`UsageError`. A worker gets those of the controller."""
    if _PLACES not in config.stash:
        config.stash[_PLACES] = _of_worker(config) or _decide(config)
    return config.stash[_PLACES]


def for_worker(config: pytest.Config) -> dict[str, str]:
    """The entries of ``workerinput`` from which a worker reads the places. Without a usable folder of
    scenarios there are none: each process then reports the mistake itself."""
    try:
        found = places(config)
    except UsageError:
        return {}
    folders = (found.called, found.root, found.scenarios.path, found.reports)
    return dict(zip(_WORKER_KEYS, map(str, folders), strict=True))


def called_folder(config: pytest.Config) -> Path:
    """The folder in which the user called pytest."""
    worker = getattr(config, "workerinput", None) or {}
    return Path(worker.get("execgo_called") or config.invocation_params.dir)


def root_folder(config: pytest.Config) -> Path:
    """The root folder of pytest."""
    worker = getattr(config, "workerinput", None) or {}
    return Path(worker.get("execgo_root") or config.rootpath)


def option_path(config: pytest.Config, name: str) -> Path | None:
    """The value of an option as an absolute path, ``None`` without a value.

    A path on the command line is relative to the folder in which pytest was called, one in the ini file
    to the root folder.
    """
    given = config.getoption(f"execgo_{name}")
    found = given if given is not None else config.getini(BY_NAME[name].key)
    if not found:
        return None
    base = called_folder(config) if given is not None else root_folder(config)
    return base / Path(found).expanduser()


def reports_folder(config: pytest.Config) -> Path:
    """The folder that holds one folder per run. It needs no scenarios."""
    worker = getattr(config, "workerinput", None) or {}
    if worker.get("execgo_reports"):
        return Path(worker["execgo_reports"])
    return option_path(config, "reports") or root_folder(config) / "reports"


def _decide(config: pytest.Config) -> Places:
    from pytest_execgo.scenario.library import find_scenario_folder

    called, root = called_folder(config), root_folder(config)
    scenarios = find_scenario_folder(option_path(config, "scenarios"), called, root)
    return Places(called, root, scenarios, reports_folder(config))


def _of_worker(config: pytest.Config) -> Places | None:
    worker = getattr(config, "workerinput", None) or {}
    if not all(worker.get(key) for key in _WORKER_KEYS):
        return None
    from pytest_execgo.scenario.library import ScenarioFolder

    called, root, scenarios, reports = (Path(worker[key]) for key in _WORKER_KEYS)
    return Places(called, root, ScenarioFolder(scenarios), reports)


def joined_arguments(config: pytest.Config) -> list[str] | None:
    """The arguments of this call with ``--option=value`` for ``--option value``, if the separate word
    may have moved pytest's root folder; ``None`` if not.

    pytest decides on its root folder before it knows the options of plugins, so it takes every word that
    is an existing path for a place of tests. Raises :class:`UsageError` for such a word in
    ``PYTEST_ADDOPTS``.
    """
    called = config.invocation_params.dir
    for flag, text in _separate_values(shlex.split(os.environ.get("PYTEST_ADDOPTS", ""))):
        if _moves_root(called, text):
            raise UsageError(
                f"PYTEST_ADDOPTS: {flag} {text}: pytest takes the path for a place of tests, which "
                f"changes its root folder; write {flag}={shlex.quote(text)}"
            )
    words = [str(word) for word in config.invocation_params.args]
    separate = _separate_values(words)
    if not any(_moves_root(called, text) for _, text in separate):
        return None
    joined: list[str] = []
    for word in words:
        if joined and (joined[-1], word) in separate:
            joined[-1] = f"{joined[-1]}={word}"
        else:
            joined.append(word)
    return joined


def _separate_values(words: list[str]) -> list[tuple[str, str]]:
    flags = {option.flag for option in OPTIONS if option.kind != "flag"}
    pairs = itertools.pairwise(words)
    return [(flag, text) for flag, text in pairs if flag in flags and not text.startswith("-")]


def _moves_root(called: Path, text: str) -> bool:
    path = Path(os.path.abspath(called / text))
    try:
        if not path.exists():
            return False
    except OSError:
        return False
    if not path.is_relative_to(called):
        return True
    below = [folder for folder in (path, *path.parents) if folder != called]
    inside = [folder for folder in below if folder.is_relative_to(called)]
    return any((folder / name).exists() for folder in inside for name in _SETTINGS)


def refuse_watched_reports(config: pytest.Config) -> None:
    """Raise :class:`UsageError` if ``pytest -f`` would see each run's reports as a change."""
    reports = reports_folder(config)
    roots = config.getini("looponfailroots") or [called_folder(config)]
    for root in map(Path, roots):
        if reports.is_relative_to(root) and not _hidden(reports.relative_to(root)):
            raise UsageError(
                f"-f watches {root}, and every run writes to {reports}, so the tests would never wait; "
                "write the reports elsewhere with --execgo-reports=DIR, or name what to watch: "
                "-o looponfailroots='scenarios tests'"
            )


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def is_report(path: Path, reports: Path) -> bool:
    """Whether a folder holds what runs left: it is the reports folder, or the folder of a run."""
    if path == reports:
        return True
    return (path / "request.json").is_file() and (
        (path / "trials").is_dir() or (path / "controls").is_dir()
    )


def names_scenario(argument: str, called: Path) -> bool:
    """Whether an argument of pytest names a scenario: its folder, its manifest, or a trial in it."""
    path = Path(argument.partition("::")[0])
    return path.name == _MANIFEST or (called / path / _MANIFEST).is_file()


def unused_scenarios(config: pytest.Config) -> str:
    """What to say of an argument of pytest that is a folder of scenarios, in a run without the matrix;
    empty without one."""
    called = called_folder(config)
    for argument in config.args:
        folder = called / argument.partition("::")[0]
        if folder.is_dir() and any(folder.glob(f"*/{_MANIFEST}")):
            return f"{argument} is a folder of scenarios; add --execgo-matrix to run them"
    return ""
