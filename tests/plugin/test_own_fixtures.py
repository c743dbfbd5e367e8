"""A scenario with fixtures of its own, as its author runs it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ScenarioMaker
from tests.plugin.conftest import latest

FETCH = """
import json, sys, urllib.request

def get(path, data=None):
    request = urllib.request.Request(sys.argv[1] + path, data)
    with urllib.request.urlopen(request, timeout=5) as reply:
        return reply.status, reply.headers, reply.read()

status, headers, body = get("/orders", b"{}")
print(json.dumps({
    "rate": json.loads(get("/rates.json")[2])["rate"],
    "note": get("/notes/today.txt")[2].decode(),
    "order": [status, headers["X-Total"], json.loads(body)],
}))
"""
ROUTES = """
schema_version: "1"
routes:
  - path: /orders
    method: POST
    status: 201
    headers: { X-Total: "3" }
    delay_ms: 400
    json: { id: 7 }
"""
EXPECTED = {"rate": 4, "note": "calm", "order": [201, "3", {"id": 7}]}


@pytest.fixture
def shop(project: ScenarioMaker) -> Path:
    """A scenario that reads its own fixtures."""

    def fetch(plan: dict[str, Any]) -> None:
        del plan["stages"][1:]
        execution = plan["stages"][0]["task_graph"]["tasks"][0]["input"]["execution"]
        execution["args"] = ["-c", FETCH, "${fixtures_url}"]

    def compare(manifest: dict[str, Any]) -> None:
        path = "from_json(runtime.output.stdout)"
        manifest["checks"] = [{"kind": "value", "task": "greet", "path": path, "equals": EXPECTED}]

    folder = project("shop", manifest=compare, plan=fetch)
    own = folder / "fixtures"
    (own / "notes").mkdir(parents=True)
    (own / "rates.json").write_text('{"rate": 4}')
    (own / "notes/today.txt").write_text("calm")
    (own / "routes.yaml").write_text(ROUTES)
    return folder


def fault(project: ScenarioMaker, action: str, expectation: str, **params: object) -> None:
    project.chaos(
        "mine",
        expectation=expectation,
        expected_cause={"layer": "fixture"},
        faults=[
            {
                "action": action, "target": "fixtures", "params": params,
                "when": {"phase": "submit"},
            }
        ],
    )  # fmt: skip


def test_files_and_routes_are_served(pytester: pytest.Pytester, shop: Path) -> None:
    result = pytester.runpytest("--execgo-matrix", "--execgo-chaos=fixtures_kill")
    result.assert_outcomes(passed=1)
    clean = pytester.runpytest("--execgo-matrix")
    clean.assert_outcomes(passed=1)
    (trial,) = latest(pytester.path)["trials"]
    assert [cause["layer"] for cause in trial["verdict"]["attribution"]] == ["none"]


def test_an_error_of_an_own_fixture_is_recovered_from(
    pytester: pytest.Pytester, project: ScenarioMaker, shop: Path
) -> None:
    fault(project, "error", "should_recover", path_prefix="/rates.json", times=1)
    result = pytester.runpytest("--execgo-matrix", "--execgo-chaos=mine")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*faults fired 1/1 · causes named 1/1*"])


def test_a_false_value_of_an_own_fixture_is_named(
    pytester: pytest.Pytester, project: ScenarioMaker, shop: Path
) -> None:
    fault(project, "wrong_value", "expected_failure", path_prefix="/notes")
    result = pytester.runpytest("--execgo-matrix", "--execgo-chaos=mine")
    result.assert_outcomes(passed=1)
    (trial,) = latest(pytester.path)["trials"]
    first = trial["verdict"]["attribution"][0]
    assert (first["layer"], first["code"]) == ("fixture", "wrong_content")


def test_a_wrong_expectation_is_red_with_its_reason(pytester: pytest.Pytester, shop: Path) -> None:
    (shop / "fixtures/rates.json").write_text('{"rate": 5}')
    result = pytester.runpytest("--execgo-matrix")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(['               -  "rate": 4', '               +  "rate": 5'])


def test_a_path_without_a_fixture_is_not_there(pytester: pytest.Pytester, shop: Path) -> None:
    (shop / "fixtures/rates.json").unlink()
    result = pytester.runpytest("--execgo-matrix")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*HTTP Error 404*"])


def test_a_mistake_in_the_routes_ends_the_collection(pytester: pytest.Pytester, shop: Path) -> None:
    (shop / "fixtures/routes.yaml").write_text(ROUTES.replace("delay_ms", "delay"))
    result = pytester.runpytest("--execgo-matrix")
    result.stdout.fnmatch_lines(
        ["*fixtures/routes.yaml:8: routes*.delay: unknown key; did you mean 'delay_ms'?*"]
    )
    text = json.dumps(result.outlines)
    assert "Traceback" not in text
