"""Checks whose regular expressions would take years end with a message, and the others go on."""

from __future__ import annotations

from pathlib import Path
from time import monotonic
from typing import Any

import pytest
import yaml

from pytest_execgo.models.events import CheckEvaluated
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.scenario import matching
from pytest_execgo.scenario.checks import TrialView, evaluate
from pytest_execgo.scenario.manifest import load_scenario
from pytest_execgo.scenario.matching import Matcher, MatchProblem

PLAN = StandardPlan.model_validate({"plan_id": "p", "scenario_id": "demo", "stages": []})
CATASTROPHIC = ["(a+)+$", "(a|a)*$", "(a|aa)+$", "(.*a){25}$", r"(x+x+)+y", r"^(\w+\s?)*$"]


def check(tmp_path: Path, text: str, *checks: dict[str, Any]) -> list[CheckEvaluated]:
    """The events of ``checks`` on a task whose result is ``text``."""
    folder = tmp_path / "demo"
    folder.mkdir()
    manifest = {"schema_version": "1", "id": "demo", "checks": list(checks)}
    (folder / "scenario.yaml").write_text(yaml.safe_dump(manifest))
    view = TrialView(PLAN, {"a": {"status": "success", "result": text}}, tmp_path)
    return list(evaluate(load_scenario(folder / "scenario.yaml"), view))


def matches(pattern: str) -> dict[str, Any]:
    return {"kind": "value", "task": "a", "path": "result", "matches": pattern}


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "SECONDS", 0.5)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("pattern", CATASTROPHIC)
def test_catastrophic_expression_fails_its_check_only(tmp_path: Path, pattern: str) -> None:
    text = ("x" if "x" in pattern else "a") * 60 + "!"
    began = monotonic()
    first, second = check(tmp_path, text, matches(pattern), matches("!$"))
    assert monotonic() - began < 5
    assert not first.ok
    assert not first.raised
    assert first.message.startswith("task a: result: matching ")
    assert "takes more than" in first.message
    assert second.ok


@pytest.mark.parametrize(
    ("pattern", "text", "found"),
    [
        (r"^(a+)b\1$", "aabaa", True),
        ("(a+)+$", "b", False),
        ("(?s)a.*b.*c", "a\nb\nc\ud800", True),
        ("x*y*z", "\u2028" + "z" * 3_000_000, True),
    ],
    ids=["reference", "no_match", "lines", "large_text"],
)
def test_other_expressions_are_matched_as_python_does(pattern: str, text: str, found: bool) -> None:
    with Matcher() as matcher:
        assert matcher.found(pattern, text) == found
        assert matcher.found("(b+)+$", "bbb")


def test_child_that_ends_is_a_problem_and_not_a_match() -> None:
    with Matcher() as matcher:
        assert matcher.found("(b+)+$", "bbb")
        assert matcher._child is not None
        matcher._child.kill()
        matcher._child.wait()
        with pytest.raises(MatchProblem, match="needs too much memory"):
            matcher.found("(b+)+$", "bbb")
