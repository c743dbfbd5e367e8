"""Declaring the options, and which source of a value wins."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.run_id import new_run_id
from pytest_execgo.run_options import OPTIONS

RUN_ID: pytest.StashKey[str] = pytest.StashKey()
IMAGES: pytest.StashKey[dict[str, str]] = pytest.StashKey()
REPLAY: pytest.StashKey[Path | None] = pytest.StashKey()


def add(parser: pytest.Parser) -> None:
    """Declare everything. No choices here: names are checked where they are known, with a hint."""
    group = parser.getgroup("execgo", "agent plans on ExecGo")
    group.addoption(
        "--execgo-matrix",
        action="store_true",
        default=False,
        help="collect scenarios × frameworks × modes × chaos profiles as tests",
    )
    for option in OPTIONS:
        if option.kind == "flag":
            group.addoption(option.flag, action="store_true", default=None, help=option.help)
            parser.addini(option.key, f"{option.flag}: {option.help}", type="bool", default=False)
            continue
        group.addoption(
            option.flag,
            action="append" if option.kind == "many" else "store",
            default=None,
            metavar=option.metavar,
            help=option.help,
        )
        text = f"{option.flag}: {option.help}"
        if option.kind == "many":
            parser.addini(option.key, text, type="args", default=[])
        else:
            parser.addini(option.key, text, type="string", default="")


def matrix_wanted(config: pytest.Config) -> bool:
    """Asked for by the option, by a replay, or by naming a scenario's file."""
    if config.getoption("execgo_matrix") or config.getoption("execgo_replay"):
        return True
    return any(Path(arg.partition("::")[0]).name == "scenario.yaml" for arg in config.args)


def given(config: pytest.Config, name: str) -> Any:
    """The value on the command line, or ``None``."""
    return config.getoption(f"execgo_{name}")


def refuse_empty(config: pytest.Config) -> None:
    """``--execgo-seed=`` is a slip, not a wish for the default."""
    for option in OPTIONS:
        found = given(config, option.name)
        if found == "" or (isinstance(found, list) and "" in found):
            raise UsageError(f"{option.flag}: needs a value ({option.help})")


def value(config: pytest.Config, name: str) -> Any:
    """The value on the command line, else in the ini file; ``None`` if in neither."""
    found = given(config, name)
    return config.getini(f"execgo_{name}") or None if found is None else found


def run_id(config: pytest.Config) -> str:
    """The name of this run: the same on all xdist workers."""
    if RUN_ID not in config.stash:
        worker = getattr(config, "workerinput", None)
        resumed = value(config, "resume")
        if worker:
            name = worker["execgo_run_id"]
        elif resumed:
            # `latest` and the like stand for the run they lead to.
            name = (reports_folder(config) / resumed).resolve().name
        else:
            name = new_run_id()
        config.stash[RUN_ID] = name
    return config.stash[RUN_ID]


def path(config: pytest.Config, name: str) -> Path | None:
    """The value as a path: from the command line relative to where pytest was called, from the ini
    file relative to the root folder; ``None`` without a value."""
    found = value(config, name)
    if found is None:
        return None
    called = given(config, name) is not None
    base = config.invocation_params.dir if called else config.rootpath
    return base / Path(found).expanduser()


def replay_folder(config: pytest.Config) -> Path | None:
    """What is to be repeated. Resolved once, by the controller: as soon as a worker has begun,
    ``latest`` leads to the new run."""
    worker = getattr(config, "workerinput", None)
    if worker:
        return Path(worker["execgo_replay"]) if worker["execgo_replay"] else None
    if REPLAY not in config.stash:
        found = path(config, "replay")
        config.stash[REPLAY] = None if found is None else found.resolve()
    return config.stash[REPLAY]


def images(config: pytest.Config) -> str:
    """The images that were made ready, as JSON."""
    return json.dumps(config.stash.get(IMAGES, {}))


def reports_folder(config: pytest.Config) -> Path:
    """Where runs go."""
    return path(config, "reports") or config.rootpath / "reports"


def distributed(config: pytest.Config) -> bool:
    """Whether xdist workers run the tests."""
    return bool(config.getoption("dist", "no") != "no" or config.getoption("tx", None))
