"""One answer of a model's endpoint: where it may come from, what is wrong with it, what it cost."""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_execgo.errors import PlanError

_EVENT_STREAM = "text/event-stream"
_EVENT = "data:"


@dataclass(frozen=True)
class Answer:
    """A reply as it came.

    ``status`` 0: none came, ``text`` says why, ``late`` whether it was waited for in vain, and
    ``permanent`` whether it will be so the next time. Of a redirection ``text`` is where it leads.
    ``retry_after`` in seconds, as the endpoint asks. ``stalled_ms``: the longest time that it stood
    still in the middle of its body.
    """

    status: int
    content_type: str
    text: str
    retry_after: float | None = None
    late: bool = False
    permanent: bool = False
    stalled_ms: float = 0.0

    @property
    def streamed(self) -> bool:
        """Whether it is a stream of events."""
        return self.content_type.startswith(_EVENT_STREAM)


class AnswerSource(Protocol):
    """Where answers come from."""

    retryable: bool
    """Whether the same request may be answered otherwise the next time."""

    def answer(self, number: int, path: str, asked: Any, seconds: float) -> Answer:
        """The answer to request ``number`` (from 0), within ``seconds``; raises :class:`PlanError`."""


def problem(answer: Answer, asked: Any) -> PlanError | None:
    """What an answer that is none means, in one line; ``None`` for one that is well. ``asked`` is the
    body of the request."""
    reported = next((words for words in map(_reported, bodies(answer)) if words), "")
    if not reported and answer.status >= 400:
        reported = _reported_otherwise(answer)
    status = answer.status
    if status == 0 and answer.late:
        return PlanError("model_timeout", f"the model gave no answer: {answer.text[:300]}")
    if status == 0:
        return PlanError("model_unreachable", f"the model cannot be reached: {answer.text[:300]}")
    if status in (401, 403):
        return PlanError(
            "model_key_refused",
            f"the model's endpoint refused the key ({status}: {reported or 'no reason'}); "
            "set OPENAI_API_KEY",
        )
    if status == 429:
        asks = "" if answer.retry_after is None else f" (wait {answer.retry_after:g} s)"
        return PlanError(
            "model_rate_limit", f"the model's endpoint answers 429{asks}: {reported or 'no reason'}"
        )
    if status == 404:
        return PlanError(
            "model_unknown", f"the model's endpoint answers 404: {reported or 'not found'}"
        )
    if 300 <= status < 400:
        return PlanError(
            "model_not_openai",
            f"the endpoint redirects ({status}) to {answer.text[:300] or 'nowhere'}; give the address "
            "that answers itself as --execgo-base-url",
        )
    if status >= 400 or reported:
        return PlanError(
            "model_error", f"the model's endpoint answers {status}: {reported or 'no reason'}"
        )
    if answer.streamed and isinstance(asked, dict) and not asked.get("stream"):
        return _malformed("answers with a stream, which was not asked for")
    return _problem_of_stream(answer) if answer.streamed else _problem_of_body(answer)


def _problem_of_body(answer: Answer) -> PlanError | None:
    """An answer with a good status and a body that is not as it should be."""
    found = parsed(answer.text)
    if isinstance(found, dict) and ("choices" in found or "output" in found):
        holds = found.get("output") if "output" in found else found.get("choices")
        if isinstance(holds, list) and holds and all(map(_is_part, holds)):
            return None
        return _malformed(f"answers {answer.status} without a message in it")
    if found is None and answer.content_type.startswith("application/json"):
        size = len(answer.text)
        return _malformed(f"answers {answer.status} with {size} characters that are no JSON")
    return PlanError(
        "model_not_openai",
        f"the endpoint answers {answer.content_type or 'something'}, not as OpenAI's does; is the "
        "base URL right? it usually ends in /v1",
    )


def _is_part(part: Any) -> bool:
    """Whether it is a choice with a message, or an item of an output."""
    return isinstance(part, dict) and ("type" in part or isinstance(part.get("message"), dict))


def _problem_of_stream(answer: Answer) -> PlanError | None:
    """A stream says itself when it has come to its end."""
    if any(_ends(body) for body in bodies(answer)):
        return None
    return _malformed("ends its stream before the answer does")


def _ends(event: Any) -> bool:
    if not isinstance(event, dict):
        return False
    choices = event.get("choices") or []
    ended = any(isinstance(c, dict) and c.get("finish_reason") for c in choices)
    return ended or event.get("type") in ("response.completed", "response.incomplete")


def _malformed(what: str) -> PlanError:
    return PlanError("model_malformed", f"the model's endpoint {what}")


def _reported(found: Any) -> str:
    """The words of an error, in one line; empty where there is none."""
    error = found.get("error") if isinstance(found, dict) else None
    return in_one_line((error.get("message") if isinstance(error, dict) else error) or "")


def _reported_otherwise(answer: Answer) -> str:
    """The words of a refusal that is not in the form of OpenAI's API: as other servers and gateways say
    it, or the title of a page."""
    found = parsed(answer.text)
    if isinstance(found, list) and found:
        found = found[0]
        if _reported(found):
            return _reported(found)
    if isinstance(found, dict):
        return in_one_line(found.get("message") or found.get("detail") or "")
    title = re.search(r"<title>(.*?)</title>", answer.text, re.DOTALL | re.IGNORECASE)
    return in_one_line(title[1] if title else "")


def in_one_line(reported: Any) -> str:
    """At most 300 characters that a terminal can show, in one line."""
    text = "".join(c if c.isprintable() else " " for c in str(reported)[:2000])
    return " ".join(text.split())[:300]


def bodies(answer: Answer) -> list[Any]:
    """The JSON values of an answer: one, or those of a stream's events."""
    if not answer.streamed:
        return [parsed(answer.text)]
    lines = (line for line in answer.text.splitlines() if line.startswith(_EVENT))
    return [parsed(line.removeprefix(_EVENT)) for line in lines]


def usage(answer: Answer) -> tuple[int, int] | None:
    """Tokens of prompt and completion as the endpoint counts them; ``None`` where it does not."""
    for body in reversed(bodies(answer)):
        # An event of a stream of /responses holds the whole response.
        holder = body.get("response", body) if isinstance(body, dict) else None
        found = holder.get("usage") if isinstance(holder, dict) else None
        if isinstance(found, dict):
            prompt = _tokens(found, "prompt_tokens", "input_tokens")
            completion = _tokens(found, "completion_tokens", "output_tokens")
            return None if prompt is None or completion is None else (prompt, completion)
    return None


def _tokens(found: dict[str, Any], *names: str) -> int | None:
    values = [found.get(name) for name in names]
    return next((v for v in values if isinstance(v, int) and v is not True and v >= 0), None)


def parsed(text: str) -> Any:
    """A text as JSON; ``None`` where it is none."""
    with suppress(ValueError, RecursionError):
        return json.loads(text)
    return None
