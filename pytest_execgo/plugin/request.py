"""What a run is asked for: command line over request file over ini file over defaults; or as an earlier
run was asked for, which is resumed or repeated."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_execgo.errors import UsageError, unknown_name
from pytest_execgo.harness.containers.persistent_launcher import KIND as PERSISTENT_KIND
from pytest_execgo.models.benchmark import BenchmarkRunRequest, TrialResult
from pytest_execgo.models.context import MOST_SECONDS
from pytest_execgo.models.document import load, parse
from pytest_execgo.plugin import options
from pytest_execgo.run.matrix import NO_MODEL
from pytest_execgo.run.planning import SCRIPTED
from pytest_execgo.scenario.findings import parse_accepted

REQUEST = "request.json"
_FIELDS = {
    "scenarios": "scenario",
    "frameworks": "framework",
    "modes": "mode",
    "chaos": "chaos",
    "repetitions": "repetitions",
    "seed": "seed",
    "harness": "harness",
    "python_image": "python_image",
    "max_repairs": "max_repairs",
}
_NUMBERS = {"repetitions": 1, "seed": 0, "max_repairs": 0}
OPENAI = "openai-compatible"


def _url(text: str) -> str:
    try:
        parts = urlsplit(text)
        sound = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise UsageError(
            f"--execgo-base-url {text}: expected a URL, as in http://127.0.0.1:11434/v1"
        )
    if "@" in parts.netloc:
        raise UsageError(
            "--execgo-base-url holds a password; give the key in OPENAI_API_KEY instead"
        )
    if parts.query or parts.fragment or parts.path.rstrip("/").endswith("/chat/completions"):
        raise UsageError(
            "--execgo-base-url: expected just the address below which /chat/completions is, as in "
            f"{parts.scheme}://{parts.netloc}/v1: no query, no fragment, no path of a request"
        )
    return text


def _flag(name: str) -> str:
    """An option as the command line spells it."""
    return f"--execgo-{name.replace('_', '-')}"


def _text(name: str, text: str) -> str:
    return text


def _decimal(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise UsageError(f"{_flag(name)} {text!r}: expected a number of at least 0")
    return number


def _seconds(name: str, text: str) -> float:
    number = _decimal(name, text)
    if not 0 < number <= MOST_SECONDS:
        raise UsageError(f"{_flag(name)} {text!r}: expected more than 0 seconds, and at most a day")
    return number


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise UsageError(f"{_flag(name)} {text!r}: expected a whole number of at least 1")
    return int(text)


MODEL_OPTIONS: dict[str, Callable[[str, str], Any]] = {
    "provider": _text,
    "model": _text,
    "base_url": _text,
    "temperature": _decimal,
    "max_tokens": _whole,
    "model_timeout": _seconds,
}
BUDGET_OPTIONS: dict[str, tuple[str, Callable[[str, str], Any]]] = {
    "plan_requests": ("requests", _whole),
    "plan_tokens": ("tokens", _whole),
    "plan_seconds": ("seconds", _seconds),
}
"""Option: field of the budget, and how its value is read."""


def _number(name: str, text: Any) -> int:
    """A whole number of at least what the option takes."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < _NUMBERS[name]:
        raise UsageError(
            f"{_flag(name)} {text!r}: expected a whole number of at least {_NUMBERS[name]}"
        )
    return number


@dataclass(frozen=True)
class RequestReader:
    """Reads it. ``recorded``: the trials that are to be repeated, folder and result by id."""

    config: pytest.Config
    recorded: Mapping[str, tuple[Path, TrialResult]]

    def read(self) -> BenchmarkRunRequest:
        """The request; raises :class:`UsageError` for what cannot be meant."""
        if self.recorded:
            return self._replayed_request()
        if options.value(self.config, "resume"):
            return self._resumed_request()
        file = options.path(self.config, "request")
        base: dict[str, Any] = {"schema_version": "1"}
        asked: set[str] = set()
        if file:
            loaded = load(BenchmarkRunRequest, file)
            base |= loaded.model_dump(mode="json")
            asked = set(loaded.model_fields_set)
        for field, name in _FIELDS.items():
            found = options.given(self.config, name)
            if found is None and field not in asked:
                found = options.value(self.config, name)
            if found:
                base[field] = _number(name, found) if name in _NUMBERS else found
        kept = self._persistent(asked)
        if kept:
            base["harness"] = kept
        services = self._services(asked)
        if services is not None:
            base["services"] = services
        live = "live" in base.get("modes", ())
        # Whether execgo_run will be asked for live trials is not known beforehand.
        wanted = live or not options.matrix_wanted(self.config)
        model = self._model(base.get("model"), asked, live=live) if wanted else None
        if model:
            base["model"] = model
        budget = self._budget(base.get("budget"), asked)
        if budget:
            base["budget"] = budget
        findings = self._chosen("known_findings", asked)
        if findings:
            flag = "--execgo-known-findings"
            base["known_findings"] = [f.model_dump() for f in parse_accepted(findings, flag)]
        if live and not base.get("model"):
            raise UsageError(NO_MODEL)
        if not wanted:
            self._refuse_what_is_for_live_mode()
        return parse(BenchmarkRunRequest, base, "command line")

    def _refuse_what_is_for_live_mode(self) -> None:
        """Nothing that was said on the command line is passed over in silence."""
        for name in (*MODEL_OPTIONS, *BUDGET_OPTIONS, "record"):
            if options.given(self.config, name) is not None:
                raise UsageError(
                    f"{_flag(name)} is for live mode, in which a model is asked; add --execgo-mode live"
                )

    def _resumed_request(self) -> BenchmarkRunRequest:
        """A run is resumed as it was asked for: other options would mix two runs under one name."""
        folder = options.reports_folder(self.config) / options.run_id(self.config)
        if not (folder / REQUEST).is_file():
            resumed = options.value(self.config, "resume")
            raise UsageError(f"--execgo-resume {resumed}: no such run in {folder.parent}")
        for name in (
            "request",
            "service",
            "fleet",
            "known_findings",
            *_FIELDS.values(),
            *MODEL_OPTIONS,
            *BUDGET_OPTIONS,
        ):
            if options.given(self.config, name) is not None:
                raise UsageError(
                    f"--execgo-resume takes the request of the run it resumes; leave out {_flag(name)}"
                )
        return load(BenchmarkRunRequest, folder / REQUEST)

    def _replayed_request(self) -> BenchmarkRunRequest:
        """What makes the recorded trials: their own dimensions and seed, on the fleet they had."""
        refused = {
            "request",
            "resume",
            "known_findings",
            "shard",
            "record",
            *_FIELDS.values(),
            *MODEL_OPTIONS,
            *BUDGET_OPTIONS,
        }
        refused -= {"harness", "python_image"}
        for name in sorted(refused):
            if options.given(self.config, name) is not None:
                raise UsageError(
                    f"--execgo-replay repeats trials as they were; leave out {_flag(name)}"
                )
        results = [result for _, result in self.recorded.values()]
        run = next(iter(self.recorded.values()))[0].parent.parent
        if not (run / REQUEST).exists():
            raise UsageError(
                f"--execgo-replay: {run} has no {REQUEST}, which says on what fleet the trial ran; "
                "give the trial's folder where it was written (reports/RUN/trials/ID)"
            )
        asked = load(BenchmarkRunRequest, run / REQUEST)
        update: dict[str, Any] = {
            "scenarios": tuple(dict.fromkeys(r.scenario for r in results)),
            "frameworks": tuple(dict.fromkeys(r.framework for r in results)),
            "modes": tuple(dict.fromkeys(r.mode for r in results)),
            "chaos": tuple(dict.fromkeys(r.chaos for r in results)),
            "repetitions": max(r.repetition for r in results) + 1,
            "seed": results[0].seed,
        }
        harness = self._persistent(set()) or options.given(self.config, "harness")
        services = self._services(set())
        if harness:
            update |= {"harness": harness, "services": {}}
        python_image = options.given(self.config, "python_image")
        if python_image:
            update["python_image"] = python_image
        if services is not None:
            update["services"] = services
        return asked.model_copy(update=update)

    def _chosen(self, name: str, asked: set[str], field: str = "") -> list[str] | None:
        """The words of an option; those of the ini file only where the request file has none."""
        words: list[str] | None = options.given(self.config, name)
        if words is None and (field or name) not in asked:
            words = options.value(self.config, name)
        return words

    def _model(
        self, file: dict[str, Any] | None, asked: set[str], *, live: bool
    ) -> dict[str, Any] | None:
        """The model of live trials: options over the request file, that over the ini file. ``None`` for
        half a model where nobody may need one."""
        found: dict[str, Any] = dict(file or {})
        # Who says another provider here does not mean the model of the other one; patience is no
        # matter of the model.
        only_given = options.given(self.config, "provider") is not None
        if only_given:
            found = {}
        for name, read in MODEL_OPTIONS.items():
            reported = options.given(self.config, name)
            kept = name == "model_timeout" or not only_given
            if reported is None and "model" not in asked and kept:
                reported = options.value(self.config, name)
            if reported is not None:
                found[name] = read(name, reported)
        if not found:
            return None
        provider = found.setdefault("provider", OPENAI)
        if provider not in (OPENAI, SCRIPTED):
            raise UsageError(unknown_name("provider", provider, (OPENAI, SCRIPTED)))
        if provider == SCRIPTED:
            found.setdefault("model", "default")
            return found
        for name, example in (("model", "gpt-4.1"), ("base_url", "http://127.0.0.1:11434/v1")):
            if not found.get(name) and not live:
                return None
            if not found.get(name):
                raise UsageError(f"live mode needs {_flag(name)}, as in {_flag(name)} {example}")
        found["base_url"] = _url(found["base_url"])
        return found

    def _budget(self, file: dict[str, Any] | None, asked: set[str]) -> dict[str, Any]:
        """What a plan may cost: options over the request file, that over the ini file."""
        found = dict(file or {})
        for name, (field, read) in BUDGET_OPTIONS.items():
            reported = options.given(self.config, name)
            if reported is None and "budget" not in asked:
                reported = options.value(self.config, name)
            if reported is not None:
                found[field] = read(name, reported)
        return found

    def _persistent(self, asked: set[str]) -> str | None:
        """``--execgo-fleet NAME`` as a harness."""
        name = options.given(self.config, "fleet")
        if name is None and not asked & {"harness", "services"}:
            name = options.value(self.config, "fleet")
        if not name:
            return None
        for other in ("harness", "service"):
            if options.given(self.config, other) is not None:
                raise UsageError(
                    f"--execgo-fleet {name} has its services already; leave out --execgo-{other}"
                )
        return f"{PERSISTENT_KIND}:{name}"

    def _services(self, asked: set[str]) -> dict[str, str] | None:
        words = self._chosen("service", asked, "services")
        if not words:
            return None
        services = {}
        for word in words:
            name, sign, choice = word.partition("=")
            if not sign or not choice:
                raise UsageError(
                    f"--execgo-service {word!r}: expected NAME=KIND[:TARGET], "
                    "as in execgo=binary:./execgo"
                )
            services[name] = choice
        return services
