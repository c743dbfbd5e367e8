"""``--execgo-fail-if``: which conditions can be written, and when they trip."""

from __future__ import annotations

import pytest

from pytest_execgo.benchmark.gates import FIGURES, Gate
from pytest_execgo.errors import UsageError
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
    assert Gate.parse(text).tripped(RUN) == tripped


def test_of_an_empty_run_only_counts_are_known() -> None:
    known = {name for name, figure in FIGURES.items() if figure(result([], [])) is not None}
    assert known == {"trials", "failed", "inconclusive", "errors", "skipped", "known_findings"}


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("success_rat < 1", "did you mean 'success_rate'?"),
        ("success_rate", "expected FIGURE OPERATOR NUMBER"),
        ("success_rate < many", "expected FIGURE OPERATOR NUMBER"),
        ("__import__('os') < 1", "expected FIGURE OPERATOR NUMBER"),
    ],
)
def test_an_invalid_gate_is_refused_in_one_line(text: str, complaint: str) -> None:
    with pytest.raises(UsageError) as error:
        Gate.parse(text)
    assert complaint in str(error.value)
