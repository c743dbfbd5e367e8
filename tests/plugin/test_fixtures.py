"""The fixtures for tests of a project, and the extension points."""

from __future__ import annotations

import inspect
import textwrap

import pytest

from pytest_execgo.extensions import hookspecs
from tests.conftest import ScenarioMaker
from tests.ids import readable
from tests.plugin.conftest import latest


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["plain", "n2"])
def test_fixtures_and_marker_run_trials_in_tests_of_a_project(
    pytester: pytest.Pytester, project: ScenarioMaker, workers: list[str]
) -> None:
    project("demo")
    pytester.makepyfile(
        """
        import pytest

        def test_by_hand(execgo_run):
            first, second = execgo_run(scenario="demo"), execgo_run(scenario="demo")
            assert first.verdict.status == second.verdict.status == "passed"
            assert first.trial_id != second.trial_id

        @pytest.mark.execgo(scenario="demo", chaos=["none", "invalid_tool"])
        def test_marked(execgo_run, execgo_chaos):
            result = execgo_run()
            assert result.chaos == execgo_chaos
            assert result.verdict.status == "passed"

        def test_client(execgo_client, execgo_fleet):
            assert execgo_client.health()["status"] == "ok"
            assert "os.shell" in execgo_client.adapter_capabilities()["action_kinds"]
            assert "execgo.os.shell" in [t["name"] for t in execgo_client.adapter_tools()]
            action = {"action_id": "a1", "action": {"kind": "noop"}}
            translated = execgo_client.translate_action(action)
            assert (translated["accepted"], translated["task_ids"]) == (0, ["a1"])
            assert execgo_client.get("a1") is None
            assert execgo_client.submit_action(action)["accepted"] == 1
            assert execgo_client.get("a1").raw["tool_name"] == "noop"
            with pytest.raises(Exception, match="400|kind"):
                execgo_client.translate_action({"action": {"kind": "no such kind"}})
            assert execgo_fleet.url("fixtures").startswith("http://127.0.0.1:")
        """
    )
    result = pytester.runpytest("--strict-markers", *workers)
    result.assert_outcomes(passed=4)
    assert len(latest(pytester.path)["trials"]) == 4


@pytest.mark.usefixtures("reruns")
@pytest.mark.parametrize("words", [[], ["-n2"]], ids=["plain", "n2"])
def test_execgo_run_takes_paths_and_works_with_parameters_and_reruns(
    pytester: pytest.Pytester, project: ScenarioMaker, words: list[str]
) -> None:
    project("demo")
    pytester.makepyfile(
        """
        from pathlib import Path
        import pytest

        FOLDER = Path(__file__).parent / "scenarios/demo"

        @pytest.mark.parametrize("scenario", [FOLDER, str(FOLDER), FOLDER / "scenario.yaml"])
        @pytest.mark.parametrize("chaos", ["none", "invalid_tool"])
        def test_paths(execgo_run, scenario, chaos):
            result = execgo_run(scenario=scenario, chaos=chaos)
            assert (result.scenario, result.chaos) == ("demo", chaos)

        def test_once_more(execgo_run, tmp_path_factory):
            result = execgo_run(scenario="demo")
            seen = FOLDER / "seen"
            first = not seen.exists()
            seen.touch()
            assert not first, result.trial_id
        """
    )
    result = pytester.runpytest("--reruns=1", *words)
    outcomes = result.parseoutcomes()
    assert (outcomes["passed"], outcomes["rerun"]) == (7, 1)
    trials = [trial["trial_id"] for trial in latest(pytester.path)["trials"]]
    assert len(set(trials)) == len(trials) == 8


@pytest.mark.parametrize(
    ("call", "complaint"),
    [
        ("scenario='dmo'", "*unknown scenario 'dmo'*did you mean 'demo'?*"),
        ("scenario='demo', chaos='storm'", "*unknown chaos profile 'storm'*"),
        ("scenario='demo', mode='liv'", "*unknown mode 'liv'*did you mean 'live'?*"),
        ("scenario='demo', mode='live'", "*framework reference has no mode live*"),
        (
            "scenario='demo', mode='live', framework='langgraph'",
            "*live mode asks a model: give --execgo-provider*",
        ),
        ("", "*execgo_run needs a scenario*"),
    ],
)
def test_a_wrong_call_of_execgo_run_is_one_line(
    pytester: pytest.Pytester, project: ScenarioMaker, call: str, complaint: str
) -> None:
    project("demo")
    pytester.makepyfile(f"def test_it(execgo_run): execgo_run({call})")
    result = pytester.runpytest()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([complaint])


@pytest.mark.parametrize(
    ("mark", "complaint"),
    [
        ("scenario='demo', kaos=['none']", "*unknown argument 'kaos'*did you mean 'chaos'?*"),
        ("'demo', 'x'", "*takes one scenario, and chaos as a keyword*"),
        ("'demo', chaos='x*'", "*no chaos profile matches 'x[*]'*"),
        ("'demo', chaos=None", "*chaos must be the name of a profile or a list of names*"),
    ],
)
def test_a_mistake_in_the_marker_is_found_at_collection(
    pytester: pytest.Pytester, project: ScenarioMaker, mark: str, complaint: str
) -> None:
    project("demo")
    pytester.makepyfile(
        f"""
        import pytest

        @pytest.mark.execgo({mark})
        def test_it(execgo_run):
            execgo_run()
        """
    )
    result = pytester.runpytest("--collect-only")
    assert result.ret == 2
    result.stdout.fnmatch_lines([complaint])


def example_of(name: str) -> str:
    """The code in the docstring of a hookspec."""
    text = inspect.getdoc(getattr(hookspecs, name)) or ""
    return textwrap.dedent(text.partition(".. code-block:: python\n")[2])


@pytest.mark.parametrize(
    ("hook", "args", "proof"),
    [
        ("pytest_execgo_adapters", ["--execgo-framework=echo"], "framework echo · mode replay"),
        ("pytest_execgo_chaos_actions", ["--execgo-chaos=mine"], "*faults fired 1/1*"),
        ("pytest_execgo_launchers", ["--execgo-harness=mine"], "*1 passed*"),
        ("pytest_execgo_report_formats", [], "*1 passed*"),
        ("pytest_execgo_attribution_rules", [], "*1 passed*"),
    ],
    ids=readable,
)
def test_the_example_of_every_hook_runs(
    pytester: pytest.Pytester, project: ScenarioMaker, hook: str, args: list[str], proof: str
) -> None:
    project("demo")
    project.chaos(
        "mine", expectation="measure", faults=[{"action": "rename", "when": {"phase": "plan"}}]
    ) if "chaos" in hook else None
    pytester.makeconftest(example_of(hook))
    result = pytester.runpytest("--execgo-matrix", *args)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([proof])
    if "report" in hook:
        cells = (pytester.path / "reports/latest/cells.csv").read_text()
        assert cells == "demo-reference-replay-none,1,1\n"


def test_a_report_format_that_raises_is_reported_and_stops_no_other(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeconftest(
        """
        from pytest_execgo.benchmark.reports.base import ReportFormat

        class Broken(ReportFormat):
            filename = "broken.txt"

            def render(self, result):
                raise ValueError("no ink")

        def pytest_execgo_report_formats():
            return [Broken()]
        """
    )
    result = pytester.runpytest("--execgo-matrix")
    result.assert_outcomes(passed=1)
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["report failed: broken.txt: ValueError: no ink"])
    assert (pytester.path / "reports/latest/benchmark.md").exists()


def test_wrong_return_values_of_parts_are_reported_in_one_line(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeconftest(
        """
        from pytest_execgo.adapter.base import Adapter
        from pytest_execgo.benchmark.reports.base import ReportFormat

        class Wrong(ReportFormat):
            filename = "wrong.txt"

            def render(self, result):
                return 3

        class Dictionary(Adapter):
            name = "dictionary"
            modes = frozenset({"replay"})

            def plan(self, context, trace, recording):
                return {"stages": []}

        def pytest_execgo_report_formats():
            return [Wrong()]

        def pytest_execgo_adapters():
            return [Dictionary()]
        """
    )
    result = pytester.runpytest("--execgo-matrix", "--execgo-framework=dictionary")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "FAILED*no plan: TypeError: plan() of dictionary returned dict, expected StandardPlan",
            "report failed: wrong.txt: TypeError: render() returned int, expected str",
        ]
    )


def test_the_name_of_an_earlier_tool_selects_the_profile_of_resource_pressure(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    listed = pytester.runpytest(
        "--execgo-matrix", "--execgo-chaos=resource_pressure", "--collect-only", "-q"
    )
    listed.stdout.fnmatch_lines(["scenarios/demo/scenario.yaml::reference-replay-runtime_cpu-r0"])
    every = pytester.runpytest("--execgo-matrix", "--execgo-chaos=all", "--collect-only", "-q")
    assert "resource_pressure" not in every.stdout.str()
    (pytester.path / "scenarios/chaos").mkdir()
    (pytester.path / "scenarios/chaos/resource_pressure.yaml").write_text(
        'schema_version: "1"\nid: resource_pressure\nexpectation: not_applicable\n'
    )
    own = pytester.runpytest(
        "--execgo-matrix", "--execgo-chaos=resource_pressure", "--collect-only", "-q"
    )
    own.stdout.fnmatch_lines(["*reference-replay-resource_pressure-r0"])


def test_a_red_test_shows_why_its_trial_failed(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    greet = project("demo") / "workspace/greet.py"
    greet.write_text("open('orders.csv')")
    pytester.makepyfile("""
        def test_it(execgo_run):
            assert execgo_run(scenario="demo").verdict.status == "passed"

        def test_that_expects_it(execgo_run):
            assert execgo_run(scenario="demo").verdict.status == "failed"
    """)
    result = pytester.runpytest("--junitxml=junit.xml")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*Captured execgo demo-reference-replay-none-r0 call*",
            "FAILED *got: stage greet did not finish (failed)",
            "cause *task · exit_non_zero*No such file or directory: 'orders.csv'*",
            "stderr       of task greet:",
            "*FileNotFoundError: *'orders.csv'",
            "record       reports/*/trials/demo-reference-replay-none-r0",
            "rerun        pytest test_*.py::test_it --execgo-seed 7",
        ]
    )
    result.stdout.no_fnmatch_line("*Captured execgo demo-reference-replay-none-r1*")
