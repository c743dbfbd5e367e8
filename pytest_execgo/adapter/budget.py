"""What one plan may cost: requests to the model, tokens, and time."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from pytest_execgo.errors import PlanError
from pytest_execgo.models.context import PlanBudget

_FEWEST_REQUESTS = 20


class Budget:
    """Kept for one planning. What is used up is told with the next request: a plan that has come by then
    is not thrown away."""

    def __init__(
        self, limits: PlanBudget, repairs: int, clock: Callable[[], float] = monotonic
    ) -> None:
        # Some frameworks ask twice for an answer.
        self.requests = limits.requests or max(_FEWEST_REQUESTS, 2 * (repairs + 1))
        self._tokens, self._seconds = limits.tokens, limits.seconds
        self._clock, self._began = clock, clock()
        self._asked = self._used = 0
        self._uncounted = False

    def spend_request(self) -> None:
        """One more request; raises :class:`PlanError` if it may not be made."""
        self._asked += 1
        if self._asked > self.requests:
            message = f"the model was asked more than {self.requests} times for one plan"
            raise PlanError("budget_requests", message)
        if self._tokens is not None and self._uncounted:
            raise PlanError(
                "budget_tokens",
                f"the endpoint does not say how many tokens it used, so a budget of {self._tokens} "
                "cannot be kept; leave out --execgo-plan-tokens",
            )
        if self._tokens is not None and self._used >= self._tokens:
            message = f"{self._used} tokens are used up (allowed: {self._tokens})"
            raise PlanError("budget_tokens", message)
        self.check_time()

    def check_time(self) -> None:
        """Raises :class:`PlanError` when the time is up."""
        if self.seconds_left() <= 0:
            raise PlanError("budget_time", f"planning took more than {self._seconds:g} s")

    def seconds_left(self) -> float:
        """Seconds until the time is up; may be negative."""
        return self._began + self._seconds - self._clock()

    def count(self, tokens: tuple[int, int] | None) -> None:
        """An answer used so many tokens (prompt, completion); ``None``: nobody says."""
        if tokens is None:
            self._uncounted = True
        else:
            self._used += sum(tokens)
