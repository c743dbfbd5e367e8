"""Declares the options to pytest and reads their values: the command line wins over the ini file."""

from __future__ import annotations

import json
import secrets
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.options.table import BY_NAME, OPTIONS, Option

RUN_ID: pytest.StashKey[str] = pytest.StashKey()
IMAGES: pytest.StashKey[dict[str, str]] = pytest.StashKey()
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
        parser.addini(option.key, text, type="args", default=[])
    else:
        parser.addini(option.key, text, type="string", default="")


def matrix_wanted(config: pytest.Config) -> bool:
    """Whether to collect the matrix: for the option, for a replay, or for the file of a scenario."""
    if config.getoption("execgo_matrix") or config.getoption("execgo_replay"):
        return True
    return any(Path(arg.partition("::")[0]).name == "scenario.yaml" for arg in config.args)


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


def value(config: pytest.Config, name: str) -> Any:
    """The value on the command line, else in the ini file; ``None`` if in neither."""
    found = given(config, name)
    return config.getini(BY_NAME[name].key) or None if found is None else found


def run_id(config: pytest.Config) -> str:
    """The name of this run, ``YYYYmmdd-HHMMSS-xxxx`` in local time; the same on all xdist workers."""
    if RUN_ID not in config.stash:
        worker = getattr(config, "workerinput", None)
        resumed = value(config, "resume")
        if worker:
            name = worker["execgo_run_id"]
        elif resumed:
            # `latest` is a link: use the name of the run it points to.
            name = (reports_folder(config) / resumed).resolve().name
        else:
            # Two runs may begin in the same second.
            name = f"{datetime.now():%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"
        config.stash[RUN_ID] = name
    return config.stash[RUN_ID]


def path(config: pytest.Config, name: str) -> Path | None:
    """The value as a path, ``None`` without a value. A path on the command line is relative to the
    folder in which pytest was called, one in the ini file to the root folder."""
    found = value(config, name)
    if found is None:
        return None
    called = given(config, name) is not None
    base = config.invocation_params.dir if called else config.rootpath
    return base / Path(found).expanduser()


def replay_folder(config: pytest.Config) -> Path | None:
    """The folder of the trial or run to repeat. The controller resolves it once, because ``latest``
    points to the new run as soon as a worker has begun."""
    worker = getattr(config, "workerinput", None)
    if worker:
        return Path(worker["execgo_replay"]) if worker["execgo_replay"] else None
    if REPLAY not in config.stash:
        found = path(config, "replay")
        config.stash[REPLAY] = None if found is None else found.resolve()
    return config.stash[REPLAY]


def images(config: pytest.Config) -> str:
    """The images that the controller pulled or built, as JSON for the workers."""
    return json.dumps(config.stash.get(IMAGES, {}))


def reports_folder(config: pytest.Config) -> Path:
    """The folder that holds one folder per run."""
    return path(config, "reports") or config.rootpath / "reports"


def distributed(config: pytest.Config) -> bool:
    """Whether xdist workers run the tests."""
    return bool(config.getoption("dist", "no") != "no" or config.getoption("tx", None))
