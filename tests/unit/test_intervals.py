"""The estimators, against values known from elsewhere."""

from __future__ import annotations

from itertools import combinations

import pytest

from pytest_execgo.benchmark.intervals import (
    clopper_pearson_lower,
    pass_at_k,
    pass_hat_k,
    wilson,
)


@pytest.mark.parametrize(("trials", "bound"), [(29, 0.90), (59, 0.95), (299, 0.99)])
def test_how_many_successes_it_takes_for_a_bound(trials: int, bound: float) -> None:
    assert clopper_pearson_lower(trials, trials) >= bound
    assert clopper_pearson_lower(trials - 1, trials - 1) < bound


def test_a_bound_over_thousands_of_trials_is_a_number() -> None:
    assert 0.86 < clopper_pearson_lower(2200, 2500) < 0.88


def test_the_lower_bound_of_nothing_is_zero() -> None:
    assert clopper_pearson_lower(0, 10) == 0


def test_wilson_of_a_textbook_case() -> None:
    low, high = wilson(8, 10)
    assert (round(low, 4), round(high, 4)) == (0.4902, 0.9433)


def test_pass_k_counts_subsets() -> None:
    outcomes = [True, True, True, False, True]
    triples = list(combinations(outcomes, 3))
    assert pass_hat_k(4, 5, 3) == pytest.approx(sum(map(all, triples)) / len(triples))
    assert pass_at_k(4, 5, 3) == pytest.approx(sum(map(any, triples)) / len(triples))


def test_wilson_stays_between_0_and_1() -> None:
    assert wilson(0, 5) == pytest.approx((0, 0.4345), abs=1e-4)
    assert wilson(5, 5) == pytest.approx((0.5655, 1), abs=1e-4)
    assert (wilson(0, 5)[0], wilson(5, 5)[1]) == (0, 1)


def test_wilson_of_no_observation_is_refused() -> None:
    with pytest.raises(ValueError, match="no observations"):
        wilson(0, 0)


@pytest.mark.parametrize(
    ("count", "of", "bound"),
    [(1, 1, 0.05), (1, 10, 0.005116), (5, 10, 0.222441), (9, 10, 0.605837), (10, 10, 0.741134)],
)
def test_lower_bounds_of_a_table(count: int, of: int, bound: float) -> None:
    assert clopper_pearson_lower(count, of) == pytest.approx(bound, abs=1e-6)


def test_a_lower_bound_for_another_confidence() -> None:
    assert clopper_pearson_lower(10, 10, confidence=0.975) == pytest.approx(0.691503, abs=1e-6)


def test_pass_at_k_of_a_few_successes() -> None:
    assert pass_at_k(2, 5, 2) == pytest.approx(0.7)
    assert pass_at_k(1, 5, 1) == pytest.approx(0.2)
