"""What one plan may cost: requests to the model, tokens, time, and memory."""

from __future__ import annotations

from collections.abc import Callable

from pytest_execgo.errors import PlanError
from pytest_execgo.models.context import PlanBudget
from pytest_execgo.system.clock import monotonic

_FEWEST_REQUESTS = 20
MOST_ANSWER_BYTES = 12 * 2**20
"""Of all answers to one plan: they stay in memory until it ends."""


class Budget:
    """The budget of one planning. An exceeded limit refuses the next request, so a plan that arrived
    before is kept."""

    def __init__(
        self, limits: PlanBudget, repairs: int, clock: Callable[[], float] = monotonic
    ) -> None:
        # Some frameworks send two requests per answer.
        self.requests = limits.requests or max(_FEWEST_REQUESTS, 2 * (repairs + 1))
        self._tokens, self._seconds = limits.tokens, limits.seconds
        self._clock, self._began = clock, clock()
        self._asked = self._used = self._received = 0
        self._uncounted = False

    def spend_request(self) -> None:
        """Count one more request; raises :class:`PlanError` if the budget does not allow it."""
        self._asked += 1
        if self._asked > self.requests:
            message = f"the model was asked more than {self.requests} times for one plan"
            raise PlanError("budget_requests", message)
        if self._tokens is not None and self._uncounted:
            raise PlanError(
                "budget_tokens",
                "the endpoint does not report how many tokens it used, so the budget of "
                f"{self._tokens} tokens cannot be enforced; remove --execgo-plan-tokens",
            )
        if self._tokens is not None and self._used >= self._tokens:
            message = f"{self._used} tokens are used up (allowed: {self._tokens})"
            raise PlanError("budget_tokens", message)
        if self._received > MOST_ANSWER_BYTES:
            message = f"the answers to one plan have more than {MOST_ANSWER_BYTES // 2**20} MB"
            raise PlanError("budget_bytes", message)
        self.check_time()

    def check_time(self) -> None:
        """Raises :class:`PlanError` when the time is up."""
        if self.seconds_left() <= 0:
            raise PlanError("budget_time", f"planning took more than {self._seconds:g} s")

    def seconds_left(self) -> float:
        """Seconds until the time is up; may be negative."""
        return self._began + self._seconds - self._clock()

    def count_bytes(self, received: int) -> None:
        """Count the size of one answer, usable or not."""
        self._received += received

    def count(self, tokens: tuple[int, int] | None) -> None:
        """Count the tokens of one answer (prompt, completion); ``None`` if the endpoint reports none."""
        if tokens is None:
            self._uncounted = True
        else:
            self._used += sum(tokens)
