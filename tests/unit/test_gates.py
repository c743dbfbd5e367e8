"""``--execgo-fail-if``: which conditions can be written, and when they trip."""

from __future__ import annotations

import pytest

from pytest_execgo.benchmark.aggregate import rate
from pytest_execgo.benchmark.figures import FIGURES
from pytest_execgo.benchmark.gates import check_base, gate_line, judge, judge_again, parse_gate
from pytest_execgo.errors import UsageError
from pytest_execgo.models.benchmark import AttributionScore, BenchmarkResult, CoverageRow
from pytest_execgo.models.gate import GateRecord
from tests.results import missing, result, trial

RUN = result([trial(10), trial(20), trial(30, "failed")], [missing(4, "error")])


@pytest.mark.parametrize(
    ("text", "tripped"),
    [
        ("success_rate < 0.5", None),
        ("success_rate <= 0.5", "success_rate <= 0.5: it is 0.5"),
        ("failed>0", "failed>0: it is 1"),
        ("errors == 1", "errors == 1: it is 1"),
        ("trials != 4", None),
        ("wall_time_ms >= 20", "wall_time_ms >= 20: it is 20"),
        ("overhead_ratio > 1", None),
        (" inconclusive > 0 ", None),
        ("recovery_ms > 9", None),
        ("determinism_drift < 0", None),
        ("recovery_rate < 1", "recovery_rate < 1: the run has no recovery_rate"),
    ],
)  # fmt: skip
def test_a_gate_trips_if_its_condition_holds_or_its_figure_is_missing(
    text: str, tripped: str | None
) -> None:
    (record,) = judge([parse_gate(text)], RUN, None)
    assert (gate_line(record) if record.verdict == "BLOCK" else None) == tripped


def test_overhead_ratio_leaves_out_trials_whose_overhead_is_not_known() -> None:
    known, unknown = trial(10), trial(20)
    metrics = unknown.metrics.model_copy(update={"engine_time_ms": None, "overhead_ms": None})
    unknown = unknown.model_copy(update={"metrics": metrics})
    ratio = FIGURES["overhead_ratio"]
    assert ratio(result([known, unknown], [])) == ratio(result([known], []))
    assert ratio(result([unknown], [])) is None


def test_of_an_empty_run_only_counts_are_known() -> None:
    known = {name for name, figure in FIGURES.items() if figure(result([], [])) is not None}
    assert known == {
        "trials", "failed", "inconclusive", "errors", "skipped", "known_findings", "failed_attempts"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        (
            "success_rat < 1",
            "'success_rat' at character 1: unknown figure 'success_rat'; did you mean",
        ),
        ("success_rate", "its end: expected an operator"),
        ("", "its end: expected the name of a figure"),
        ("success_rate < many", "'many' at character 16: expected a number"),
        ("success_rate < 1 2", "'2' at character 18: expected the end"),
        ("success_rate < -1", "'-' at character 16: expected FIGURE OPERATOR NUMBER"),
        ("__import__('os') < 1", "at character 12: expected FIGURE OPERATOR NUMBER"),
        (
            "p95(overhead_m) > 1",
            "'overhead_m' at character 5: unknown metric 'overhead_m'; did you",
        ),
        ("p59(overhead_ms) > 1", "'p59' at character 1: unknown statistic 'p59'"),
        ("p95(overhead_ms > 1", "'>' at character 17: expected )"),
        ("trials drops 5%", "'trials' at character 1: unknown metric of a comparison 'trials'"),
        ("success_rate drops", "its end: expected a number"),
        ("success_rate drops 500%", "'500' at character 20: expected a number below 100%"),
        ("success_rate drops 0.5", "its end: expected %"),
        ("wall_time_ms rises 20", "its end: expected %"),
        ("failed > 5%", "'%' at character 11: failed is not a rate, so it has no percentage"),
        ("p95(wall_time_ms) > 50%", "'%' at character 23: wall_time_ms is not a rate"),
        (f"wall_time_ms rises 1{'0' * 400}%", "at character 20: expected a smaller number"),
    ],
)
def test_an_invalid_gate_is_refused_in_one_line_that_names_the_character(
    text: str, complaint: str
) -> None:
    with pytest.raises(UsageError) as error:
        parse_gate(text)
    message = str(error.value)
    assert message.startswith("--execgo-fail-if ")
    assert complaint in message
    assert "\n" not in message


@pytest.mark.parametrize(
    ("text", "blocks"),
    [
        ("p95(wall_time_ms) >= 30", True),
        ("p95(wall_time_ms) > 30", False),
        ("min(wall_time_ms) == 10", True),
        ("median(wall_time_ms) < 20", False),
        ("max( wall_time_ms )>29.5", True),
        ("success_rate < 60%", True),
        ("min(landed) < 101%", True),
        ("p90(recovery_success) > 5", False),
    ],
)
def test_statistics_of_metrics_and_percentages(text: str, blocks: bool) -> None:
    (record,) = judge([parse_gate(text)], RUN, None)
    assert (record.verdict == "BLOCK") is blocks


def many(passed: int, failed: int, ms: float = 100) -> BenchmarkResult:
    trials = [trial(k, "passed" if k < passed else "failed") for k in range(passed + failed)]
    return result(
        [
            one.model_copy(
                update={"metrics": one.metrics.model_copy(update={"wall_time_ms": ms + k % 5})}
            )
            for k, one in enumerate(trials)
        ],
        [],
    )


@pytest.mark.parametrize(
    ("text", "new", "verdict"),
    [
        ("success_rate drops 5%", many(400, 0), "PASS"),
        ("success_rate drops 5%", many(300, 100), "BLOCK"),
        ("success_rate drops 5%", many(4, 0), "INCONCLUSIVE"),
        ("success_rate rises 5%", many(400, 0), "PASS"),
        ("wall_time_ms rises 20%", many(400, 0, ms=150), "BLOCK"),
        ("wall_time_ms rises 20%", many(400, 0, ms=105), "PASS"),
        ("wall_time_ms rises 200%", many(400, 0, ms=150), "PASS"),
        ("wall_time_ms drops 20%", many(400, 0, ms=50), "BLOCK"),
        ("landing_rate drops 5%", many(400, 0), "PASS"),
        ("recovery_rate drops 5%", many(400, 0), "INCONCLUSIVE"),
    ],
)
def test_a_change_is_judged_by_its_interval(text: str, new: BenchmarkResult, verdict: str) -> None:
    (record,) = judge([parse_gate(text)], new, many(400, 0))
    assert record.verdict == verdict
    assert record.expression == text


def test_a_change_needs_a_run_to_compare_with() -> None:
    gates = [parse_gate("success_rate drops 5%")]
    with pytest.raises(UsageError, match="name one with --execgo-compare RUN"):
        check_base(gates, None)
    check_base(gates, RUN)
    (record,) = judge(gates, RUN, None)
    assert record.verdict == "INCONCLUSIVE"


def test_a_report_judges_the_gates_anew_that_need_no_base() -> None:
    change = GateRecord(expression="success_rate drops 5%", verdict="BLOCK", reason="then")
    limit = GateRecord(expression="failed > 0", verdict="PASS", reason="then")
    assert list(judge_again([change, limit], RUN)) == [
        GateRecord(expression="failed > 0", verdict="BLOCK", reason="it is 1"),
        change,
    ]


def test_each_figure_reads_its_own_number() -> None:
    score = AttributionScore(
        trials=8, correct=7, clean=5, false_causes=2, wrong_and_certain=4, mitigated=3, accuracy=0.875,
        lower_95=0.5,
        confusion={},
    )  # fmt: skip
    coverage = tuple(
        CoverageRow(
            framework="f", action="a", phase=phase, fired=4, armed_not_fired=5, not_exercised=6
        )
        for phase in ("plan", "submit")
    )
    (cell,) = RUN.cells
    rates = cell.rates.model_copy(update={"recovery": rate(3, 4), "determinism_drift": 0.25})
    cells = (
        cell.model_copy(
            update={
                "trials": 25, "passed": 10, "failed": 1, "inconclusive": 2, "errors": 3,
                "skipped": 4, "known_findings": 5, "failed_attempts": 6, "rates": rates,
            }
        ),
        cell.model_copy(
            update={
                "trials": 100, "passed": 20, "failed": 10, "inconclusive": 20, "errors": 30,
                "skipped": 40, "known_findings": 50, "failed_attempts": 60,
                "rates": rates.model_copy(update={"determinism_drift": 0.75}),
            }
        ),
        cell.model_copy(
            update={
                "trials": 0, "passed": 0, "failed": 0, "inconclusive": 0, "errors": 0,
                "skipped": 0, "known_findings": 0,
                "rates": rates.model_copy(update={"determinism_drift": None}),
            }
        ),
    )  # fmt: skip
    trials = [
        trial(0).model_copy(
            update={
                "metrics": trial(0).metrics.model_copy(
                    update={
                        "wall_time_ms": wall, "overhead_ms": overhead, "detection_ms": detection,
                        "recovery_ms": None if detection is None else detection + 100,
                    }
                )
            }
        )
        for wall, overhead, detection in ((100, 10, 1), (200, 20, 2), (700, 70, None))
    ]  # fmt: skip
    run = RUN.model_copy(
        update={
            "attribution": score, "coverage": coverage, "cells": cells, "trials": trials,
            "confirmations": {"confirmed": 3, "flaky": 1},
        }
    )  # fmt: skip
    assert {name: figure(run) for name, figure in FIGURES.items()} == {
        "attribution_accuracy": 0.875, "attribution_lower_95": 0.5, "false_causes": 2,
        "wrong_and_certain": 4, "mitigated": 3, "confirmed_rate": 0.75,
        "success_rate": 0.45, "recovery_rate": 0.75, "trials": 125, "failed": 11,
        "inconclusive": 22, "errors": 33, "skipped": 44, "known_findings": 55, "failed_attempts": 66,
        "faults_fired": 8, "faults_not_fired": 10, "determinism_drift": 0.75, "wall_time_ms": 200,
        "overhead_ms": 20, "overhead_ratio": 0.1, "detection_ms": 1.5, "recovery_ms": 101.5,
    }  # fmt: skip


def test_without_clean_trials_or_coverage_their_figures_are_missing() -> None:
    run = RUN.model_copy(
        update={"attribution": RUN.attribution.model_copy(update={"clean": 0}), "coverage": ()}
    )
    names = ("false_causes", "mitigated", "faults_fired", "faults_not_fired")
    assert {name: FIGURES[name](run) for name in names} == dict.fromkeys(names)
