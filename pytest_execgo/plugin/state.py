"""What the plugin knows of the current run, made when it is first needed, kept in the stash."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable
from contextlib import nullcontext
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from pytest_execgo import builtins
from pytest_execgo.benchmark.gates import Gate
from pytest_execgo.benchmark.matrix import Shard
from pytest_execgo.catalogue import Catalogue
from pytest_execgo.conformance.findings import parse_accepted
from pytest_execgo.errors import UsageError, unknown_name
from pytest_execgo.harness.fleet import FleetSpec
from pytest_execgo.harness.launchers.kept import KIND as KEPT_KIND
from pytest_execgo.harness.readiness import DEFAULT_TIMEOUT_SECONDS
from pytest_execgo.harness.service import SERVICE_NAMES, LaunchSettings
from pytest_execgo.models.benchmark import BenchmarkResult, BenchmarkRunRequest, TrialResult
from pytest_execgo.models.context import DEFAULT_MAX_REPAIRS
from pytest_execgo.models.document import load, parse
from pytest_execgo.planning import SCRIPTED
from pytest_execgo.plugin import options
from pytest_execgo.registry import ENTRY_POINTS, Registry
from pytest_execgo.scenario.catalog import scenario_folder
from pytest_execgo.session import RunSession
from pytest_execgo.settings import DEFAULT_SEED, RunSettings


class PluginState:
    """Request, settings, catalogue and session of one pytest process."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.result: BenchmarkResult | None = None
        self.report_failures: list[str] = []
        self.tripped: list[str] = []
        self.outcomes: dict[str, tuple[str, str]] = {}
        self.planned: dict[str, str] = {}

    @classmethod
    def of(cls, config: pytest.Config) -> PluginState:
        """The state of this process."""
        if _STATE not in config.stash:
            config.stash[_STATE] = cls(config)
        return config.stash[_STATE]

    def say(self, line: str) -> None:
        """Progress of something slow, on the terminal; a worker has none."""
        reporter = self.config.pluginmanager.get_plugin("terminalreporter")
        capture = self.config.pluginmanager.get_plugin("capturemanager")
        if reporter is None:
            return
        # While a test runs, what is written would count as its output.
        with capture.global_and_fixture_disabled() if capture else nullcontext():
            reporter.ensure_newline()
            reporter.write_line(f"execgo: {line}")

    @property
    def is_worker(self) -> bool:
        """Whether this is an xdist worker."""
        return hasattr(self.config, "workerinput")

    @cached_property
    def request(self) -> BenchmarkRunRequest:
        """Command line over request file over ini file over defaults."""
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
        kept = self._kept(asked)
        if kept:
            base["harness"] = kept
        services = self._services(asked)
        if services is not None:
            base["services"] = services
        live = "live" in base.get("modes", ())
        model = self._model(base.get("model"), asked) if live else None
        if model:
            base["model"] = model
        findings = self._chosen("known_findings", asked)
        if findings:
            flag = "--execgo-known-findings"
            base["known_findings"] = [f.model_dump() for f in parse_accepted(findings, flag)]
        if live and not base.get("model"):
            raise UsageError(
                "live mode asks a model: give --execgo-provider openai-compatible --execgo-base-url URL "
                "--execgo-model NAME, or --execgo-provider scripted"
            )
        return parse(BenchmarkRunRequest, base, "command line")

    def _resumed_request(self) -> BenchmarkRunRequest:
        """A run is resumed as it was asked for: other options would mix two runs under one name."""
        folder = options.reports_folder(self.config) / options.run_id(self.config)
        if not (folder / REQUEST).is_file():
            resumed = options.value(self.config, "resume")
            raise UsageError(f"--execgo-resume {resumed}: no such run in {folder.parent}")
        for name in ("request", "service", "fleet", "known_findings", *_FIELDS.values(), *_MODEL):
            if options.given(self.config, name) is not None:
                raise UsageError(
                    f"--execgo-resume takes the request of the run it resumes; leave out "
                    f"--execgo-{name.replace('_', '-')}"
                )
        return load(BenchmarkRunRequest, folder / REQUEST)

    @cached_property
    def settings(self) -> RunSettings:
        """Folders, run id, seed, fleet."""
        seed = self.request.seed
        worker = getattr(self.config, "workerinput", None) or {}
        return RunSettings(
            root=self.config.rootpath,
            reports=options.reports_folder(self.config),
            run_id=options.run_id(self.config),
            seed=DEFAULT_SEED if seed is None else seed,
            fleet=self.fleet_spec,
            workers=int(worker.get("execgo_workers", 1)),
            options=self._rerun_options(),
            repeats=bool(self.recorded),
            record=bool(options.value(self.config, "record")),
            # Read once; no file, trace or framework is given it.
            api_key=_key(os.environ.get("OPENAI_API_KEY", "")),
            plans={
                trial_id: path / PLAN
                for trial_id, (path, _) in self.recorded.items()
                if (path / PLAN).exists()
            },
        )

    @cached_property
    def fleet_spec(self) -> FleetSpec:
        """Which launcher brings up which service."""
        choices = tuple(sorted(self.request.services.items()))
        # Which profiles execgo_run will be asked for is not known beforehand, and a test keeps the
        # addresses of its fleet: so all links are there from the beginning.
        links = frozenset() if options.matrix_wanted(self.config) else frozenset(SERVICE_NAMES)
        return FleetSpec(
            self.request.harness,
            choices,
            links,
            self._service_base(),
            LaunchSettings(self.request.python_image, self._pinned()),
            self._ready_timeout(),
        )

    def _service_base(self) -> Path:
        """What paths of services are relative to: those of the ini file to the root folder."""
        said = self.config.getini("execgo_service") or self.config.getini("execgo_harness")
        given = [options.given(self.config, name) for name in ("service", "harness", "request")]
        if said and not any(given):
            return self.config.rootpath
        return self.config.invocation_params.dir

    def _pinned(self) -> dict[str, str]:
        """The images that the process which reports has made ready; filled by ``prepare`` there."""
        worker = getattr(self.config, "workerinput", None) or {}
        found: dict[str, str] = json.loads(worker.get("execgo_images", "{}"))
        return found

    def _ready_timeout(self) -> float:
        found = options.value(self.config, "ready_timeout")
        if found is None:
            return DEFAULT_TIMEOUT_SECONDS
        try:
            seconds = float(found)
        except ValueError:
            seconds = 0.0
        if not 0 < seconds < math.inf:
            raise UsageError(f"--execgo-ready-timeout {found!r}: expected a number of seconds")
        return seconds

    @cached_property
    def registry(self) -> Registry:
        """Built-in parts, entry points, and the hooks of every ``conftest.py`` known so far."""
        manager = self.config.pluginmanager
        if not manager.is_registered(builtins):
            manager.register(builtins, "execgo-builtins")
            manager.load_setuptools_entrypoints(ENTRY_POINTS)
        return Registry.from_hook(self.config.hook)

    @cached_property
    def catalogue(self) -> Catalogue:
        """Scenarios and profiles; misspelt names of the request are found here."""
        # A list of tests can be had on a machine that cannot run them.
        names_only = bool(self.config.option.collectonly)
        self.fleet_spec.resolve(self.registry.launchers, names_only=names_only)
        folder = scenario_folder(options.path(self.config, "scenarios"), self.config.rootpath)
        return Catalogue(folder, self.registry, self.request)

    @cached_property
    def shard(self) -> Shard | None:
        """The part of the trials that this run is to do."""
        text = options.value(self.config, "shard")
        return Shard.parse(text) if text else None

    @cached_property
    def session(self) -> RunSession:
        """The session that runs trials in this process."""
        return RunSession(self.settings, self.catalogue, self.say)

    @cached_property
    def recorded(self) -> dict[str, tuple[Path, TrialResult]]:
        """The trials that are to be repeated: folder and result by id; empty without a replay."""
        folder = options.replay_folder(self.config)
        if folder is None:
            return {}
        folders = [folder] if (folder / RESULT).exists() else sorted(folder.glob("trials/*"))
        found = {
            path: load(TrialResult, path / RESULT) for path in folders if (path / RESULT).exists()
        }
        if not found:
            raise UsageError(
                f"--execgo-replay {folder}: no {RESULT} there; give the folder of a trial "
                "(reports/RUN/trials/ID) or of a run (reports/RUN)"
            )
        return {result.trial_id: (path, result) for path, result in found.items()}

    def _replayed_request(self) -> BenchmarkRunRequest:
        """What makes the recorded trials: their own dimensions and seed, on the fleet they had."""
        refused = {
            "request",
            "resume",
            "known_findings",
            "shard",
            "record",
            *_FIELDS.values(),
            *_MODEL,
        }
        refused -= {"harness", "python_image"}
        for name in sorted(refused):
            if options.given(self.config, name) is not None:
                word = name.replace("_", "-")
                raise UsageError(
                    f"--execgo-replay repeats trials as they were; leave out --execgo-{word}"
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
        harness = self._kept(set()) or options.given(self.config, "harness")
        services = self._services(set())
        if harness:
            update |= {"harness": harness, "services": {}}
        python_image = options.given(self.config, "python_image")
        if python_image:
            update["python_image"] = python_image
        if services is not None:
            update["services"] = services
        return asked.model_copy(update=update)

    @cached_property
    def gates(self) -> tuple[Gate, ...]:
        """The conditions that make the run red."""
        return tuple(Gate.parse(text) for text in options.value(self.config, "fail_if") or ())

    def _chosen(self, name: str, asked: set[str], field: str = "") -> list[str] | None:
        """The words of an option; those of the ini file only where the request file has none."""
        words: list[str] | None = options.given(self.config, name)
        if words is None and (field or name) not in asked:
            words = options.value(self.config, name)
        return words

    def _model(self, file: dict[str, Any] | None, asked: set[str]) -> dict[str, Any] | None:
        """The model of live trials: options over the request file, that over the ini file."""
        found: dict[str, Any] = dict(file or {})
        # Who says another provider here does not mean the model of the other one.
        only_given = options.given(self.config, "provider") is not None
        if only_given:
            found = {}
        for name, read in _MODEL.items():
            said = options.given(self.config, name)
            if said is None and "model" not in asked and not only_given:
                said = options.value(self.config, name)
            if said is not None:
                found[name] = read(name, said)
        if not found:
            return None
        provider = found.setdefault("provider", OPENAI)
        if provider not in (OPENAI, SCRIPTED):
            raise UsageError(unknown_name("provider", provider, (OPENAI, SCRIPTED)))
        if provider == SCRIPTED:
            found.setdefault("model", "default")
            return found
        for name, example in (("model", "gpt-4.1"), ("base_url", "http://127.0.0.1:11434/v1")):
            if not found.get(name):
                word = name.replace("_", "-")
                raise UsageError(
                    f"live mode needs --execgo-{word}, as in --execgo-{word} {example}"
                )
        found["base_url"] = _url(found["base_url"])
        return found

    def _kept(self, asked: set[str]) -> str | None:
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
        return f"{KEPT_KIND}:{name}"

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

    def _rerun_options(self) -> tuple[str, ...]:
        """What a rerun must say again, wherever it was said (command line or request file)."""
        words: list[str] = []
        scenarios = options.given(self.config, "scenarios")
        if scenarios:
            words += ["--execgo-scenarios", scenarios]
        if self.fleet_spec.harness != "embedded":
            words += ["--execgo-harness", self.fleet_spec.harness]
        for name, choice in sorted(self.request.services.items()):
            words += ["--execgo-service", f"{name}={choice}"]
        model = self.request.model
        if model:
            said = model.model_dump(exclude_none=True)
            for name in _MODEL:
                if name in said:
                    words += [f"--execgo-{name.replace('_', '-')}", str(said[name])]
        if model and self.request.max_repairs != DEFAULT_MAX_REPAIRS:
            words += ["--execgo-max-repairs", str(self.request.max_repairs)]
        if self.request.python_image:
            words += ["--execgo-python-image", self.request.python_image]
        for one in self.request.known_findings:
            words += ["--execgo-known-findings", f"{one.id}={one.reason}"]
        return tuple(words)


REQUEST = "request.json"
RESULT = "result.json"
PLAN = "plan.json"
_STATE: pytest.StashKey[PluginState] = pytest.StashKey()

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


def _key(text: str) -> str | None:
    """A key as an environment has it, perhaps with the end of its line."""
    key = text.strip()
    if not (key.isascii() and key.isprintable()):
        raise UsageError("OPENAI_API_KEY holds characters that no key has; set it anew")
    return key or None


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
    return text


def _text(name: str, text: str) -> str:
    return text


def _decimal(name: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise UsageError(f"--execgo-{name} {text!r}: expected a number of at least 0")
    return number


def _whole(name: str, text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        word = name.replace("_", "-")
        raise UsageError(f"--execgo-{word} {text!r}: expected a whole number of at least 1")
    return int(text)


_MODEL: dict[str, Callable[[str, str], Any]] = {
    "provider": _text,
    "model": _text,
    "base_url": _text,
    "temperature": _decimal,
    "max_tokens": _whole,
}


def _number(name: str, text: Any) -> int:
    """A whole number of at least what the option takes."""
    try:
        number = int(text)
    except ValueError:
        number = -1
    if number < _NUMBERS[name]:
        raise UsageError(
            f"--execgo-{name.replace('_', '-')} {text!r}: expected a whole number of at least "
            f"{_NUMBERS[name]}"
        )
    return number
