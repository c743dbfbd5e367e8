"""pytester projects with a scenario in them, and a small framework that asks a model."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ScenarioMaker

KEY = "sk-never-to-be-seen"

# A small framework: it asks the model for a plan, and for repairs of a plan that breaks rules.
FRAMEWORK = """
import requests
from pytest_execgo.adapter.base import Adapter
from pytest_execgo.adapter.landing import land_text
from pytest_execgo.adapter.prompt import prompt

class Tiny(Adapter):
    name, modes, asks_model, packages = "tiny", frozenset({"live", "replay"}), True, ("requests",)

    def plan(self, context, trace, recording):
        texts = prompt(context)
        messages = [{"role": "system", "content": texts.system}, {"role": "user", "content": texts.task}]
        for _ in range(context.max_repairs + 1):
            body = {"model": context.model_profile.model, "messages": messages}
            url = f"{context.model_profile.base_url}/chat/completions"
            answer = requests.post(url, json=body)
            answer.raise_for_status()
            text = answer.json()["choices"][0]["message"]["content"]
            landing = trace.record_landing(land_text(text, context))
            if landing.plan:
                break
            messages.append({"role": "assistant", "content": text})
            messages.append({"role": "user", "content": landing.message})
        return trace.final_plan()

def pytest_execgo_adapters():
    return [Tiny()]
"""
LIVE = ("--execgo-matrix", "--execgo-mode=live", "--execgo-framework=tiny")
SCRIPTED = (*LIVE, "--execgo-provider=scripted")


@pytest.fixture(autouse=True)
def _without_reruns(monkeypatch: pytest.MonkeyPatch) -> None:
    """pytest-rerunfailures opens a socket for each run of pytest, and never closes it."""
    monkeypatch.setenv("PYTEST_ADDOPTS", "-p no:rerunfailures")


@pytest.fixture
def reruns(_without_reruns: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """The test runs pytest with ``--reruns``."""
    monkeypatch.delenv("PYTEST_ADDOPTS")


@pytest.fixture
def project(pytester: pytest.Pytester) -> ScenarioMaker:
    """A project folder; ``project("name")`` makes a scenario in it."""
    return ScenarioMaker(pytester.path / "scenarios")


def latest(path: Path) -> dict[str, Any]:
    """``benchmark.json`` of the newest run below ``path``."""
    result: dict[str, Any] = json.loads((path / "reports/latest/benchmark.json").read_text())
    return result


@pytest.fixture
def tiny(
    pytester: pytest.Pytester, project: ScenarioMaker, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """A project with one scenario and the framework; the user has a key."""
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    pytester.makeconftest(FRAMEWORK)
    return project("demo")


def script(folder: Path, name: str, *answers: dict[str, str]) -> None:
    (folder / "scripts").mkdir(exist_ok=True)
    document = {"schema_version": "1", "answers": list(answers)}
    (folder / f"scripts/{name}.yaml").write_text(yaml.safe_dump(document))


def trial(pytester: pytest.Pytester) -> dict[str, Any]:
    (found,) = latest(pytester.path)["trials"]
    return dict(found)
