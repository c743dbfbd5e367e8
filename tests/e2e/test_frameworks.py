"""The contract of adapters that ask a model, for every framework that is installed.

Not all frameworks can be installed together, so CI runs this in two environments, and names in
``EXECGO_TEST_FRAMEWORKS`` the frameworks that must be installed there.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_execgo.emulators.httpd import Request, Response, json_response
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.scenario.library import builtin_folder
from tests.endpoints import hanging_up, serving

ADAPTERS = Registry.build().adapters
ASKING = [name for name, adapter in ADAPTERS.items() if adapter.asks_model]
REQUIRED = os.environ.get("EXECGO_TEST_FRAMEWORKS", "").split(",")


@pytest.fixture(params=ASKING)
def framework(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    install = ADAPTERS[name].missing()
    if install and name in REQUIRED:
        pytest.fail(f"{name} is required here: {install}", pytrace=False)
    if install:
        pytest.skip(f"{name} is not installed: {install}")
    return name


def run(
    folder: Path, framework: str, *words: str, **environment: str
) -> tuple[int, dict[str, Any], str]:
    """One run of the built-in ``codegen_exec``: exit status, ``benchmark.json``, standard output."""
    command = [
        sys.executable, "-m", "pytest", "--execgo-matrix", "-q", "-p", "no:cacheprovider",
        "-c", "/dev/null", "--rootdir", str(folder), "--execgo-scenario", "codegen_exec",
        "--execgo-framework", framework, "--execgo-reports", str(folder / "reports"), *words,
    ]  # fmt: skip
    done = subprocess.run(
        command,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    report = json.loads((folder / "reports/latest/benchmark.json").read_text())
    return done.returncode, report, done.stdout


SCRIPTED = ("--execgo-mode", "live", "--execgo-provider", "scripted")


def steps(folder: Path) -> list[dict[str, Any]]:
    (path,) = (folder / "reports/latest/trials").glob("*/adapter_trace.json")
    found: list[dict[str, Any]] = json.loads(path.read_text())["steps"]
    return found


def test_a_recording_is_replayed_through_the_framework(framework: str, tmp_path: Path) -> None:
    status, report, output = run(tmp_path, framework)
    assert status == 0, output
    assert report["trials"][0]["metrics"]["model_requests"] == 1
    own = {step["step"] for step in steps(tmp_path)} - {"model_request", "model_answer", "judged"}
    # The framework reports its own steps.
    assert own & {"node", "message", "guardrail", "workflow"}


def test_a_plan_is_repaired_by_the_loop_of_the_framework(framework: str, tmp_path: Path) -> None:
    words = (*SCRIPTED, "--execgo-model", "repaired", "--execgo-max-repairs", "4")
    status, report, output = run(tmp_path, framework, *words)
    assert status == 0, output
    (trial,) = report["trials"]
    assert trial["metrics"]["repair_count"] == 4
    rules = {"broken_json", "cycle", "unknown_task_type", "binding_unknown_source"}
    assert set(trial["broken_rules"]) == rules
    requests = [step["body"] for step in steps(tmp_path) if step["step"] == "model_request"]
    assert "cycle" in json.dumps(requests[2])


def test_a_model_without_any_legal_plan_fails_the_trial_in_layer_plan(
    framework: str, tmp_path: Path
) -> None:
    status, report, output = run(tmp_path, framework, *SCRIPTED, "--execgo-model", "stubborn")
    assert status == 1
    (cause,) = report["trials"][0]["verdict"]["attribution"]
    assert (cause["layer"], cause["code"]) == ("plan", "never_valid"), output
    assert report["trials"][0]["metrics"]["model_requests"] == 3


def test_answers_that_the_framework_itself_refuses_are_counted(
    framework: str, tmp_path: Path
) -> None:
    status, report, output = run(tmp_path, framework, *SCRIPTED, "--execgo-model", "chatty")
    assert status == 1
    (trial,) = report["trials"]
    (cause,) = trial["verdict"]["attribution"]
    assert (cause["layer"], cause["code"]) == ("plan", "never_valid"), output
    assert trial["broken_rules"] == ["broken_json"]


def test_a_failing_endpoint_is_the_cause_and_the_framework_does_not_retry(
    framework: str, tmp_path: Path
) -> None:
    with hanging_up() as url:
        words = ("--execgo-mode=live", "--execgo-model=m", f"--execgo-base-url={url}/v1")
        status, report, output = run(tmp_path, framework, *words)
    assert status == 1
    cause = report["trials"][0]["verdict"]["attribution"][0]
    assert (cause["layer"], cause["code"]) == ("adapter", "model_unreachable"), output
    assert len([s for s in steps(tmp_path) if s["step"] == "model_request"]) == 1


def test_a_legal_plan_in_plain_text_lands_or_breaks_no_tool_call(
    framework: str, tmp_path: Path
) -> None:
    """An endpoint that supports neither tools nor response formats always answers with plain text."""
    plan = yaml.safe_load((builtin_folder() / "codegen_exec/plan.yaml").read_text())
    message = {"role": "assistant", "content": json.dumps({"stages": plan["stages"]})}
    answer = {"id": "1", "object": "chat.completion", "created": 0, "model": "m"}
    answer["choices"] = [{"index": 0, "message": message, "finish_reason": "stop"}]
    words = ("--execgo-mode", "live", "--execgo-model", "m", "--execgo-base-url")
    with serving(lambda request: json_response(answer)) as url:
        _, report, output = run(tmp_path, framework, *words, f"{url}/v1")
    (trial,) = report["trials"]
    metrics = trial["metrics"]
    if framework == "pydantic-ai":
        assert (metrics["landed"], trial["broken_rules"]) == (0, ["no_tool_call"]), output
    else:
        assert (metrics["landed"], metrics["landed_at_first"]) == (1, 1), output
        assert metrics["prompt_tokens"] is None, "this endpoint does not count tokens"


def plan_text() -> str:
    """A legal plan for ``codegen_exec``, as a model answers it."""
    plan = yaml.safe_load((builtin_folder() / "codegen_exec/plan.yaml").read_text())
    return json.dumps({"stages": plan["stages"]})


def call(name: str, arguments: str, number: int = 1) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": f"c{number}", "type": "function", "function": function}


def completion(message: dict[str, Any], finish: str = "stop") -> dict[str, Any]:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    return {"id": "1", "object": "chat.completion", "created": 0, "model": "m", "choices": [choice]}


def calls(*tools: dict[str, Any]) -> dict[str, Any]:
    return completion({"content": None, "tool_calls": tools}, "tool_calls")


PARTS = [{"type": "text", "text": plan_text()}]
CUT_OFF = plan_text()[:80]
TEXT_ANSWERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "filtered": (completion({"content": None}, "content_filter"), ["broken_json"]),
    "filtered_in_the_middle": (completion({"content": CUT_OFF}, "content_filter"), ["broken_json"]),
    "cut_off": (completion({"content": CUT_OFF}, "length"), ["broken_json"]),
    "half_a_character": (completion({"content": '{"stages": "\ud800"}'}), ["schema"]),
}
TOOL_ANSWERS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "other_tool_first": (calls(call("other", "{}"), call("submit_plan", plan_text(), 2)), []),
    "two_calls": (calls(call("submit_plan", "{}"), call("submit_plan", plan_text(), 2)), []),
    "other_tool": (calls(call("other", plan_text())), ["no_tool_call"]),
    "fenced": (calls(call("submit_plan", f"```json\n{plan_text()}\n```")), []),
    "two_values": (calls(call("submit_plan", plan_text() * 2)), ["broken_json"]),
    "nan": (calls(call("submit_plan", '{"stages": [], "x": NaN}')), ["broken_json"]),
    "half_a_character": (calls(call("submit_plan", '{"stages": "\ud800"}')), ["schema"]),
}


def first_answer_then_plan(
    framework: str, tmp_path: Path, first: dict[str, Any]
) -> tuple[dict[str, Any], str]:
    """The trial of a model that answers ``first``, and then with a legal plan; the output."""
    good = completion({"content": plan_text()})
    if framework == "pydantic-ai":
        good = calls(call("submit_plan", plan_text()))
    asked: list[str] = []

    def answer(request: Request) -> Response:
        asked.append(request.path)
        return json_response(first if len(asked) == 1 else good)

    words = ("--execgo-mode", "live", "--execgo-model", "m", "--execgo-base-url")
    with serving(answer) as url:
        _, report, output = run(tmp_path, framework, *words, f"{url}/v1")
    return report["trials"][0], output


def kinds() -> list[tuple[str, str]]:
    texts = [(name, kind) for name in ASKING if name != "pydantic-ai" for kind in TEXT_ANSWERS]
    # CrewAI itself ends with an error for an answer without any text.
    texts.remove(("crewai", "filtered"))
    return texts + [("pydantic-ai", kind) for kind in TOOL_ANSWERS]


@pytest.mark.parametrize(("framework", "kind"), kinds(), indirect=["framework"])
def test_an_answer_is_judged_as_the_framework_judges_it(
    framework: str, kind: str, tmp_path: Path
) -> None:
    answers = TOOL_ANSWERS if framework == "pydantic-ai" else TEXT_ANSWERS
    first, rules = answers[kind]
    trial, output = first_answer_then_plan(framework, tmp_path, first)
    assert trial["verdict"]["status"] == "passed", output
    assert trial["broken_rules"] == rules
    assert trial["metrics"]["repair_count"] == len(rules)


def test_langgraph_joins_the_parts_of_an_answer(tmp_path: Path) -> None:
    if install := ADAPTERS["langgraph"].missing():
        assert "langgraph" not in REQUIRED, install
        pytest.skip(f"langgraph is not installed: {install}")
    trial, output = first_answer_then_plan("langgraph", tmp_path, completion({"content": PARTS}))
    assert trial["verdict"]["status"] == "passed", output
    assert trial["metrics"]["landed_at_first"] == 1


def test_every_model_fault_is_injected_and_attributed_through_the_framework(
    framework: str, tmp_path: Path
) -> None:
    words = (*SCRIPTED, "--execgo-chaos", "model_*", "--execgo-model-timeout", "3")
    status, report, output = run(tmp_path, framework, *words)
    assert status == 0, output
    score = report["attribution"]
    assert score["trials"] == score["correct"] == len(report["trials"]) >= 12
    assert {row["armed_not_fired"] for row in report["coverage"]} == {0}


def test_no_request_contains_the_reference_plan(framework: str, tmp_path: Path) -> None:
    run(tmp_path, framework, *SCRIPTED)
    (request,) = [step["body"] for step in steps(tmp_path) if step["step"] == "model_request"]
    asked = json.dumps(request)
    for secret in (
        "BEFORE",
        "files_changed",
        'resubmit_backoff_ms\\": 100',
        "runtime.output.stdout) |",
    ):
        assert secret not in asked


def test_no_request_goes_to_another_server(framework: str, tmp_path: Path) -> None:
    """Telemetry is off: a proxy for all other servers gets no request."""
    calls = []

    def count(request: Request) -> Response:
        calls.append(request.path)
        return Response(502)

    names = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")
    with serving(count) as url:
        status, _, output = run(tmp_path, framework, *SCRIPTED, **dict.fromkeys(names, url))
    assert status == 0, output
    assert calls == []
