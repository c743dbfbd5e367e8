"""Declares the options to pytest and reads their values: the command line wins over the ini file."""

from __future__ import annotations

import json
import secrets
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.options.table import BY_NAME, NAME, OPTIONS, Option
from pytest_execgo.plugin.places import (
    called_folder,
    names_scenario,
    option_path,
    reports_folder,
)

RUN_ID: pytest.StashKey[str] = pytest.StashKey()
IMAGES: pytest.StashKey[dict[str, str]] = pytest.StashKey()
LATEST = "latest"
_OF_MATRIX = ("scenario", "framework", "mode", "chaos", "repetitions", "shard", "shard_weights",
    "resume",
)  # fmt: skip
REPLAY: pytest.StashKey[Path | None] = pytest.StashKey()


def add(parser: pytest.Parser) -> None:
    """Declare all options. None has choices: names are checked where they are known, with a hint."""
    group = parser.getgroup("execgo", "agent plans on ExecGo")
    group.addoption(
        "--execgo-matrix",
        action="store_true",
        default=False,
        help="collect scenarios × frameworks × modes × chaos profiles as tests",
    )
    for option in OPTIONS:
        _add_to_command_line(group, option)
        _add_to_ini(parser, option)


def _add_to_command_line(group: pytest.OptionGroup, option: Option) -> None:
    if option.kind == "flag":
        group.addoption(option.flag, action="store_true", default=None, help=option.summary)
        return
    action = "append" if option.kind == "many" else "store"
    metavar, text = option.metavar, option.summary
    group.addoption(option.flag, action=action, default=None, metavar=metavar, help=text)


def _add_to_ini(parser: pytest.Parser, option: Option) -> None:
    text = f"{option.flag}: {option.help}"
    if option.kind == "flag":
        parser.addini(option.key, text, type="bool", default=False)
    elif option.kind == "many":
        parser.addini(option.key, text, type="linelist", default=[])
    else:
        parser.addini(option.key, text, type="string", default="")


def matrix_wanted(config: pytest.Config) -> bool:
    """Whether to collect the matrix: for the option, for a replay, or for the folder or the file of a
    scenario."""
    if config.getoption("execgo_matrix") or config.getoption("execgo_replay"):
        return True
    called = called_folder(config)
    return any(names_scenario(argument, called) for argument in config.args)


def given(config: pytest.Config, name: str) -> Any:
    """The value on the command line, or ``None``."""
    return config.getoption(f"execgo_{name}")


def refuse_empty(config: pytest.Config) -> None:
    """Raise :class:`UsageError` for an option without a value, such as ``--execgo-seed=``: that is a
    mistake, not a request for the default."""
    for option in OPTIONS:
        found = given(config, option.name)
        if found == "" or (isinstance(found, list) and "" in found):
            raise UsageError(f"{option.flag}: needs a value: {option.help}")


def refuse_without_matrix(config: pytest.Config) -> None:
    """Raise :class:`UsageError` for an option that chooses trials in a run without the matrix, where it
    would have no effect."""
    if matrix_wanted(config):
        return
    for name in _OF_MATRIX:
        if given(config, name) is not None:
            raise UsageError(f"{BY_NAME[name].flag} has no effect without --execgo-matrix; add it")


def value(config: pytest.Config, name: str) -> Any:
    """The value on the command line, else in the ini file; ``None`` if in neither."""
    found = given(config, name)
    return _in_ini(config, BY_NAME[name]) if found is None else found


def _in_ini(config: pytest.Config, option: Option) -> Any:
    found = config.getini(option.key) or None
    for text in found or () if option.kind == "many" else ():
        if len(text) > 1 and text[0] in "'\"" and text[-1] == text[0]:
            raise UsageError(f"{option.key}: {text}: write it without the quotes around it")
        if option.value is NAME and " " in text:
            raise UsageError(f"{option.key}: {text!r}: write each name on a line of its own")
    return found


def run_id(config: pytest.Config) -> str:
    """The name of this run, the same on all xdist workers: the one that the user gives, else
    ``YYYYmmdd-HHMMSS-xxxx`` in local time."""
    if RUN_ID not in config.stash:
        worker = getattr(config, "workerinput", None)
        resumed = value(config, "resume")
        if worker:
            name = worker["execgo_run_id"]
        elif resumed:
            name = _resumed(reports_folder(config), resumed)
        elif value(config, "run_id"):
            name = _new(reports_folder(config), value(config, "run_id"))
        else:
            # Two runs may begin in the same second.
            from pytest_execgo.system import clock

            name = f"{clock.now().astimezone():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        config.stash[RUN_ID] = name
    return config.stash[RUN_ID]


def _new(reports: Path, text: str) -> str:
    """The name that ``--execgo-run-id`` gives; refused if a run has it already."""
    name: str = BY_NAME["run_id"].read(text)
    if (reports / name).exists():
        raise UsageError(
            f"--execgo-run-id {name}: {reports / name} exists already; choose another id, or "
            f"continue that run with --execgo-resume {name}"
        )
    return name


def _resumed(reports: Path, name: str) -> str:
    """The run that ``--execgo-resume NAME`` means; ``latest`` means the newest one."""
    if Path(name).name != name or name == "..":
        raise UsageError(f"--execgo-resume {name}: expected the name of a run in {reports}")
    if name != LATEST:
        return name
    link, text = reports / LATEST, reports / f"{LATEST}.txt"
    if link.is_symlink():
        return link.resolve().name
    if link.is_dir():
        raise UsageError(
            f"--execgo-resume {LATEST}: {link} is a folder, not the link to the newest run; "
            f"give the name of the run in {reports}"
        )
    return text.read_text(encoding="utf-8").strip() if text.is_file() else name


def replay_folder(config: pytest.Config) -> Path | None:
    """The folder of the trial or run to repeat. The controller resolves it once, because ``latest``
    points to the new run as soon as a worker has begun."""
    worker = getattr(config, "workerinput", None)
    if worker:
        return Path(worker["execgo_replay"]) if worker["execgo_replay"] else None
    if REPLAY not in config.stash:
        found = option_path(config, "replay")
        config.stash[REPLAY] = None if found is None else found.resolve()
    return config.stash[REPLAY]


def images(config: pytest.Config) -> str:
    """The images that the controller pulled or built, as JSON for the workers."""
    return json.dumps(config.stash.get(IMAGES, {}))


_SHOWING = ("collectonly", "setuponly", "setupplan", "showfixtures", "show_fixtures_per_test")


def only_shows(config: pytest.Config) -> bool:
    """Whether pytest only shows what it would do, as with ``--collect-only`` or ``--setup-plan``. Then
    nothing is started and nothing is written."""
    return any(getattr(config.option, name, False) for name in _SHOWING)


def distributed(config: pytest.Config) -> bool:
    """Whether xdist workers run the tests."""
    return bool(config.getoption("dist", "no") != "no" or config.getoption("tx", None))
