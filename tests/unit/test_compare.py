"""Comparison of two runs: no false alarms, real changes found, and honest gates."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest

from pytest_execgo.benchmark.change_gate import difference_interval
from pytest_execgo.benchmark.compare import compare, holm, is_worse, permutation_p
from pytest_execgo.benchmark.figures import FIGURES
from pytest_execgo.benchmark.reports.comparison import comparison_markdown, success_gate_line
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.comparison import Comparison
from pytest_execgo.models.finding import AcceptedFinding
from pytest_execgo.models.trial_result import TrialResult
from tests.results import ENVIRONMENT, missing, result, trial


def one(cell: int, repetition: int, *, passed: bool = True, ms: float = 100.0) -> TrialResult:
    found = trial(repetition, "passed" if passed else "failed")
    chaos = f"c{cell}"
    name = f"s-f-replay-{chaos}"
    metrics = found.metrics.model_copy(update={"wall_time_ms": ms})
    return found.model_copy(
        update={
            "chaos": chaos, "cell_id": name, "trial_id": f"{name}-r{repetition}",
            "metrics": metrics,
        }
    )  # fmt: skip


def run(
    rng: Random, cells: int, repetitions: int, *, pass_rate: float = 0.9, factor: float = 1.0
) -> BenchmarkResult:
    trials = [
        one(cell, k, passed=rng.random() < pass_rate, ms=100 * factor * rng.lognormvariate(0, 0.3))
        for cell in range(cells)
        for k in range(repetitions)
    ]
    return result(trials, [])


def changes(found: Comparison) -> dict[str, str]:
    return {metric.name: metric.change for metric in found.metrics}


@pytest.mark.parametrize(("cells", "repetitions"), [(8, 1), (4, 3)])
def test_the_same_code_against_itself_is_no_evidence(cells: int, repetitions: int) -> None:
    rng = Random(5)
    alarms = 0
    for _ in range(200):
        base, new = (run(rng, cells, repetitions) for _ in range(2))
        alarms += set(changes(compare(base, new)).values()) != {"no evidence"}
    assert alarms <= 10, "at most 5 % of 200"


def test_a_metric_without_variation_takes_no_evidence_from_the_others() -> None:
    base = result([one(cell, 0) for cell in range(8)], [])
    new = result([one(cell, 0, passed=False) for cell in range(8)], [])
    found = compare(base, new)
    assert len(found.metrics) > 2
    assert changes(found)["success_rate"] == "worse", "eight of eight cells changed"


def test_a_run_against_itself_has_no_difference() -> None:
    base = run(Random(1), 6, 3)
    found = compare(base, base)
    assert {(metric.difference, metric.p_value) for metric in found.metrics} == {(0, 1)}
    assert found.newly_red == found.newly_green == found.newly_named == ()


def test_a_real_change_is_found_and_has_a_direction() -> None:
    rng = Random(2)
    base, worse = run(rng, 20, 5, pass_rate=0.95), run(rng, 20, 5, pass_rate=0.6)
    assert changes(compare(base, worse))["success_rate"] == "worse"
    assert changes(compare(worse, base))["success_rate"] == "better"
    slow = compare(run(rng, 20, 5), run(rng, 20, 5, factor=1.5))
    (wall,) = [metric for metric in slow.metrics if metric.name == "wall_time_ms"]
    assert wall.change == "worse"
    assert wall.low is not None
    assert wall.high is not None
    assert wall.low < 0.5 < wall.high


def test_one_trial_per_cell_is_enough_for_a_large_change() -> None:
    base = result([one(cell, 0) for cell in range(12)], [])
    new = result([one(cell, 0, passed=cell > 9) for cell in range(12)], [])
    found = compare(base, new)
    assert changes(found)["success_rate"] == "worse"
    assert len(found.newly_red) == 10
    assert found.newly_named == ("none/x",)


def test_cells_of_one_run_only_are_listed_and_not_compared() -> None:
    base = result([one(0, 0), one(1, 0)], [])
    new = result([one(1, 0), one(2, 0)], [])
    found = compare(base, new)
    assert (found.gone_cells, found.new_cells) == (("s-f-replay-c0",), ("s-f-replay-c2",))
    assert {metric.cells for metric in found.metrics} == {1}


def gate(passed: Sequence[int], of: Sequence[int], margin: float = 0.05) -> Any:
    runs = [
        result([one(0, k, passed=k < good) for k in range(count)], [])
        for good, count in zip(passed, of, strict=True)
    ]
    base, new = runs
    return compare(base, new, margin).gate


@pytest.mark.parametrize(
    ("passed", "of", "verdict"),
    [
        ((200, 200), (200, 200), "PASS"),
        ((4, 4), (4, 4), "INCONCLUSIVE"),
        ((200, 100), (200, 200), "BLOCK"),
        ((95, 94), (100, 100), "INCONCLUSIVE"),
        ((50, 200), (200, 200), "PASS"),
    ],
)
def test_the_gate_needs_evidence(
    passed: tuple[int, int], of: tuple[int, int], verdict: str
) -> None:
    found = gate(passed, of)
    assert found.verdict == verdict
    assert (found.more_trials is not None) is (verdict == "INCONCLUSIVE")


def test_the_number_of_further_trials_decides() -> None:
    found = gate((4, 4), (4, 4))
    more = found.more_trials
    low, _ = difference_interval(4 + more, 4 + more, 4 + more, 4 + more)
    assert low > -0.05
    low, _ = difference_interval(3 + more, 3 + more, 3 + more, 3 + more)
    assert low <= -0.05


def test_errors_count_as_failures_at_the_gate() -> None:
    base = result([trial(k) for k in range(200)], [])
    broken = result([trial(k) for k in range(100)], [missing(k, "error") for k in range(100, 200)])
    assert compare(base, broken).gate.verdict == "BLOCK"


def test_intervals_of_differences_cover_the_truth() -> None:
    rng = Random(9)
    covered = 0
    for _ in range(1000):
        p, q = rng.uniform(0.5, 1), rng.uniform(0.5, 1)
        counts = [sum(rng.random() < rate for _ in range(30)) for rate in (p, q)]
        low, high = difference_interval(counts[0], 30, counts[1], 30)
        covered += low <= q - p <= high
    assert covered >= 930


def test_p_values_are_corrected_for_their_number() -> None:
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])
    assert holm([0.6, 0.9]) == [1.0, 1.0]
    assert holm([]) == []
    assert permutation_p([([1.0], [1.0])], Random(0)) == 1.0


def test_different_machines_and_untrusted_runs_are_noted() -> None:
    base = result([one(0, 0)], [])
    other = ENVIRONMENT.model_copy(update={"cpu_count": 64})
    new = result([one(0, 0)], [missing(5, "error")]).model_copy(update={"environment": other})
    machines, trust = compare(base, new).warnings
    assert "different machines" in machines
    assert "is not trustworthy" in trust


def test_the_markdown_has_the_verdict_first_and_escapes_names() -> None:
    base = result([one(0, 0)], [])
    new = result([one(0, 0, passed=False)], [])
    found = compare(base, new).model_copy(update={"newly_named": ("task/`<b>`",)})
    lines = comparison_markdown(found).split("\n")
    assert lines[2] == f"**{success_gate_line(found)}.**"
    assert lines[2].startswith("**INCONCLUSIVE: success rate -100.0 % (95 % interval ")
    assert "- newly red (1): `s-f-replay-c0`" in lines
    assert not any("<b>" in line and "`" not in line for line in lines)
    assert "| metric" in "\n".join(lines)


def broken(run: BenchmarkResult, cells: set[str]) -> BenchmarkResult:
    """The run, with an error instead of each result of some cells."""
    gone = [one for one in run.trials if one.cell_id in cells]
    left = [
        missing(one.repetition, "error").model_copy(
            update={"trial_id": one.trial_id, "cell_id": one.cell_id}
        )
        for one in gone
    ]
    return result([one for one in run.trials if one.cell_id not in cells], left)


def test_cells_in_which_every_trial_breaks_count_as_failures() -> None:
    base = run(Random(1), 4, 50, pass_rate=1)
    found = compare(base, broken(base, {"s-f-replay-c2", "s-f-replay-c3"}))
    assert (found.gate.verdict, found.gate.difference) == ("BLOCK", -0.5)
    assert found.newly_red == ("s-f-replay-c2", "s-f-replay-c3")
    assert found.gone_cells == ()
    whole = compare(base, broken(base, {f"s-f-replay-c{k}" for k in range(4)}))
    assert (whole.gate.verdict, whole.gate.difference) == ("BLOCK", -1.0)


def test_runs_without_a_common_cell_have_no_difference() -> None:
    found = compare(result([one(0, 0)], []), result([one(1, 0)], []))
    gate = found.gate
    assert (gate.verdict, gate.difference, gate.low, gate.high) == (
        "INCONCLUSIVE",
        None,
        None,
        None,
    )
    assert "too little data" in success_gate_line(found)


def test_cells_count_alike_however_many_trials_they_have() -> None:
    """With adaptive repetitions, the number of trials of a cell depends on its outcomes."""

    def trials(cell: int, passed: int, of: int) -> list[TrialResult]:
        return [one(cell, k, passed=k < passed) for k in range(of)]

    base = result(
        [t for c in range(80) for t in (trials(c, 20, 20) if c < 40 else trials(c, 1, 5))], []
    )
    new = result(
        [t for c in range(80) for t in (trials(c, 20, 20) if c < 40 else trials(c, 10, 20))], []
    )
    found = compare(base, new)
    assert found.gate.difference == pytest.approx(0.15)
    assert (found.gate.verdict, changes(found)["success_rate"]) == ("PASS", "better")
    assert FIGURES["success_rate"](base) == pytest.approx(0.6)


def test_known_findings_count_neither_as_passed_nor_as_failed() -> None:
    base = run(Random(1), 4, 50, pass_rate=1)
    known = AcceptedFinding(id="a-b", reason="r")
    failed = [
        one.model_copy(
            update={
                "known_finding": known,
                "verdict": one.verdict.model_copy(update={"status": "failed"}),
            }
        )
        for one in base.trials[:60]
    ]
    found = compare(base, result([*failed, *base.trials[60:]], []))
    assert (found.gate.verdict, found.gate.difference) == ("PASS", 0.0)
    assert not is_worse(found)
    assert FIGURES["success_rate"](result([*failed, *base.trials[60:]], [])) == 1.0
