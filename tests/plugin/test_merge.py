"""Real runs: rebuilt from their folders, merged from shards, and put together after a kill."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.comparable import comparable, document
from tests.conftest import ScenarioMaker

MATRIX = (
    "--execgo-matrix", "--execgo-chaos=none", "--execgo-chaos=invalid_tool",
    "--execgo-chaos=runtime_kill", "--execgo-repetitions=2",
)  # fmt: skip


def cli(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest_execgo", *words]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_a_report_is_rebuilt_from_its_folder(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.runpytest(*MATRIX, "--execgo-run-id=one").assert_outcomes(passed=6)
    run = pytester.path / "reports/one"
    before = {name: (run / name).read_bytes() for name in ("benchmark.json", "benchmark.md")}
    for name in before:
        (run / name).unlink()
    done = cli(pytester.path, "report", "reports")
    assert (done.returncode, done.stdout) == (0, "reports/one: 6 of 6 trials passed\n")
    assert {name: (run / name).read_bytes() for name in before} == before


def test_shards_workers_and_one_process_give_the_same_run(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.runpytest(*MATRIX, "--execgo-run-id=whole").assert_outcomes(passed=6)
    pytester.runpytest_subprocess(*MATRIX, "--execgo-run-id=two", "-n2").assert_outcomes(passed=6)
    for number in (1, 2, 3):
        words = (f"--execgo-shard={number}/3", f"--execgo-run-id=part{number}")
        pytester.runpytest(*MATRIX, *words).assert_outcomes(passed=2)
    parts = [f"reports/part{number}" for number in (3, 1, 2)]
    done = cli(pytester.path, "merge", *parts, "-o", "reports/merged", "--json")
    assert done.returncode == 0, done.stderr
    (facts,) = json.loads(done.stdout)
    assert (facts["trials"], facts["passed"], facts["trustworthy"]) == (6, 6, True)
    reports = pytester.path / "reports"
    expected = comparable(reports / "whole")
    assert comparable(reports / "merged") == expected
    assert comparable(reports / "two") == expected
    replay = pytester.runpytest("--execgo-replay=reports/merged")
    replay.assert_outcomes(passed=6)
    lacking = cli(pytester.path, "merge", *parts[:2], "-o", "reports/other")
    assert lacking.returncode == 2
    assert lacking.stderr.startswith("error: shard 2/3 is missing (given: 1/3, 3/3)")


def test_shards_by_time_are_divided_once_and_resumed_without_the_times(
    pytester: pytest.Pytester, project: ScenarioMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    project("demo")
    pytester.runpytest(*MATRIX, "--execgo-run-id=whole").assert_outcomes(passed=6)
    weights = "--execgo-shard-weights=reports/whole/benchmark.json"
    for number in (0, 1):
        monkeypatch.setenv("CIRCLE_NODE_INDEX", str(number))
        monkeypatch.setenv("CIRCLE_NODE_TOTAL", "2")
        pytester.runpytest(*MATRIX, weights, "--execgo-shard=auto", f"--execgo-run-id=p{number}")
    planned = [
        json.loads((pytester.path / f"reports/p{number}/run.json").read_text())["planned"]
        for number in (0, 1)
    ]
    assert len(planned[0]) + len(planned[1]) == 6
    assert not set(planned[0]) & set(planned[1])
    resumed = pytester.runpytest("--execgo-matrix", "--execgo-resume=p0")
    resumed.assert_outcomes(deselected=len(planned[0]))
    done = cli(pytester.path, "merge", "reports/p0", "reports/p1", "-o", "reports/merged")
    assert done.returncode == 0, done.stderr
    assert len(document(pytester.path / "reports/merged")["trials"]) == 6
    alone = pytester.runpytest(*MATRIX, weights)
    alone.stderr.fnmatch_lines(["*--execgo-shard-weights has no effect without --execgo-shard"])


def test_runs_are_compared_by_the_command_and_at_the_end_of_a_run(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    folder = project("demo")
    pytester.runpytest("--execgo-matrix", "--execgo-run-id=before", "--execgo-repetitions=6")
    script = folder / "workspace/greet.py"
    script.write_text(script.read_text().replace("Hello", "Bye"))
    words = ("--execgo-repetitions=6", "--execgo-compare=reports/latest")
    result = pytester.runpytest("--execgo-matrix", "--execgo-run-id=after", *words)
    result.stdout.fnmatch_lines(
        [
            "compared with before: BLOCK: success rate -100.0 % (95 % interval *",
            "worse: success_rate 100.0 % → 0.0 % (-100.0 %)",
            "newly red: demo-reference-replay-none",
            "newly named causes: task/wrong_output",
        ]
    )
    after = pytester.path / "reports/after"
    written = json.loads((after / "comparison.json").read_text())
    assert written["gate"]["verdict"] == "BLOCK"
    done = cli(
        pytester.path, "compare", "reports/before", "reports/after/benchmark.json",
        "--markdown", "out.md", "--json",
    )  # fmt: skip
    assert done.returncode == 11
    assert json.loads(done.stdout) == written
    assert (pytester.path / "out.md").read_text() == (after / "comparison.md").read_text()
    same = cli(pytester.path, "compare", "reports/before", "reports/before")
    assert (same.returncode, same.stderr) == (0, "")
    assert "success_rate" in same.stdout
    wrong = cli(pytester.path, "compare", "reports/before", "reports/before", "--margin", "5")
    assert wrong.stderr == "error: --margin '5': expected a number from 0 to 1, such as 0.05\n"
    missing = cli(pytester.path, "compare", "reports/before", "reports/nope")
    assert missing.stderr == "error: reports/nope: no such file\n"


def test_the_matrix_of_a_ci_system_has_an_entry_for_each_shard(pytester: pytest.Pytester) -> None:
    done = cli(pytester.path, "matrix", "--shards", "2")
    assert json.loads(done.stdout) == {"include": [{"shard": "1/2"}, {"shard": "2/2"}]}
    listed = cli(pytester.path, "matrix", "--shards", "1", "--format", "json")
    assert json.loads(listed.stdout) == [{"shard": "1/1"}]
    wrong = cli(pytester.path, "matrix", "--shards", "0")
    assert wrong.stderr == "error: --shards '0': expected a whole number from 1 to 256\n"


def test_a_killed_and_resumed_run_is_the_same_run(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.runpytest(*MATRIX, "--execgo-run-id=whole").assert_outcomes(passed=6)
    command = [sys.executable, "-m", "pytest", *MATRIX, "--execgo-run-id=killed"]
    events = pytester.path / "reports/killed/events.ndjson"
    with subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL) as process:
        while not events.exists() or events.read_text().count('"trial_finished"') < 2:
            assert process.poll() is None
        os.kill(process.pid, signal.SIGKILL)
    rebuilt = cli(pytester.path, "report", "reports/killed")
    assert "without a result; NOT TRUSTWORTHY" in rebuilt.stdout
    pytester.runpytest("--execgo-matrix", "--execgo-resume=killed")
    reports = pytester.path / "reports"
    assert comparable(reports / "killed") == comparable(reports / "whole")


def test_damaged_runs_are_named_and_the_others_are_used(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    for name in ("one", "two"):
        pytester.runpytest(*MATRIX, f"--execgo-run-id={name}", "-k", "none")
    (pytester.path / "reports/two/request.json").write_text('{"schema_version": "9"}')
    done = cli(pytester.path, "report", "reports")
    assert done.returncode == 2
    assert done.stdout == "reports/one: 2 of 2 trials passed\n"
    assert done.stderr.startswith("error: reports/two/request.json: schema_version '9' is newer")
    result = next((pytester.path / "reports/one/trials").glob("*r0/result.json"))
    result.write_text(result.read_text()[:100])
    again = cli(pytester.path, "merge", "reports/one", "-o", "out/run")
    assert again.returncode == 2
    assert "result.json" in again.stderr
    assert again.stdout.startswith("out/run: 1 of 1 trials passed, 1 without a result")
    nothing = cli(pytester.path, "merge", "scenarios", "-o", "out/more")
    assert nothing.stderr.startswith("error: scenarios: no run there; give folders reports/RUN")


def test_gates_are_judged_for_the_whole_run_and_not_for_its_shards(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    (project("demo") / "workspace/greet.py").write_text("raise SystemExit(3)")
    run = ("--execgo-matrix", "--execgo-repetitions=2", "--execgo-fail-if=success_rate < 0.9")
    for number in (1, 2, 3):
        words = (f"--execgo-shard={number}/3", f"--execgo-run-id=part{number}")
        outcome = pytester.runpytest(*run, *words)
        outcome.stdout.fnmatch_lines(["fail-if success_rate < 0.9: undecided: judged when *"])
        assert outcome.ret == (0 if number == 3 else 1), "the third shard is empty"
    parts = [f"reports/part{number}" for number in (1, 2, 3)]
    merged = cli(pytester.path, "merge", *parts, "-o", "reports/merged")
    assert (merged.returncode, merged.stderr) == (0, "")
    assert "BLOCK: success_rate < 0.9: it is 0\n" in merged.stdout
    assert cli(pytester.path, "report", "reports/merged").returncode == 11
    (gate,) = document(pytester.path / "reports/merged")["gates"]
    assert gate["verdict"] == "BLOCK"


def test_a_resumed_run_needs_the_base_of_its_gates(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.runpytest("--execgo-matrix", "--execgo-run-id=base").assert_outcomes(passed=1)
    run = (
        "--execgo-matrix", "--execgo-run-id=new", "--execgo-repetitions=2", "-k", "r0",
        "--execgo-compare=reports/base", "--execgo-fail-if=success_rate drops 90%",
    )  # fmt: skip
    assert pytester.runpytest(*run).ret == 0
    resume = ("--execgo-matrix", "--execgo-resume=new")
    without = pytester.runpytest(*resume)
    assert without.ret == pytest.ExitCode.USAGE_ERROR
    without.stderr.fnmatch_lines(["*success_rate drops 90%*: it needs a run to compare with*"])
    assert pytester.runpytest(*resume, "--execgo-compare=reports/base").ret == 0
    found = document(pytester.path / "reports/new")
    assert len(found["trials"]) == 2
    assert found["gates"][0]["reason"].startswith("+0.0 %")


def test_the_comparison_of_a_run_that_goes_on_is_forgotten(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.runpytest("--execgo-matrix", "--execgo-run-id=base").assert_outcomes(passed=1)
    run = ("--execgo-matrix", "--execgo-run-id=new", "--execgo-repetitions=2", "-k", "r0")
    assert pytester.runpytest(*run, "--execgo-compare=reports/base").ret == 0
    assert document(pytester.path / "reports/new")["comparison"] is not None
    assert pytester.runpytest("--execgo-matrix", "--execgo-resume=new").ret == 0
    assert document(pytester.path / "reports/new")["comparison"] is None
    assert not (pytester.path / "reports/new/comparison.md").exists()
