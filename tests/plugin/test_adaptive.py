"""``--execgo-repetitions auto:N``: cells get only as many trials as the gate needs."""

from __future__ import annotations

import pytest

from pytest_execgo.benchmark.attempts import note_problem
from tests.conftest import ScenarioMaker
from tests.plugin.conftest import latest

RUN = ("--execgo-matrix", "--execgo-repetitions=auto:12", "--execgo-fail-if=success_rate < 0.6")


@pytest.mark.parametrize("workers", [[], ["-n2"]], ids=["plain", "n2"])
def test_a_decided_cell_gets_no_more_trials_and_the_spend_is_shown(
    pytester: pytest.Pytester, project: ScenarioMaker, workers: list[str]
) -> None:
    project("good")
    bad = project("bad")
    (bad / "workspace/greet.py").write_text("raise SystemExit(3)")
    outcome = pytester.runpytest(*RUN, *workers)
    report = latest(pytester.path)
    ran = {cell["scenario"]: cell["trials"] for cell in report["cells"]}
    # With several workers, a trial may begin before the last look.
    assert 5 <= ran["bad"] <= 5 + 2 * len(workers)
    assert 10 <= ran["good"] <= 10 + 2 * len(workers)
    spared = 24 - sum(ran.values())
    outcome.stdout.fnmatch_lines(
        [
            f"*auto:12: {24 - spared} trials instead of 24; 2 of 2 cells decided",
            f"*{spared} not needed*",
        ]
    )
    assert {one["state"] for one in report["unfinished"]} == {"not_needed"}
    assert report["trustworthy"]


def test_a_resumed_run_keeps_the_gate_and_needs_no_more(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("good")
    assert pytester.runpytest(*RUN).ret == 0
    (run,) = [path for path in (pytester.path / "reports").iterdir() if not path.is_symlink()]
    before = (run / "benchmark.json").read_text()
    assert pytester.runpytest("--execgo-matrix", f"--execgo-resume={run.name}").ret == 0
    assert (run / "benchmark.json").read_text() == before


def test_a_limit_for_the_success_rate_is_needed(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("good")
    outcome = pytester.runpytest(*RUN[:2])
    assert outcome.ret == pytest.ExitCode.USAGE_ERROR
    outcome.stderr.fnmatch_lines(
        [
            "ERROR: execgo: --execgo-repetitions auto:12: it needs a limit for the success rate, as in *"
        ]
    )


def test_an_interrupted_trial_that_is_not_needed_any_more_leaves_the_run_trustworthy(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    """A worker had begun it before the last look, and died."""
    project("good")
    assert pytester.runpytest(*RUN, "--execgo-run-id=run").ret == 0
    folder = pytester.path / "reports/run/trials/good-reference-replay-none-r11"
    note_problem(folder, "error", "the process that ran this trial ended before the trial did")
    (folder / "timeline.jsonl").touch()
    outcome = pytester.runpytest("--execgo-matrix", "--execgo-resume=run")
    assert outcome.ret == 0
    report = latest(pytester.path)
    assert report["trustworthy"]
    assert {one["state"] for one in report["unfinished"]} == {"not_needed"}
