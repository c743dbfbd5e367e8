"""The estimators of the reports, each with the reason for its choice."""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, comb, exp, fsum, lgamma, log, log1p, sqrt

Z_95 = 1.959963984540054


def wilson(count: float, of: float) -> tuple[float, float]:
    """The 95 % Wilson score interval of a proportion, for display: it stays useful for small counts.

    Raises ``ValueError`` if ``of`` is 0.
    """
    if not of:
        raise ValueError("no observations")
    p, z2 = count / of, Z_95**2
    centre = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = Z_95 * sqrt(p * (1 - p) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return max(0.0, centre - half), min(1.0, centre + half)


def student_97_5(freedom: float) -> float:
    """The 97.5 % quantile of Student's t, exact to 1 % (Cornish-Fisher expansion from 4 degrees)."""
    few = {1: 12.7062, 2: 4.3027, 3: 3.1824}
    if freedom < 4:
        return few[max(1, int(freedom))]
    z = Z_95
    first = (z**3 + z) / (4 * freedom)
    return z + first + (5 * z**5 + 16 * z**3 + 3 * z) / (96 * freedom**2)


def clopper_pearson_lower(count: int, of: int, confidence: float = 0.95) -> float:
    """The one-sided lower Clopper-Pearson bound, for gates: it covers at least ``confidence``."""
    if not count:
        return 0.0
    # Logarithms, because the binomial coefficients of a thousand trials overflow a float.
    chosen = [lgamma(of + 1) - lgamma(k + 1) - lgamma(of - k + 1) for k in range(count, of + 1)]
    low, high = 0.0, count / of
    # The bound is the p for which `count` or more successes have the probability 1 - confidence.
    for _ in range(60):
        middle = (low + high) / 2
        success, failure = log(middle), log1p(-middle)
        terms = (c + k * success + (of - k) * failure for k, c in enumerate(chosen, count))
        tail = fsum(exp(term) for term in terms)
        low, high = (middle, high) if tail < 1 - confidence else (low, middle)
    return low


def pass_hat_k(passed: int, of: int, k: int) -> float:
    """The unbiased estimate of the probability that k trials all pass: C(c,k) / C(n,k), not (c/n)^k."""
    return comb(passed, k) / comb(of, k)


def pass_at_k(passed: int, of: int, k: int) -> float:
    """The unbiased estimate of the probability that at least one of k trials passes."""
    return 1 - comb(of - passed, k) / comb(of, k)


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least ``share`` of the values do not exceed; one of ``values``."""
    ordered = sorted(values)
    return ordered[max(0, ceil(share * len(ordered)) - 1)]
