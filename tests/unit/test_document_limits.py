"""Documents of users ask for no time that no thread can wait, and for no name that no file can have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pluggy
import pytest
import yaml
from pydantic import BaseModel

from pytest_execgo.adapter.reference import ReferenceAdapter
from pytest_execgo.chaos.actions.network import Network
from pytest_execgo.chaos.schedule import Schedule
from pytest_execgo.errors import UsageError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.models.chaos import ChaosProfile
from pytest_execgo.models.document import A_DAY_MS, LONGEST_ID, load
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.trial import Cell, Trial
from pytest_execgo.options.table import OPTIONS
from pytest_execgo.options.values import Seconds
from pytest_execgo.scenario.manifest import ScenarioManifest

REGISTRY = Registry.build()
ACTIONS = sorted(REGISTRY.actions.items())
DURATION = re.compile(r"(^|_)(ms|seconds|timeout|retry_after)$")
# ExecGo itself judges the members of its tasks.
OF_EXECGO = {"timeout"}
FAR_TOO_LONG = 10**17


def durations(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """The numeric members of a JSON Schema that are durations, wherever they are."""
    for name, member in schema.get("properties", {}).items():
        numeric = [
            one for one in member.get("anyOf", [member]) if one.get("type") in ("integer", "number")
        ]
        if DURATION.search(name) and numeric:
            yield f"{path}{name}", numeric[0]
    for name, definition in schema.get("$defs", {}).items():
        yield from durations(definition, f"{name}.")


MODELS: list[Any] = [
    BenchmarkRunRequest, ChaosProfile, ScenarioManifest, StandardPlan, *(cls for _, cls in ACTIONS),
]  # fmt: skip


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.__name__)
def test_every_duration_has_an_upper_limit(model: type[BaseModel]) -> None:
    unlimited = [
        name
        for name, number in durations(model.model_json_schema())
        if name.rpartition(".")[2] not in OF_EXECGO
        and not number.get("maximum", float("inf")) <= A_DAY_MS
    ]
    assert not unlimited


def test_the_check_sees_durations() -> None:
    found = [name for model in MODELS for name, _ in durations(model.model_json_schema())]
    assert {"SubmitPolicy.deadline_ms", "When.delay_ms", "heal_after_ms", "latency_ms"} <= set(
        found
    )


@pytest.mark.parametrize(
    "option", [one for one in OPTIONS if one.metavar == "SECONDS"], ids=lambda one: one.name
)
def test_every_option_in_seconds_has_an_upper_limit(option: Any) -> None:
    assert isinstance(option.value, Seconds)
    with pytest.raises(UsageError, match="at most a day"):
        option.value.read(option.flag, "1e17")


def profile(path: Path, action: str, target: str, **params: object) -> Path:
    fault = {"action": action, "target": target, "params": params, "when": {"phase": "runtime"}}
    text = {"schema_version": "1", "id": "k", "expectation": "measure", "faults": [fault]}
    file = path / "k.yaml"
    file.write_text(yaml.safe_dump(text))
    return file


@pytest.mark.parametrize(
    ("action", "target", "params"),
    [
        ("kill", "runtime", {"heal_after_ms": FAR_TOO_LONG}),
        ("pause", "runtime", {"heal_after_ms": FAR_TOO_LONG}),
        ("restart", "execgo", {"heal_after_ms": FAR_TOO_LONG}),
        ("network", "execgo", {"kind": "latency", "latency_ms": FAR_TOO_LONG}),
        ("network", "execgo", {"kind": "latency", "jitter_ms": FAR_TOO_LONG}),
        ("limit", "runtime", {"resource": "memory", "amount": FAR_TOO_LONG}),
    ],
)
def test_heal_time_that_no_thread_can_wait_is_refused_in_one_line(
    tmp_path: Path, action: str, target: str, params: dict[str, object]
) -> None:
    with pytest.raises(UsageError) as error:
        REGISTRY.load_profile(profile(tmp_path, action, target, **params))
    message = str(error.value)
    name = next(one for one in params if params[one] == FAR_TOO_LONG)
    assert re.search(rf":\d+: faults\[0\]\.params\.{name}: must be at most", message)
    assert "\n" not in message


@pytest.mark.parametrize(
    ("params", "complaint"),
    [
        ({"kind": "latency", "latency_ms": 0}, "latency_ms and jitter_ms of 0 delay nothing"),
        ({"kind": "reset", "latency_ms": 5}, "latency_ms belongs to kind: latency"),
        ({"kind": "partition", "jitter_ms": 5}, "jitter_ms belongs to kind: latency"),
    ],
    ids=["no-time", "reset", "partition"],
)
def test_fault_without_an_effect_is_refused(
    tmp_path: Path, params: dict[str, object], complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint):
        REGISTRY.load_profile(profile(tmp_path, "network", "execgo", **params))


def test_latency_may_consist_of_jitter_alone() -> None:
    assert Network(kind="latency", latency_ms=0, jitter_ms=5).jitter_ms == 5


def test_action_of_a_project_that_never_heals_starts_no_impossible_timer() -> None:
    schedule = Schedule()
    schedule.after(1e20, lambda: None)
    timer = schedule._timers[0]
    assert timer.is_alive()
    schedule.close()
    assert not timer.is_alive()


# -- names

LONG = "l" * 240
SCENARIO = "schema_version: '1'\nid: {0}\nchecks:\n- {{kind: task, task: n, status: success}}\n"
PROFILE = "schema_version: '1'\nid: {0}\nexpectation: not_applicable\n"


@pytest.mark.parametrize(
    ("model", "text"),
    [(ScenarioManifest, SCENARIO), (ChaosProfile, PROFILE)],
    ids=["scenario", "chaos"],
)
def test_id_that_is_too_long_for_a_folder_is_refused_in_one_line(
    tmp_path: Path, model: type[BaseModel], text: str
) -> None:
    file = tmp_path / "document.yaml"
    file.write_text(text.format("l" * LONGEST_ID))
    load(model, file)
    file.write_text(text.format(LONG))
    with pytest.raises(UsageError) as error:
        load(model, file)
    message = str(error.value)
    assert f"at most {LONGEST_ID} characters" in message
    assert "\n" not in message
    assert len(message) < 400


def test_framework_with_a_long_name_is_refused() -> None:
    class Long(ReferenceAdapter):
        name = "l" * 41

    class Plugin:
        @pluggy.HookimplMarker("pytest")
        def pytest_execgo_adapters(self) -> list[object]:
            return [Long()]

    with pytest.raises(UsageError, match="its name has 41 characters; at most 40 are allowed"):
        Registry.build([Plugin()])


def test_longest_names_together_fit_into_a_file_name() -> None:
    name = "x" * LONGEST_ID
    cell = Cell(name, "f" * 40, "replay", name)
    # Attempts and temporary files append to it.
    assert len(Trial(cell, 999_999).trial_id) <= 255 - 30
