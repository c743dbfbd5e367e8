"""The request of a run: command line over request file over ini file over defaults. A resumed run takes
the request of the earlier run; a replay takes it from the recorded trials."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.errors import UsageError, unknown_name
from pytest_execgo.harness.containers.persistent_launcher import KIND as PERSISTENT_KIND
from pytest_execgo.models.document import load, parse
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.options.table import BY_NAME, MODEL_OPTIONS, OPTIONS, Option
from pytest_execgo.options.values import AtMost
from pytest_execgo.plugin import options
from pytest_execgo.plugin.places import option_path, reports_folder
from pytest_execgo.plugin.user_key import refuse_key
from pytest_execgo.run.matrix import NO_MODEL
from pytest_execgo.run.planning import SCRIPTED
from pytest_execgo.run.shards import AUTO, Weights, shard_of_ci

REQUEST = "request.json"
OPENAI = "openai-compatible"
PROVIDERS = (OPENAI, SCRIPTED)
_REQUIRED = {"model": "gpt-4.1", "base_url": "http://127.0.0.1:11434/v1"}
"""What an endpoint of a user needs, each with an example."""
BASE_URL_VARIABLE = "OPENAI_BASE_URL"
"""The environment variable that is read if no option and no file gives the base URL."""
_OF_ANY_PROVIDER = "model_timeout"


@dataclass(frozen=True)
class RequestReader:
    """Reads the request. ``recorded``: the trials that are to be repeated, folder and result by id."""

    config: pytest.Config
    recorded: Mapping[str, tuple[Path, TrialResult]]

    def read(self) -> BenchmarkRunRequest:
        """The request; raises :class:`UsageError` for a wrong value or combination of options."""
        if self.recorded:
            return self._replayed()
        if options.value(self.config, "resume"):
            return self._resumed()
        return self._requested()

    def _requested(self) -> BenchmarkRunRequest:
        document, in_file = self._request_file()
        for option in OPTIONS:
            found = None if option in MODEL_OPTIONS else self._found(option, in_file)
            if option.field and found is not None:
                _put(document, option.field, _value(option, found))
        repetitions = document.get("repetitions")
        if isinstance(repetitions, AtMost):
            document |= {"repetitions": repetitions.count, "adaptive": True}
        if document.get("shard") == AUTO:
            document["shard"] = shard_of_ci(os.environ)
        weights = option_path(self.config, "shard_weights")
        if weights is not None:
            if not document.get("shard"):
                raise UsageError("--execgo-shard-weights has no effect without --execgo-shard")
            document["shard_weights"] = Weights.read(weights).digest
        fleet = self._fleet(in_file)
        if fleet:
            document["harness"] = fleet
        live = "live" in document.get("modes", ())
        # Without the matrix only execgo_run starts trials, and which modes it asks for is not known yet.
        if live or not options.matrix_wanted(self.config):
            model = self._model(document.get("model"), in_file, live=live)
            document["model"] = model or document.get("model")
        if live and not document["model"]:
            raise UsageError(NO_MODEL)
        self._refuse_live_only(live)
        return parse(BenchmarkRunRequest, document, "command line")

    def _request_file(self) -> tuple[dict[str, Any], frozenset[str]]:
        """The document of ``--execgo-request`` and the fields that it sets."""
        file = option_path(self.config, "request")
        if file is None:
            return {"schema_version": "1"}, frozenset()
        loaded = load(BenchmarkRunRequest, file)
        return loaded.model_dump(mode="json"), frozenset(loaded.model_fields_set)

    def _found(self, option: Option, in_file: frozenset[str]) -> Any:
        """What the command line gives, else the ini file, unless the request file sets the field."""
        found = options.given(self.config, option.name)
        if found is None and (option.field or "").partition(".")[0] not in in_file:
            found = options.value(self.config, option.name)
        return found

    def _model(
        self, file: dict[str, Any] | None, in_file: frozenset[str], *, live: bool
    ) -> dict[str, Any] | None:
        """The model of live trials. ``None`` if it is incomplete and perhaps no trial needs it."""
        found = dict(file or {})
        # The settings of files belong to the provider of those files, except how long to wait.
        other_provider = options.given(self.config, "provider") is not None
        if other_provider:
            found = {name: one for name, one in found.items() if name == _OF_ANY_PROVIDER}
        for option in MODEL_OPTIONS:
            value = options.given(self.config, option.name)
            if not other_provider or option.name == _OF_ANY_PROVIDER:
                value = self._found(option, in_file)
            if value is not None:
                found[option.name] = _value(option, value)
        return _completed(found, live=live) if found else None

    def _fleet(self, in_file: frozenset[str]) -> str | None:
        """``--execgo-fleet NAME`` as the launcher of all services."""
        name = options.given(self.config, "fleet")
        rivals = ("harness", "service", "service_args")
        others = [n for n in rivals if options.given(self.config, n) is not None]
        # The command line wins over the fleet of the ini file.
        if name is None and not in_file & {"harness", "services"} and not others:
            name = options.value(self.config, "fleet")
        if not name:
            return None
        if others:
            raise UsageError(
                f"--execgo-fleet {name}: a persistent fleet provides all services; "
                f"leave out {BY_NAME[others[0]].flag}"
            )
        return f"{PERSISTENT_KIND}:{name}"

    def _resumed(self) -> BenchmarkRunRequest:
        """The request of the run that is resumed: other options would mix two runs under one name."""
        folder = reports_folder(self.config) / options.run_id(self.config)
        if not (folder / REQUEST).is_file():
            resumed = options.value(self.config, "resume")
            raise UsageError(f"--execgo-resume {resumed}: no such run in {folder.parent}")
        for option in OPTIONS:
            if option.resume == "refuse":
                self._refuse(option, "--execgo-resume takes the request of the run it resumes")
        request = load(BenchmarkRunRequest, folder / REQUEST)
        self._refuse_live_only("live" in request.modes)
        return request

    def _replayed(self) -> BenchmarkRunRequest:
        """The dimensions and the seed of the recorded trials, on the fleet of their run unless the
        command line names another."""
        for option in OPTIONS:
            if option.replay == "refuse":
                self._refuse(option, "--execgo-replay repeats trials as they were recorded")
        request = self._recorded_request()
        results = [result for _, result in self.recorded.values()]
        update: dict[str, Any] = {
            "scenarios": tuple(dict.fromkeys(result.scenario for result in results)),
            "frameworks": tuple(dict.fromkeys(result.framework for result in results)),
            "modes": tuple(dict.fromkeys(result.mode for result in results)),
            "chaos": tuple(dict.fromkeys(result.chaos for result in results)),
            "repetitions": max(result.repetition for result in results) + 1,
            "adaptive": False,
            "seed": results[0].seed,
            "confirm": self._confirm(),
        }
        return request.model_copy(update=update | self._other_fleet())

    def _confirm(self) -> int:
        """``--execgo-confirm`` of a replay; the recorded run may have had another value."""
        option = BY_NAME["confirm"]
        given = options.given(self.config, option.name)
        return 0 if given is None else int(_value(option, given))

    def _recorded_request(self) -> BenchmarkRunRequest:
        """The request of the run that the recorded trials belong to."""
        run = next(iter(self.recorded.values()))[0].parent.parent
        if not (run / REQUEST).exists():
            raise UsageError(
                f"--execgo-replay: {run} has no {REQUEST}, so the fleet of the trial is unknown; "
                "give the trial's folder where it was written (reports/RUN/trials/ID)"
            )
        return load(BenchmarkRunRequest, run / REQUEST)

    def _other_fleet(self) -> dict[str, Any]:
        """The fields by which the options of a replay change the recorded fleet."""
        update: dict[str, Any] = {}
        arguments = options.value(self.config, "service_args")
        read = BY_NAME["service_args"].read(arguments) if arguments else {}
        harness = self._fleet(frozenset()) or options.given(self.config, "harness")
        if harness:
            update |= {"harness": harness, "services": {}}
        image = options.given(self.config, "python_image")
        if image:
            update["python_image"] = image
        services = options.value(self.config, "service")
        if services:
            update["services"] = BY_NAME["service"].read(services)
        if harness or services or read:
            # Recorded arguments belong to the recorded launchers.
            update["service_args"] = {name: tuple(words) for name, words in read.items()}
        return update

    def _refuse_live_only(self, live: bool) -> None:
        """Refuse options that a run without live mode would ignore."""
        if live or not options.matrix_wanted(self.config):
            return
        for option in OPTIONS:
            if option.live_only and options.given(self.config, option.name) is not None:
                raise UsageError(
                    f"{option.flag} is for live mode, in which a model is asked; add --execgo-mode live"
                )

    def _refuse(self, option: Option, reason: str) -> None:
        if options.given(self.config, option.name) is not None:
            raise UsageError(f"{reason}; leave out {option.flag}")


def _value(option: Option, text: Any) -> Any:
    """What the option reads; raises :class:`UsageError`, also if the text holds the user's key."""
    refuse_key(option.flag, text)
    return option.read(text)


def _put(document: dict[str, Any], path: str, value: Any) -> None:
    """Set the field of a dotted path."""
    *outer, name = path.split(".")
    for key in outer:
        document = document.setdefault(key, {})
    document[name] = value


def _completed(model: dict[str, Any], *, live: bool) -> dict[str, Any] | None:
    """``model`` with its defaults. If a part is missing: ``None``, or an error when ``live``."""
    provider = model.setdefault("provider", OPENAI)
    if provider not in (OPENAI, SCRIPTED):
        raise UsageError(unknown_name("provider", provider, (OPENAI, SCRIPTED)))
    if provider == SCRIPTED:
        model.setdefault("model", "default")
        return model
    source = BY_NAME["base_url"].flag
    if not model.get("base_url") and os.environ.get(BASE_URL_VARIABLE):
        model["base_url"], source = os.environ[BASE_URL_VARIABLE].strip(), BASE_URL_VARIABLE
    for name, example in _REQUIRED.items():
        if not model.get(name):
            if not live:
                return None
            flag = BY_NAME[name].flag
            raise UsageError(f"live mode needs {flag}, as in {flag} {example}")
    refuse_key(source, model["base_url"])
    # The request file may have set it; the reader of the option checks it too.
    BY_NAME["base_url"].value.read(source, model["base_url"])
    return model
