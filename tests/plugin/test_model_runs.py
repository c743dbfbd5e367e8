"""Live, recorded and replayed runs, as a user of pytest starts them: what must hold for every framework.
A small framework of these tests asks the scripted model."""

from __future__ import annotations

import json
import shlex
import shutil
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from pytest_execgo.emulators.httpd import Request, Response, json_response
from tests.conftest import ScenarioMaker
from tests.endpoints import hanging_up, serving
from tests.ids import readable
from tests.plugin.conftest import FRAMEWORK, KEY, LIVE, SCRIPTED, latest, script, trial
from tests.results import METRICS_OF_MODELS


def test_the_plan_of_a_scripted_model_runs(pytester: pytest.Pytester, tiny: Path) -> None:
    result = pytester.runpytest_subprocess(*SCRIPTED)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*model    scripted default"])
    report = latest(pytester.path)
    (found,) = report["trials"]
    assert found["model"] == "scripted/default"
    markdown = (pytester.path / "reports/latest/benchmark.md").read_text()
    assert "<summary>Landing</summary>" in markdown
    assert "scripted/default" in markdown
    metrics, rates = found["metrics"], report["cells"][0]["rates"]
    assert (metrics["landed"], metrics["landed_at_first"], metrics["repair_count"]) == (1, 1, 0)
    assert metrics["model_requests"] == 1
    assert metrics["prompt_tokens"] > metrics["completion_tokens"] > 0
    assert (rates["landing"]["count"], rates["plan_shapes"]) == (1, 1)
    assert report["request"]["model"]["provider"] == "scripted"
    folder = pytester.path / "reports/latest/trials" / found["trial_id"]
    trace = json.loads((folder / "adapter_trace.json").read_text())
    assert trace["model"] == {"provider": "scripted", "model": "default"}
    assert [step["step"] for step in trace["steps"]] == ["model_request", "model_answer", "judged"]


def test_illegal_plans_are_repaired_until_one_lands(pytester: pytest.Pytester, tiny: Path) -> None:
    plan = {"plan": "../plan.yaml"}
    broken = ("broken_json", "unknown_task_type", "missing_binding")
    script(tiny, "slow", *[plan | {"broken": how} for how in broken], plan)
    words = (*SCRIPTED, "--execgo-model=slow", "--execgo-max-repairs=3")
    pytester.runpytest_subprocess(*words).assert_outcomes(passed=1)
    found = trial(pytester)
    assert found["metrics"]["repair_count"] == 3
    assert (found["metrics"]["landed"], found["metrics"]["landed_at_first"]) == (1, 0)
    rules = ["broken_json", "unknown_task_type", "binding_unknown_source"]
    assert found["broken_rules"] == rules


def test_a_model_without_any_legal_plan_fails_the_trial_in_layer_plan(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    script(tiny, "stubborn", {"plan": "../plan.yaml", "broken": "missing_binding"})
    result = pytester.runpytest_subprocess(*SCRIPTED, "--execgo-model=stubborn")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["cause * plan · never_valid (certain): no legal plan in 3 answers;*"]
    )
    assert "Traceback" not in result.stdout.str()
    assert trial(pytester)["metrics"]["landed"] == 0


def test_the_adapter_of_the_documentation_runs(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    page = (Path(__file__).parents[2] / "docs/adapters.md").read_text()
    code = page.partition("## Your own")[2].partition("```python\n")[2].partition("```")[0]
    pytester.makeconftest(code)
    broken = {"plan": "../plan.yaml", "broken": "unknown_task_type"}
    script(project("demo"), "once", broken, {"plan": "../plan.yaml"})
    words = ("--execgo-matrix", "--execgo-mode=live", "--execgo-framework=mine")
    model = ("--execgo-provider=scripted", "--execgo-model=once")
    pytester.runpytest_subprocess(*words, *model).assert_outcomes(passed=1)
    assert trial(pytester)["metrics"]["repair_count"] == 1


SERVER_ERRORS = "--execgo-chaos=model_server_error"


def test_every_metric_of_models_varies(pytester: pytest.Pytester, tiny: Path) -> None:
    script(tiny, "stubborn", {"text": "no"})
    seen = []
    for words in (["--execgo-model=default"], ["--execgo-model=stubborn", SERVER_ERRORS]):
        pytester.runpytest_subprocess(*SCRIPTED, *words)
        seen.append({metric: trial(pytester)["metrics"][metric] for metric in METRICS_OF_MODELS})
    assert [metric for metric in METRICS_OF_MODELS if seen[0][metric] == seen[1][metric]] == []


def test_an_unreachable_endpoint_gives_no_landing_rate(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    with hanging_up() as url:
        words = (*LIVE, "--execgo-model=m", f"--execgo-base-url={url}/v1")
        pytester.runpytest_subprocess(*words).assert_outcomes(failed=1)
    assert trial(pytester)["metrics"]["landed"] is None
    assert latest(pytester.path)["cells"][0]["rates"]["landing"] is None


def test_a_recording_is_replayed_without_a_model(
    pytester: pytest.Pytester, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script(tiny, "twice", {"text": "no"}, {"plan": "../plan.yaml"})
    words = (*SCRIPTED, "--execgo-model=twice", "--execgo-record")
    pytester.runpytest_subprocess(*words).assert_outcomes(passed=1)
    recording = json.loads((tiny / "traces/tiny.json").read_text())
    assert (recording["provider"], recording["model"]) == ("scripted", "twice")
    assert len(recording["exchanges"]) == 2
    shutil.rmtree(tiny / "scripts")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    replay = ("--execgo-matrix", "--execgo-framework=tiny")
    pytester.runpytest_subprocess(*replay).assert_outcomes(passed=1)
    assert trial(pytester)["metrics"]["repair_count"] == 1
    # The model of the recording, although no model is asked.
    assert trial(pytester)["model"] == "scripted/twice"
    # Change one answer by hand.
    text = (tiny / "traces/tiny.json").read_text()
    (tiny / "traces/tiny.json").write_text(
        text.replace('\\"content\\":\\"no\\"', '\\"content\\":\\"yes\\"')
    )
    result = pytester.runpytest_subprocess(*replay)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["cause * adapter · replay_divergence (certain): replay divergence at request 2: messages*"]
    )


def test_a_changed_last_answer_is_a_divergence_of_the_plan(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    pytester.runpytest_subprocess(*SCRIPTED, "--execgo-record").assert_outcomes(passed=1)
    path = tiny / "traces/tiny.json"
    path.write_text(path.read_text().replace("10000", "20000"))
    result = pytester.runpytest_subprocess("--execgo-matrix", "--execgo-framework=tiny")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["cause * replay divergence after answer 1: the plan differs*"])


def test_a_replay_allows_as_many_repairs_as_the_recording(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    script(tiny, "slow", *[{"text": "no"}] * 4, {"plan": "../plan.yaml"})
    words = (*SCRIPTED, "--execgo-model=slow", "--execgo-max-repairs=4", "--execgo-record")
    pytester.runpytest_subprocess(*words).assert_outcomes(passed=1)
    assert "--execgo-max-repairs 4" in trial(pytester)["rerun"]
    replay = ("--execgo-matrix", "--execgo-framework=tiny")
    pytester.runpytest_subprocess(*replay).assert_outcomes(passed=1)
    assert trial(pytester)["metrics"]["repair_count"] == 4


def test_the_plan_of_a_failed_trial_is_not_recorded(pytester: pytest.Pytester, tiny: Path) -> None:
    manifest = tiny / "scenario.yaml"
    manifest.write_text(manifest.read_text().replace("equals: 3", "equals: 4"))
    pytester.runpytest_subprocess(*SCRIPTED, "--execgo-record").assert_outcomes(failed=1)
    assert not (tiny / "traces").exists()


def test_tests_with_the_marker_can_ask_a_model(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.execgo("demo", chaos=["none", "model_t*"])
        def test_live(execgo_run):
            result = execgo_run(framework="tiny", mode="live")
            assert result.verdict.status == "passed"
            assert result.model == "scripted/default"
            assert "--execgo-provider scripted" in result.rerun

        def test_not_in_replay(execgo_run):
            execgo_run("demo", "model_down", framework="tiny")
        """
    )
    words = ("--execgo-provider=scripted", "--execgo-model-timeout=0.5", "-rs")
    result = pytester.runpytest_subprocess(*words)
    result.assert_outcomes(passed=3, skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED*a model is asked in live mode only*"])


WAITING = """
    def plan(self, context, trace, recording):
        from concurrent.futures import ThreadPoolExecutor
        print("asking", flush=True)
        # As in frameworks: the exit waits for the thread, and the thread waits for the model.
        with ThreadPoolExecutor() as pool:
            url = f"{context.model.base_url}/chat/completions"
            return pool.submit(requests.post, url, json={}).result()

def pytest_execgo_adapters():
"""


# A suite in the background of a shell ignores SIGINT, and its children inherit that.
INTERRUPTIBLE = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("pytest", run_name="__main__", alter_sys=True)
"""


def test_ctrl_c_does_not_wait_for_the_model(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.makeconftest(
        FRAMEWORK.replace("def pytest_execgo_adapters():\n", WAITING.lstrip("\n"))
    )
    asked, over = threading.Event(), threading.Event()

    def hang(request: Request) -> Response:
        asked.set()
        over.wait(60)
        return Response(drop=True)

    with serving(hang) as url:
        words = (*LIVE, "--execgo-model=m", f"--execgo-base-url={url}/v1", "-p", "no:cacheprovider")
        child = subprocess.Popen(
            [sys.executable, "-c", INTERRUPTIBLE, *words],
            cwd=pytester.path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        try:
            assert asked.wait(60)
            child.send_signal(signal.SIGINT)
            # The run ends although the model has not answered.
            output, _ = child.communicate(timeout=50)
        finally:
            over.set()
            child.kill()
    assert child.returncode == pytest.ExitCode.INTERRUPTED, output
    assert "Exception in thread" not in output


BUDGETS = [
    ("--execgo-plan-requests=2", "the model was asked more than 2 times for one plan"),
    ("--execgo-plan-tokens=1", "tokens are used up (allowed: 1)"),
    ("--execgo-plan-seconds=0.2", "planning took more than 0.2 s"),
]


@pytest.mark.parametrize(("option", "expected"), BUDGETS, ids=readable)
def test_a_plan_over_budget_fails_the_trial(
    pytester: pytest.Pytester, tiny: Path, option: str, expected: str
) -> None:
    script(tiny, "stubborn", {"text": "no"})
    # For the time budget: a silent endpoint, which would time out after five seconds.
    problem = ["--execgo-chaos=model_timeout"] if "seconds" in option else []
    words = (*SCRIPTED, "--execgo-model=stubborn", option, *problem)
    pytester.runpytest_subprocess(*words).assert_outcomes(failed=1)
    found = trial(pytester)
    cause = found["verdict"]["attribution"][0]
    what = option.removeprefix("--execgo-plan-").partition("=")[0].replace("seconds", "time")
    assert (cause["layer"], cause["code"]) == ("adapter", f"budget_{what}")
    assert expected in cause["message"]
    assert option.replace("=", " ") in found["rerun"]
    # Zero if illegal answers arrived; unknown if no answer arrived.
    assert found["metrics"]["landed"] == (None if what == "time" else 0)
    assert found["metrics"]["model_requests"] == {"requests": 2, "tokens": 1, "time": 1}[what]


def test_the_rerun_command_repeats_an_unused_budget(pytester: pytest.Pytester, tiny: Path) -> None:
    words = ("--execgo-plan-tokens=1234567", "--execgo-plan-seconds=77.5")
    pytester.runpytest_subprocess(*SCRIPTED, *words).assert_outcomes(passed=1)
    rerun = trial(pytester)["rerun"]
    assert "--execgo-plan-tokens 1234567 --execgo-plan-seconds 77.5" in rerun
    again = pytester.runpytest_subprocess(*shlex.split(rerun)[1:])
    again.assert_outcomes(passed=1)


def test_incomplete_model_in_ini_is_ignored_without_live_trials(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    pytester.makeini("[pytest]\nexecgo_model_timeout = 30\nexecgo_temperature = 0\n")
    pytester.makepyfile('def test_it(execgo_run): assert execgo_run("demo").verdict')
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_a_long_recording_is_replayed_to_its_end(pytester: pytest.Pytester, tiny: Path) -> None:
    script(tiny, "slow", *[{"text": "no"}] * 20, {"plan": "../plan.yaml"})
    conftest = pytester.path / "conftest.py"
    # This framework asks more often than the default budget allows.
    conftest.write_text(conftest.read_text().replace("range(context.max_repairs + 1)", "range(99)"))
    words = (*SCRIPTED, "--execgo-model=slow", "--execgo-record", "--execgo-plan-requests=30")
    pytester.runpytest_subprocess(*words).assert_outcomes(passed=1)
    replay = ("--execgo-matrix", "--execgo-framework=tiny")
    pytester.runpytest_subprocess(*replay).assert_outcomes(passed=1)
    assert trial(pytester)["metrics"]["model_requests"] == 21


@pytest.mark.parametrize(
    "ini", ["execgo_plan_tokens = 1", "execgo_plan_requests = 1", "execgo_plan_seconds = 9"]
)
def test_a_budget_can_be_set_in_ini_and_request_files(
    pytester: pytest.Pytester, tiny: Path, ini: str
) -> None:
    name, _, value = ini.removeprefix("execgo_plan_").partition(" = ")
    pytester.makeini(f"[pytest]\n{ini}\n")
    pytester.runpytest_subprocess(*SCRIPTED).assert_outcomes(passed=1)
    assert latest(pytester.path)["request"]["budget"][name] == float(value)
    request = {"schema_version": "1", "budget": {name: 7}}
    (pytester.path / "request.json").write_text(json.dumps(request))
    words = (*SCRIPTED, "--execgo-request=request.json")
    pytester.runpytest_subprocess(*words).assert_outcomes(passed=1)
    assert latest(pytester.path)["request"]["budget"][name] == 7


def test_a_broken_recording_is_reported_in_one_line(pytester: pytest.Pytester, tiny: Path) -> None:
    (tiny / "traces").mkdir()
    (tiny / "traces/tiny.json").write_text('{"schema_version": "1"}')
    result = pytester.runpytest_subprocess("--execgo-matrix", "--execgo-framework=tiny")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["cause * adapter · recording_broken (certain): *tiny.json:1: *required*"]
    )


def test_a_resumed_run_keeps_its_model(pytester: pytest.Pytester, tiny: Path) -> None:
    pytester.runpytest_subprocess(*SCRIPTED).assert_outcomes(passed=1)
    result = pytester.runpytest_subprocess(
        "--execgo-matrix", "--execgo-resume=latest", "--execgo-model=other"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "leave out --execgo-model" in result.stderr.str()


def test_without_a_recording_the_trial_is_skipped_with_the_command(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    result = pytester.runpytest_subprocess("--execgo-matrix", "-rs")
    result.assert_outcomes(passed=1, skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED*there is no recording scenarios/demo/traces/tiny.json; make*"]
    )


def test_a_key_that_the_endpoint_echoes_is_in_no_file(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    plan = yaml.safe_load((tiny / "plan.yaml").read_text())
    text = json.dumps({"stages": plan["stages"]})

    def answer(request: Request) -> Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        body = {
            "choices": [{"message": {"content": text}}],
            "echo": request.headers["authorization"],
        }
        return json_response(body)

    with serving(answer) as url:
        words = (*LIVE, "--execgo-model=m", f"--execgo-base-url={url}/v1", "--execgo-record")
        pytester.runpytest_subprocess(*words).assert_outcomes(passed=1)
    assert "[key]" in (tiny / "traces/tiny.json").read_text()
    for path in [*(pytester.path / "reports").rglob("*"), *tiny.rglob("*")]:
        if path.is_file():
            assert KEY.encode() not in path.read_bytes(), path


def test_the_base_url_of_the_environment_is_read_below_option_and_ini(
    pytester: pytest.Pytester, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = (*LIVE, "--execgo-model=m", "--execgo-plan-requests=1")
    monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/environment")
    shown = "  model    openai-compatible m at http://127.0.0.1:9/"
    pytester.runpytest(*words).stdout.fnmatch_lines([f"{shown}environment"])
    pytester.makeini("[pytest]\nexecgo_base_url = http://127.0.0.1:9/ini\n")
    pytester.runpytest(*words).stdout.fnmatch_lines([f"{shown}ini"])
    option = "--execgo-base-url=http://127.0.0.1:9/option"
    pytester.runpytest(*words, option).stdout.fnmatch_lines([f"{shown}option"])


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("localhost", "OPENAI_BASE_URL localhost: expected a URL"),
        ("http://me:pw@host/v1", "OPENAI_BASE_URL holds a password"),
        (f"http://host/{KEY}/v1", "holds the key of OPENAI_API_KEY"),
        ("", "live mode needs --execgo-base-url"),
    ],
)
def test_a_wrong_base_url_of_the_environment_is_one_line(
    pytester: pytest.Pytester, tiny: Path, monkeypatch: pytest.MonkeyPatch, url: str, expected: str
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", url)
    result = pytester.runpytest(*LIVE, "--execgo-model=m")
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: execgo: *{expected}*"])


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--execgo-mode=live",), "live mode asks a model: give --execgo-provider"),
        ((*LIVE, "--execgo-provider=scriptd"), "unknown provider 'scriptd'"),
        ((*LIVE, "--execgo-provider=openai-compatible"), "live mode needs --execgo-model"),
        ((*LIVE, "--execgo-model=m"), "live mode needs --execgo-base-url"),
        ((*LIVE, "--execgo-model=m", "--execgo-base-url=localhost"), "expected a URL"),
        ((*LIVE, "--execgo-model=m", "--execgo-base-url=http://[::1/v1"), "expected a URL"),
        ((*LIVE, "--execgo-model=m", "--execgo-base-url=http://me:pw@host/v1"), "holds a password"),
        ((*SCRIPTED, "--execgo-temperature=hot"), "expected a number"),
        ((*SCRIPTED, "--execgo-max-tokens=0"), "at least 1"),
        ((*SCRIPTED, "--execgo-model-timeout=0"), "expected more than 0 seconds"),
        ((*SCRIPTED, "--execgo-plan-seconds=soon"), "--execgo-plan-seconds 'soon': expected a"),
        ((*SCRIPTED, "--execgo-plan-tokens=-1"), "--execgo-plan-tokens '-1': expected a whole"),
        ((*SCRIPTED, "--execgo-plan-requests=0"), "at least 1"),
        ((*SCRIPTED, "--execgo-plan-requests=²"), "expected a whole number of at least 1"),
        ((*SCRIPTED, "--execgo-plan-seconds=1e12"), "at most a day"),
        ((*LIVE, "--execgo-model=m", "--execgo-base-url=http://h/v1?key=a"), "no query"),
        (
            (*LIVE, "--execgo-model=m", "--execgo-base-url=http://h/v1/chat/completions"),
            "expected just the address below which /chat/completions is, as in http://h/v1",
        ),
        (("--execgo-provider=scripted",), "--execgo-provider is for live mode"),
        (("--execgo-record",), "--execgo-record is for live mode"),
        (("--execgo-plan-tokens=9",), "add --execgo-mode live"),
        (("--execgo-max-repairs=-1",), "--execgo-max-repairs '-1': expected a whole number"),
        (
            ("--execgo-framework=reference", "--execgo-mode=live", "--execgo-provider=scripted"),
            "framework reference has no mode live",
        ),
    ],
    ids=readable,
)
def test_a_wrong_option_is_reported_in_one_line(
    pytester: pytest.Pytester, tiny: Path, words: tuple[str, ...], expected: str
) -> None:
    result = pytester.runpytest_subprocess("--execgo-matrix", "--execgo-framework=tiny", *words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert expected in result.stderr.str()


def test_a_replay_without_the_framework_says_what_to_install(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    pytester.runpytest_subprocess(*SCRIPTED).assert_outcomes(passed=1)
    conftest = pytester.path / "conftest.py"
    conftest.write_text(conftest.read_text().replace('("requests",)', '("nothing_like_it",)'))
    result = pytester.runpytest_subprocess("--execgo-replay=reports/latest")
    assert result.ret == 1
    reason = "tiny is not installed; install it with: *"
    result.stdout.fnmatch_lines([f"replay of *: it was not repeated: {reason}"])


def test_a_dead_endpoint_is_one_line_and_not_one_failure_per_trial(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    words = (*LIVE, "--execgo-model=m", "--execgo-base-url=http://127.0.0.1:9/v1")
    result = pytester.runpytest_subprocess(*words, "--execgo-repetitions=10")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.errlines == [
        "ERROR: execgo: the model's endpoint http://127.0.0.1:9/v1 does not answer: Connection "
        "refused; start it, or give another one with --execgo-base-url",
        "",
    ]
    assert not (pytester.path / "reports").exists()


@pytest.mark.parametrize(
    ("url", "code"), [("HANGING UP", "model_unreachable"), ("FIXTURES", "model_unknown")]
)
def test_a_failing_endpoint_is_the_cause_and_not_the_exception_of_the_framework(
    pytester: pytest.Pytester, tiny: Path, url: str, code: str
) -> None:
    from pytest_execgo.extensions.registry import Registry
    from pytest_execgo.harness.fleet import Fleet, FleetSpec

    with Fleet(FleetSpec(), Registry.build().launchers) as fleet, hanging_up() as dead:
        # The fixtures server answers, but has no such model.
        base = {"HANGING UP": f"{dead}/v1", "FIXTURES": f"{fleet.url('fixtures')}/t/x/model/v1"}[
            url
        ]
        result = pytester.runpytest_subprocess(
            *LIVE, "--execgo-model=gpt", f"--execgo-base-url={base}"
        )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"cause * adapter · {code} (certain): *"])
    assert "Traceback" not in result.stdout.str()


def test_live_mode_without_any_framework_reports_what_to_install(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    from pytest_execgo.extensions.registry import Registry

    installed = [
        name for name, adapter in Registry.build().adapters.items() if not adapter.missing()
    ]
    if installed != ["reference"]:
        pytest.skip(f"{installed} are installed here")
    project("demo")
    result = pytester.runpytest_subprocess(
        "--execgo-matrix", "--execgo-mode=live", "--execgo-provider=scripted"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert "install one: pip install 'pytest-execgo[langgraph]' or" in result.stderr.str()


def test_a_framework_that_is_not_installed_is_refused_with_the_command(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    from importlib.util import find_spec

    if find_spec("crewai"):
        pytest.skip("crewai is installed here")
    project("demo")
    result = pytester.runpytest_subprocess("--execgo-matrix", "--execgo-framework=crewai")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: *crewai is not installed; install it with: pip install 'pytest-execgo[[]crewai[]]'"
        ]
    )
