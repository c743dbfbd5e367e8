"""When a request to the model is sent again."""

from __future__ import annotations

from pytest_execgo.adapter.answer import Answer

MOST_RETRIES = 2
LONGEST_WAIT_SECONDS = 30.0
_FIRST_WAIT_SECONDS = 0.5


def retry_wait(answer: Answer, attempt: int, seconds_left: float) -> float | None:
    """Seconds to wait after the unusable ``answer`` to try number ``attempt`` (from 1); ``None`` if the
    request must not be sent again. ``seconds_left`` is the rest of the plan's time."""
    if attempt > MOST_RETRIES or answer.permanent or not is_transient(answer.status):
        return None
    wait = answer.retry_after
    if wait is None:
        wait = _FIRST_WAIT_SECONDS * 2 ** (attempt - 1)
    too_long = wait > LONGEST_WAIT_SECONDS or wait >= seconds_left
    return None if too_long else wait


def is_transient(status: int) -> bool:
    """Whether another try may succeed: the statuses that OpenAI's SDK retries, and 0 (no answer)."""
    return status in (0, 408, 409, 429) or status >= 500


def is_client_error(status: int) -> bool:
    """Whether the framework may see this status: an error that no SDK retries."""
    return 400 <= status < 500 and not is_transient(status)
