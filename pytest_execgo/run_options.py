"""The options of a run, as data: pytest's command line, ini files and the wrapper are made of it.

A module of its own because it must cost nothing to import.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Option:
    """One option: ``--execgo-NAME`` for pytest, ``execgo_NAME`` in its ini file, ``--NAME`` for
    ``python -m pytest_execgo run``. Hyphens on command lines are ``_`` in ini files."""

    name: str
    kind: Literal["one", "many", "flag"]
    help: str
    metavar: str = "NAME"

    @property
    def word(self) -> str:
        """The name as command lines spell it."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """As on pytest's command line."""
        return f"--execgo-{self.word}"

    @property
    def key(self) -> str:
        """As in pytest's ini file."""
        return f"execgo_{self.name}"


OPTIONS = (
    Option("framework", "many", "agent framework to plan with (default: all installed)"),
    Option("scenario", "many", "scenario to run (default: all)"),
    Option("mode", "many", "live or replay (default: replay)"),
    Option("chaos", "many", "chaos profile, a pattern, or 'all' (default: none)"),
    Option("repetitions", "one", "trials per cell (default: 1)", "N"),
    Option("seed", "one", "seed of the dice of chaos (default: 7)", "N"),
    Option("request", "one", "a BenchmarkRunRequest as JSON or YAML; options override it", "FILE"),
    Option("scenarios", "one", "folder of scenarios (default: ./scenarios, else built-in)", "DIR"),
    Option("reports", "one", "folder of reports (default: ./reports)", "DIR"),
    Option("harness", "one", "launcher of all services: embedded or container (default: embedded)"),
    Option(
        "service",
        "many",
        "launcher of one service, e.g. execgo=binary:./execgo",
        "NAME=KIND:TARGET",
    ),
    Option("fleet", "one", "use the fleet that 'harness up NAME' keeps running"),
    Option(
        "python_image",
        "one",
        "Python image that containers of ours are built from (default: python:3.13-slim)",
        "IMAGE",
    ),
    Option(
        "ready_timeout", "one", "how long a service may take to be ready (default: 30)", "SECONDS"
    ),
    Option(
        "provider", "one", "live mode: openai-compatible, or scripted (fixtures plays a script)"
    ),
    Option("model", "one", "the model's name; with --execgo-provider scripted, the script's"),
    Option("base_url", "one", "the model's endpoint, as in http://127.0.0.1:11434/v1", "URL"),
    Option("temperature", "one", "as the provider defines it (default: the provider's)", "NUMBER"),
    Option("max_tokens", "one", "of one answer (default: the provider's)", "N"),
    Option(
        "max_repairs", "one", "how often an invalid plan goes back to the model (default: 2)", "N"
    ),
    Option(
        "model_timeout",
        "one",
        "how long one answer of the model may take (default: 120; scripted: 5)",
        "SECONDS",
    ),
    Option("plan_requests", "one", "how often one plan may ask the model (default: 20)", "N"),
    Option("plan_tokens", "one", "how many tokens one plan may use (default: any number)", "N"),
    Option("plan_seconds", "one", "how long one plan may take (default: 600)", "SECONDS"),
    Option(
        "record", "flag", "keep what models say in live mode, to be replayed: scenarios/*/traces"
    ),
    Option(
        "known_findings",
        "many",
        "take a finding about an engine as known: such failures are counted apart",
        "ID=REASON",
    ),
    Option(
        "fail_if",
        "many",
        "make the run red on a condition, e.g. 'attribution_accuracy < 0.99'",
        "EXPR",
    ),
    Option("replay", "one", "repeat a recorded trial (or all of a run) and compare", "DIR"),
    Option("shard", "one", "run part i of n of the trials", "i/n"),
    Option("resume", "one", "run only what is missing in this run of the reports folder", "RUN"),
)
