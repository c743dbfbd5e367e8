"""The base classes of adapters: what they give to a framework, and what a third party must write."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.adapter.base import Adapter, PlanTrace
from pytest_execgo.adapter.framework import (
    AsyncFrameworkAdapter,
    FrameworkAdapter,
    client_settings,
    model_settings,
    plan_format,
    repair_request,
)
from pytest_execgo.adapter.landing import Landing, land_text
from pytest_execgo.adapter.prompt import EXAMPLE
from pytest_execgo.errors import PlanError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.models.context import ModelProfile, PlanBudget, PlanContext
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.scenario.library import builtin_folder

LEGAL, ILLEGAL = json.dumps(EXAMPLE), "no plan"
GATEWAY = "http://127.0.0.1:1/v1"
ABSENT = "no-such-distribution"


def context(**profile: Any) -> PlanContext:
    return PlanContext(
        scenario_id="s",
        framework="fake",
        mode="live",
        budget=PlanBudget(seconds=9),
        model_profile=ModelProfile(provider="p", model="m", base_url=GATEWAY, **profile),
    )


class Smallest(Adapter):
    name = "smallest"

    def plan(self, context: PlanContext, trace: PlanTrace, recording: Path | None) -> StandardPlan:
        raise NotImplementedError


class FakeFramework(FrameworkAdapter):
    name = "fake"

    def __init__(self, *answers: str) -> None:
        self._answers = answers

    def run_framework(self, context: PlanContext, trace: PlanTrace) -> None:
        for answer in self._answers:
            trace.record_landing(land_text(answer, context))


class FakeAsyncFramework(AsyncFrameworkAdapter):
    name = "fake-async"

    async def run_async(self, context: PlanContext, trace: PlanTrace) -> None:
        trace.record_landing(land_text(LEGAL, context))


def test_an_adapter_needs_only_a_name_and_a_plan() -> None:
    adapter = Smallest()
    assert adapter.modes == frozenset({"replay"})
    assert (adapter.asks_model, adapter.packages) == (False, ())
    assert adapter.missing() is None


@pytest.mark.parametrize(
    ("packages", "extra", "command"),
    [
        (("pytest",), None, None),
        (("pytest", ABSENT), None, f"pip install pytest {ABSENT}"),
        (("pytest", ABSENT), "fake", "pip install 'pytest-execgo[fake]'"),
        (("pytest",), "fake", None),
    ],
    ids=["installed", "not installed", "extra not installed", "extra installed"],
)
def test_a_missing_package_is_reported_with_the_command_that_installs_it(
    monkeypatch: pytest.MonkeyPatch,
    packages: tuple[str, ...],
    extra: str | None,
    command: str | None,
) -> None:
    monkeypatch.setattr(Smallest, "packages", packages)
    monkeypatch.setattr(Smallest, "extra", extra)
    assert Smallest().missing() == command


def test_every_built_in_framework_has_an_extra_that_installs_it() -> None:
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    extras = project["project"]["optional-dependencies"]
    found = [one for one in Registry.build().adapters.values() if isinstance(one, FrameworkAdapter)]
    assert len(found) == 5
    for adapter in found:
        assert adapter.extra == adapter.name
        assert any(line.startswith(adapter.packages[0]) for line in extras[adapter.extra])


def test_a_framework_is_live_and_replayed_and_asks_a_model() -> None:
    adapter = FakeFramework()
    assert adapter.modes == frozenset({"live", "replay"})
    assert adapter.asks_model


@pytest.mark.parametrize(
    "adapter",
    [FakeFramework(LEGAL), FakeFramework(ILLEGAL, LEGAL), FakeAsyncFramework()],
    ids=["at first", "repaired", "async"],
)
def test_the_plan_of_a_framework_is_that_of_its_last_answer(adapter: FrameworkAdapter) -> None:
    plan = adapter.plan(context(), PlanTrace(), None)
    assert [stage.stage_id for stage in plan.stages] == ["weigh", "label"]


@pytest.mark.parametrize(
    ("answers", "code", "message"),
    [
        ([], "no_answer", "the framework ended without an answer from its model"),
        ([ILLEGAL], "never_valid", "no legal plan in 1 answer; the last one breaks broken_json: "),
        ([LEGAL, ILLEGAL], "never_valid", "no legal plan in 2 answers; "),
    ],
    ids=["no answer", "illegal", "illegal at last"],
)
def test_a_framework_without_a_legal_last_answer_has_no_plan(
    answers: list[str], code: str, message: str
) -> None:
    with pytest.raises(PlanError) as caught:
        FakeFramework(*answers).plan(context(), PlanTrace(), None)
    assert caught.value.code == code
    assert str(caught.value).startswith(message)


def test_every_landing_is_in_the_trace_and_reported_with_its_number() -> None:
    reported: list[tuple[int, bool]] = []
    trace = PlanTrace(
        on_landing=lambda number, landing: reported.append((number, landing.plan is not None))
    )
    FakeFramework(ILLEGAL, LEGAL).plan(context(), trace, None)
    assert reported == [(1, False), (2, True)]
    assert [(step["step"], step["valid"], step["rules"]) for step in trace.steps] == [
        ("judged", False, ["broken_json"]),
        ("judged", True, []),
    ]


def test_a_client_asks_the_gateway_without_key_and_retries_for_as_long_as_the_plan_may_take() -> (
    None
):
    assert client_settings(context()) == {
        "base_url": GATEWAY,
        "api_key": "not-needed",
        "timeout": 9,
        "max_retries": 0,
    }


@pytest.mark.parametrize(
    ("profile", "settings"),
    [
        ({}, {}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"temperature": 0.5, "max_tokens": 7}, {"temperature": 0.5, "max_tokens": 7}),
    ],
    ids=["none", "temperature", "max_tokens", "both"],
)
def test_only_chosen_settings_are_sent_to_the_model(
    profile: dict[str, Any], settings: dict[str, Any]
) -> None:
    assert model_settings(context(**profile)) == settings


@pytest.mark.parametrize("framework", ["langgraph", "autogen", "agent-framework"])
def test_the_response_format_is_the_recorded_one(framework: str) -> None:
    paths = sorted(builtin_folder().glob(f"*/traces/{framework}.json"))
    assert len(paths) == 4
    for path in paths:
        recorded = json.loads(path.read_text())["exchanges"][0]["asked"]["response_format"]
        assert json.dumps(plan_format(), sort_keys=True) == json.dumps(recorded, sort_keys=True)


def test_a_repair_request_lists_the_broken_rules() -> None:
    landing: Landing = land_text('{"stages": []}', context())
    assert repair_request(landing) == (
        "The plan breaks rules:\n- stages: a plan needs at least one stage"
    )
