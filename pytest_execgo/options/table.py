"""The table of options, one row each. From a row derive the option on pytest's command line, in its ini
file and in ``python -m pytest_execgo run``, its part of the request, the combinations that are refused,
its part of the rerun command, and its row in docs/options.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal

from pytest_execgo.options.values import (
    Decimal,
    KnownFinding,
    Name,
    Repetitions,
    RunId,
    Seconds,
    ServiceArguments,
    ServiceLauncher,
    Text,
    Url,
    Value,
    Whole,
)

Rule = Literal["allow", "refuse"]
NAME = Name()


@dataclass(frozen=True)
class Option:
    """One option: ``--execgo-NAME`` for pytest, ``execgo_NAME`` in its ini file, ``--NAME`` for
    ``python -m pytest_execgo run``. Hyphens on command lines are ``_`` in ini files.

    ``kind``: given once, many times, or without a value. ``help`` is one line for the terminal and the
    documentation; ``notes`` is Markdown that only the documentation adds. ``default`` is text for both.
    ``field`` is the dotted path in ``BenchmarkRunRequest``; ``None`` if the request does not hold it.
    ``live_only``: a run without live mode refuses it on the command line. ``resume`` and ``replay``:
    what ``--execgo-resume`` and ``--execgo-replay`` do with it. ``rerun``: whether the rerun command of
    a trial repeats it if it differs from the default: always, only for live trials, or never.
    """

    name: str
    kind: Literal["one", "many", "flag"]
    help: str
    metavar: str = "NAME"
    default: str = "–"
    notes: str = ""
    value: Value = NAME
    field: str | None = None
    live_only: bool = False
    resume: Rule = "refuse"
    replay: Rule = "refuse"
    rerun: Literal["always", "live", "never"] = "never"

    @property
    def word(self) -> str:
        """The name as command lines spell it."""
        return self.name.replace("_", "-")

    @property
    def flag(self) -> str:
        """The name on pytest's command line."""
        return f"--execgo-{self.word}"

    @property
    def key(self) -> str:
        """The name in pytest's ini file."""
        return f"execgo_{self.name}"

    @property
    def summary(self) -> str:
        """The text of ``--help``."""
        notes = ["live mode only"] if self.live_only else []
        notes += [f"default: {self.default}"] if self.default not in ("–", "off") else []
        text = f"{self.help} ({', '.join(notes)})" if notes else self.help
        return text.replace("`", "").replace("%", "%%")

    def read(self, given: Any) -> Any:
        """The value of a text, or of a list of texts for ``many``; raises :class:`UsageError`."""
        if self.kind == "many":
            return self.value.collect([self.value.read(self.flag, text) for text in given])
        return self.value.read(self.flag, given)

    def arguments(self, words: Iterable[str]) -> list[str]:
        """The option with each of ``words``, as separate arguments for pytest."""
        return [argument for word in words for argument in (self.flag, word)]


OPTIONS = (
    Option(
        "scenario",
        "many",
        "scenario to run",
        default="all",
        field="scenarios",
    ),
    Option(
        "framework",
        "many",
        "agent framework to plan with",
        default="all installed",
        notes="`reference` replays the reference plan",
        field="frameworks",
    ),
    Option(
        "mode",
        "many",
        "how plans are made: live (a model is asked) or replay (from recordings)",
        "live|replay",
        default="`replay`",
        field="modes",
    ),
    Option(
        "chaos",
        "many",
        "chaos profile, a pattern such as 'model_*', or 'all'",
        default="`none`",
        field="chaos",
    ),
    Option(
        "repetitions",
        "one",
        "trials per cell; auto:N for as many as a gate needs, at most N",
        "N|auto:N",
        default="1",
        notes="[when it stops](reports.md#adaptive-repetitions)",
        value=Repetitions(),
        field="repetitions",
    ),
    Option(
        "seed",
        "one",
        "seed of the random draws; the same seed repeats the same faults",
        "N",
        default="7",
        value=Whole(0),
        field="seed",
    ),
    Option(
        "confirm",
        "one",
        "repeat each trial that failed or recovered, N times with its faults and N times without",
        "N",
        default="0",
        notes="[what the outcomes mean](chaos.md#confirmation); no model is asked",
        value=Whole(0),
        field="confirm",
        replay="allow",
    ),
    Option(
        "request",
        "one",
        "a BenchmarkRunRequest as JSON or YAML; options override it",
        "FILE",
        notes="[schema](schemas/benchmark_run_request.schema.json)",
    ),
    Option(
        "scenarios",
        "one",
        "folder of scenarios",
        "DIR",
        default="the nearest `scenarios` up to the root folder, else built-in",
        resume="allow",
        replay="allow",
        rerun="always",
    ),
    Option(
        "reports",
        "one",
        "folder that runs are written to",
        "DIR",
        default="`reports` in the root folder",
        value=Text(),
        resume="allow",
        replay="allow",
    ),
    Option(
        "harness",
        "one",
        "launcher of all services: embedded or container",
        "KIND",
        default="`embedded`",
        notes="[docs/harness.md](harness.md)",
        field="harness",
        replay="allow",
        rerun="always",
    ),
    Option(
        "service",
        "many",
        "launcher of one service, e.g. execgo=binary:./execgo",
        "NAME=KIND[:TARGET]",
        notes="also `execgo=container:IMAGE`, `execgo=container:build:PATH`, `execgo=external:URL`, …",
        value=ServiceLauncher(),
        field="services",
        replay="allow",
        rerun="always",
    ),
    Option(
        "service_args",
        "many",
        "further arguments for a service that is launched as a binary",
        "NAME=ARGUMENTS",
        notes="e.g. `runtime='--max-running-tasks 1'`; split as a shell does, and recorded in "
        "`environment.json`; [which ones](harness.md#arguments-for-binaries)",
        value=ServiceArguments(),
        field="service_args",
        replay="allow",
        rerun="always",
    ),
    Option(
        "fleet",
        "one",
        "use the persistent fleet that 'harness up NAME' started",
        replay="allow",
    ),
    Option(
        "python_image",
        "one",
        "Python image that the images of our own services are built from",
        "IMAGE",
        default="`python:3.13-slim`",
        value=Text(),
        field="python_image",
        replay="allow",
        rerun="always",
    ),
    Option(
        "ready_timeout",
        "one",
        "how long a service may take to become ready",
        "SECONDS",
        default="30",
        value=Seconds(),
        resume="allow",
        replay="allow",
    ),
    Option(
        "provider",
        "one",
        "the model's provider: openai-compatible, or scripted (the fixtures service plays a script)",
        notes="[docs/adapters.md](adapters.md)",
        field="model.provider",
        live_only=True,
        rerun="live",
    ),
    Option(
        "model",
        "one",
        "the model's name; with the provider scripted, the name of a script",
        default="`default` for `scripted`",
        value=Text(),
        field="model.model",
        live_only=True,
        rerun="live",
    ),
    Option(
        "base_url",
        "one",
        "the model's endpoint without /chat/completions, e.g. http://127.0.0.1:11434/v1",
        "URL",
        default="`OPENAI_BASE_URL` of the environment",
        notes="the key comes from `OPENAI_API_KEY`",
        value=Url(),
        field="model.base_url",
        live_only=True,
        rerun="live",
    ),
    Option(
        "temperature",
        "one",
        "sampling temperature, as the provider defines it",
        "NUMBER",
        default="the provider's",
        value=Decimal(),
        field="model.temperature",
        live_only=True,
        rerun="live",
    ),
    Option(
        "max_tokens",
        "one",
        "most tokens of one answer",
        "N",
        default="the provider's",
        value=Whole(1),
        field="model.max_tokens",
        live_only=True,
        rerun="live",
    ),
    Option(
        "max_repairs",
        "one",
        "how often an invalid plan goes back to the model",
        "N",
        default="2",
        value=Whole(0),
        field="max_repairs",
        live_only=True,
        rerun="live",
    ),
    Option(
        "model_timeout",
        "one",
        "how long one answer of the model may take",
        "SECONDS",
        default="120; `scripted`: 5",
        notes="after a silence of this length the model is asked again, twice at most",
        value=Seconds(),
        field="model.model_timeout",
        live_only=True,
        rerun="live",
    ),
    Option(
        "plan_requests",
        "one",
        "how often one plan may ask the model, retries counted",
        "N",
        default="20, or two for each allowed answer if that is more",
        value=Whole(1),
        field="budget.requests",
        live_only=True,
        rerun="live",
    ),
    Option(
        "plan_tokens",
        "one",
        "how many tokens one plan may use before its next request is refused",
        "N",
        default="any number",
        value=Whole(1),
        field="budget.tokens",
        live_only=True,
        rerun="live",
    ),
    Option(
        "plan_seconds",
        "one",
        "how long one plan may take, waiting included",
        "SECONDS",
        default="600",
        value=Seconds(),
        field="budget.seconds",
        live_only=True,
        rerun="live",
    ),
    Option(
        "record",
        "flag",
        "keep the model's answers in scenarios/*/traces, for replay",
        default="off",
        live_only=True,
        resume="allow",
    ),
    Option(
        "share_reports",
        "flag",
        "let other users read the folder of the run, as the umask allows",
        default="off: only you can read it",
        resume="allow",
        replay="allow",
    ),
    Option(
        "update_expected",
        "flag",
        "rewrite the files that `equals_file` names with what the trials produced, after asking",
        default="off",
        notes="[how](scenarios.md#expected-files); trials with faults do not count",
        resume="allow",
    ),
    Option(
        "yes",
        "flag",
        "answer the question of --execgo-update-expected with yes",
        default="off",
        resume="allow",
        replay="allow",
    ),
    Option(
        "known_findings",
        "many",
        "accept a finding about an engine as known: its failures are counted apart",
        "ID=REASON",
        notes="such trials are `xfail`; [the findings](engine-findings.md)",
        value=KnownFinding(),
        field="known_findings",
        rerun="always",
    ),
    Option(
        "fail_if",
        "many",
        "fail the run on a condition, e.g. 'attribution_accuracy < 0.99'",
        "EXPR",
        notes="[conditions and figures](#figures); a figure that the run does not have fails the run",
        value=Text(),
        resume="allow",
        replay="allow",
    ),
    Option(
        "compare",
        "one",
        "compare with an earlier run: a folder reports/RUN, or its benchmark.json",
        "RUN",
        notes="[what it says](reports.md#compare); the run fails if it is worse",
        value=Text(),
        resume="allow",
        replay="allow",
    ),
    Option(
        "html_budget",
        "one",
        "the most that index.html may hold, in MiB; what has no room is counted on its first page",
        "MIB",
        default="24",
        notes="[the viewer](viewer.md)",
        value=Decimal(),
        resume="allow",
        replay="allow",
    ),
    Option(
        "replay",
        "one",
        "repeat a recorded trial, or all trials of a run, and compare",
        "DIR",
        notes="implies `--execgo-matrix`; [how](chaos.md#replay)",
        replay="allow",
    ),
    Option(
        "shard",
        "one",
        "run part i of n of the trials: every n-th, beginning with the i-th; auto: as the CI job says",
        "i/n|auto",
        notes="[which CI systems](reports.md#shards)",
        field="shard",
    ),
    Option(
        "shard_weights",
        "one",
        "divide the trials by the times in an earlier benchmark.json, so that shards take equally long",
        "FILE",
        notes="give every shard the same file",
        value=Text(),
        field="shard_weights",
    ),
    Option(
        "run_id",
        "one",
        "name of the run, and of its folder in reports",
        "ID",
        default="date, time and four random digits",
        notes="at most 80 letters, digits, `.`, `_` and `-`; the folder must not exist yet",
        value=RunId(),
        replay="allow",
    ),
    Option(
        "resume",
        "one",
        "run only the trials that have no result in reports/RUN",
        "RUN",
        notes="as that run was requested; `latest` works. The exit code counts all trials of the run. "
        "Tests that call `execgo_run` run again as a whole",
        resume="allow",
    ),
)
BY_NAME = {option.name: option for option in OPTIONS}
MODEL_OPTIONS = tuple(option for option in OPTIONS if (option.field or "").startswith("model."))
