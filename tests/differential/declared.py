"""The differences between embedded and real services that are intended. Each must still occur."""

from __future__ import annotations

import re

from tests.differential.compare import Answer
from tests.differential.generate import Sent

REASONS = {
    "list_for_object": "the real runtime reads a list in place of an object field by field",
    "first_mistake": "of two mistakes in a body, real services report the one that comes first",
    "half_character": "the real ExecGo keeps the escape of half a character in inputs; the embedded "
    "one writes U+FFFD",
    "null_task": "a null in a list of tasks makes the real ExecGo drop the connection",
}
_LIST_FOR_OBJECT = re.compile(r'"(?:execution|limits|sandbox|policy|control_context)": \[')


def why_different(service: str, sent: Sent, mine: Answer, theirs: Answer) -> str | None:
    """The key in ``REASONS`` of a declared difference; ``None`` if it is not declared."""
    if sent.body is None:
        return None
    wrong_types = mine.status == theirs.status == 400 and "cannot unmarshal" in mine.body
    if service == "execgo" and theirs.status == 0 and "null" in sent.body:
        return "null_task"
    if service == "execgo" and "\\ud800" in sent.body and mine.status == theirs.status:
        return "half_character"
    if service == "execgo":
        return "first_mistake" if wrong_types and "cannot unmarshal" in theirs.body else None
    if _LIST_FOR_OBJECT.search(sent.body) and mine.status == 422:
        return "list_for_object"
    if {mine.status, theirs.status} == {400, 422} and theirs.media_type == "text/plain":
        return "first_mistake"
    return None
