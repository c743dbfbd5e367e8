"""The few estimators the reports use, each with the reason why it is this one."""

from __future__ import annotations

from math import comb, exp, fsum, lgamma, log, log1p, sqrt

Z_95 = 1.959963984540054


def wilson(count: int, of: int) -> tuple[float, float]:
    """The 95 % Wilson score interval of a proportion: honest for small counts, for display."""
    if not of:
        raise ValueError("no observations")
    p, z2 = count / of, Z_95**2
    centre = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = Z_95 * sqrt(p * (1 - p) / of + z2 / (4 * of * of)) / (1 + z2 / of)
    return max(0.0, centre - half), min(1.0, centre + half)


def clopper_pearson_lower(count: int, of: int, confidence: float = 0.95) -> float:
    """The one-sided lower Clopper-Pearson bound: never covers less than it claims, for gates."""
    if not count:
        return 0.0
    # In logarithms: a binomial coefficient of a thousand trials is larger than any float.
    chosen = [lgamma(of + 1) - lgamma(k + 1) - lgamma(of - k + 1) for k in range(count, of + 1)]
    low, high = 0.0, count / of
    # The bound is the p at which seeing `count` or more has probability 1 - confidence.
    for _ in range(60):
        middle = (low + high) / 2
        hit, miss = log(middle), log1p(-middle)
        terms = (c + k * hit + (of - k) * miss for k, c in enumerate(chosen, count))
        tail = fsum(exp(term) for term in terms)
        low, high = (middle, high) if tail < 1 - confidence else (low, middle)
    return low


def pass_hat_k(passed: int, of: int, k: int) -> float:
    """Unbiased estimate that k trials in a row all pass: C(c,k) / C(n,k), not (c/n)^k."""
    return comb(passed, k) / comb(of, k)


def pass_at_k(passed: int, of: int, k: int) -> float:
    """Unbiased estimate that at least one of k trials passes."""
    return 1 - comb(of - passed, k) / comb(of, k)


def median(values: list[float]) -> float:
    """The middle value, or the mean of the two in the middle."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2
