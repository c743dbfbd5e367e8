"""The options, their ini twins, and which of both (or the request file) wins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pytest

from pytest_execgo.run_id import new_run_id

RUN_ID: pytest.StashKey[str] = pytest.StashKey()


@dataclass(frozen=True)
class Option:
    """One option: ``--execgo-NAME`` and ``execgo_NAME`` in the ini file."""

    name: str
    kind: Literal["one", "many"]
    help: str
    metavar: str = "NAME"

    @property
    def flag(self) -> str:
        """As on the command line."""
        return f"--execgo-{self.name}"

    @property
    def key(self) -> str:
        """As in the ini file."""
        return f"execgo_{self.name}"


OPTIONS = (
    Option("framework", "many", "agent framework to plan with (default: all installed)"),
    Option("scenario", "many", "scenario to run (default: all)"),
    Option("mode", "many", "live or replay (default: replay)"),
    Option("chaos", "many", "chaos profile, or 'all' (default: none)"),
    Option("repetitions", "one", "trials per cell (default: 1)", "N"),
    Option("seed", "one", "seed of the dice of chaos (default: 7)", "N"),
    Option("request", "one", "a BenchmarkRunRequest as JSON or YAML; options override it", "FILE"),
    Option("scenarios", "one", "folder of scenarios (default: ./scenarios, else built-in)", "DIR"),
    Option("reports", "one", "folder of reports (default: ./reports)", "DIR"),
    Option("harness", "one", "launcher of all services (default: embedded)"),
    Option(
        "service", "many", "launcher of one service, e.g. execgo=binary:./execgo", "NAME=KIND:TARGET"
    ),
    Option("shard", "one", "run part i of n of the trials", "i/n"),
    Option("resume", "one", "run only what is missing in this run of the reports folder", "RUN"),
)


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
        group.addoption(
            option.flag,
            action="append" if option.kind == "many" else "store",
            default=None,
            metavar=option.metavar,
            help=option.help,
        )
        parser.addini(
            option.key,
            f"{option.flag}: {option.help}",
            type="args" if option.kind == "many" else "string",
            default=[] if option.kind == "many" else "",
        )


def matrix_wanted(config: pytest.Config) -> bool:
    """Asked for by the option, or by naming a scenario's file."""
    if config.getoption("execgo_matrix"):
        return True
    return any(Path(arg.partition("::")[0]).name == "scenario.yaml" for arg in config.args)


def given(config: pytest.Config, name: str) -> Any:
    """The value on the command line, or ``None``."""
    return config.getoption(f"execgo_{name}")


def value(config: pytest.Config, name: str) -> Any:
    """The value on the command line, else in the ini file; ``None`` or ``[]`` if in neither."""
    found = given(config, name)
    return config.getini(f"execgo_{name}") or None if found is None else found


def run_id(config: pytest.Config) -> str:
    """The name of this run: the same on all xdist workers."""
    if RUN_ID not in config.stash:
        worker = getattr(config, "workerinput", None)
        resumed = value(config, "resume")
        config.stash[RUN_ID] = worker["execgo_run_id"] if worker else resumed or new_run_id()
    return config.stash[RUN_ID]
