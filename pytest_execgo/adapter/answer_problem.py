"""Why an answer of a model's endpoint is unusable."""

from __future__ import annotations

import re
from typing import Any

from pytest_execgo.adapter.answer import Answer, in_one_line
from pytest_execgo.errors import PlanError
from pytest_execgo.transport.model_client import MOST_REPLY_BYTES

_NO_REASON = "no reason given"


def problem(answer: Answer, asked: Any) -> PlanError | None:
    """Why ``answer`` to the request body ``asked`` is unusable; ``None`` if it is usable."""
    reported = next((message for message in map(_error_message, answer.bodies) if message), "")
    if not reported and answer.status >= 400:
        reported = _other_error_message(answer)
    status = answer.status
    if status == 0 and answer.late:
        return PlanError("model_timeout", f"the model's endpoint timed out: {answer.text[:300]}")
    if status == 0:
        return PlanError("model_unreachable", f"the model cannot be reached: {answer.text[:300]}")
    if status in (401, 403):
        return PlanError(
            "model_key_refused",
            f"the model's endpoint refused the key ({status}: {reported or _NO_REASON}); "
            "set OPENAI_API_KEY",
        )
    if status == 429:
        asks = "" if answer.retry_after is None else f" (wait {answer.retry_after:g} s)"
        return PlanError(
            "model_rate_limit", f"the model's endpoint answers 429{asks}: {reported or _NO_REASON}"
        )
    if status == 404:
        return PlanError(
            "model_unknown", f"the model's endpoint answers 404: {reported or 'not found'}"
        )
    if 300 <= status < 400:
        return PlanError(
            "model_not_openai",
            f"the endpoint redirects ({status}) to {answer.text[:300] or 'an unknown address'}; "
            "set --execgo-base-url to an address that does not redirect",
        )
    if status < 200 or status >= 400 or reported:
        return PlanError(
            "model_error", f"the model's endpoint answers {status}: {reported or _NO_REASON}"
        )
    if answer.too_large:
        return _malformed(f"answers with more than {MOST_REPLY_BYTES} bytes")
    if answer.streamed and isinstance(asked, dict) and not asked.get("stream"):
        return _malformed("answers with a stream, but the request asked for none")
    return _problem_of_stream(answer) if answer.streamed else _problem_of_body(answer)


def _problem_of_body(answer: Answer) -> PlanError | None:
    """Why the body of an answer with a good status is unusable."""
    found = answer.body
    if isinstance(found, dict) and ("choices" in found or "output" in found):
        holds = found.get("output") if "output" in found else found.get("choices")
        if isinstance(holds, list) and holds and all(map(_is_part, holds)):
            return None
        return _malformed(f"answers {answer.status} without a message in it")
    if found is None and answer.content_type.startswith("application/json"):
        size = len(answer.text)
        return _malformed(f"answers {answer.status} with {size} characters that are not JSON")
    return PlanError(
        "model_not_openai",
        f"the endpoint answers with {answer.content_type or 'no content type'}, and not in the format "
        "of OpenAI's API; check --execgo-base-url (it usually ends in /v1)",
    )


def _is_part(part: Any) -> bool:
    """Whether ``part`` is a choice with a message, or an item of an output."""
    return isinstance(part, dict) and ("type" in part or isinstance(part.get("message"), dict))


def _problem_of_stream(answer: Answer) -> PlanError | None:
    """A complete stream has an event that marks its end."""
    if any(_ends(body) for body in answer.bodies):
        return None
    return _malformed("ends its stream before the answer is complete")


def _ends(event: Any) -> bool:
    if not isinstance(event, dict):
        return False
    choices = event.get("choices") or []
    ended = any(isinstance(c, dict) and c.get("finish_reason") for c in choices)
    return ended or event.get("type") in ("response.completed", "response.incomplete")


def _malformed(what: str) -> PlanError:
    return PlanError("model_malformed", f"the model's endpoint {what}")


def _error_message(found: Any) -> str:
    """The message of an error in OpenAI's format, in one line; empty if there is none."""
    error = found.get("error") if isinstance(found, dict) else None
    return in_one_line((error.get("message") if isinstance(error, dict) else error) or "")


def _other_error_message(answer: Answer) -> str:
    """The message of an error in the format of another server, or the title of an HTML page."""
    found = answer.body
    if isinstance(found, list) and found:
        found = found[0]
        if _error_message(found):
            return _error_message(found)
    if isinstance(found, dict):
        return in_one_line(found.get("message") or found.get("detail") or "")
    title = re.search(r"<title>(.*?)</title>", answer.text, re.DOTALL | re.IGNORECASE)
    return in_one_line(title[1] if title else "")
