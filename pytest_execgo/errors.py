"""Three kinds of problems, three classes, three outcomes.

* :class:`UsageError`: the user's mistake. One line; pytest exits with 2 or 4.
* :class:`ScenarioFailure`: a trial whose verdict is not ``passed``. A failed test.
* :class:`HarnessError`: a problem of the harness (a service did not start). A pytest *error*.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")
_LONGEST_MESSAGE = 2000


class ExecgoError(Exception):
    """Base of everything this package raises on purpose."""


class UsageError(ExecgoError):
    """A mistake that the user can fix. ``str(error)`` says what, where, and what to do.

    Its text is one line of at most 2,000 characters, because it may quote a file: characters that cannot
    be seen become escapes. ``details`` are more lines, each treated in the same way, for the few errors
    that quote the output of a program.
    """

    def __init__(self, message: object, details: Iterable[str] = ()) -> None:
        super().__init__("\n".join(_in_one_line(str(line)) for line in (message, *details)))

    def __reduce__(self) -> tuple[type[UsageError], tuple[str, list[str]]]:
        message, *details = str(self).split("\n")
        return type(self), (message, details)


class ScenarioFailure(ExecgoError):
    """A trial ended with a verdict other than ``passed``; ``str(error)`` is its explanation.

    ``summary`` is its first cause in one line.
    """

    def __init__(self, explanation: str, summary: str) -> None:
        super().__init__(explanation)
        self.summary = summary


class HarnessError(ExecgoError):
    """The harness itself failed: the trial says nothing about the plan or the engine."""


class PlanError(ExecgoError):
    """An adapter returned no plan. ``code`` is stable, the text is for people."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _in_one_line(text: str) -> str:
    if not text.isprintable():
        text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)
    if len(text) <= _LONGEST_MESSAGE:
        return text
    start, end = _LONGEST_MESSAGE * 2 // 3, _LONGEST_MESSAGE // 4
    return f"{text[:start]} […] {text[-end:]}"


def did_you_mean(word: str, allowed: Iterable[str]) -> str:
    """Return ``; did you mean 'x'?`` for the nearest of ``allowed``, or an empty string."""
    near = difflib.get_close_matches(word, list(allowed), n=1, cutoff=0.6)
    return f"; did you mean {near[0]!r}?" if near else ""


def choice(word: str, allowed: Iterable[str]) -> str:
    """The nearest of the allowed words, if one is near, and then all of them: there may be many."""
    words = list(allowed)
    return f"{did_you_mean(word, words)} (allowed: {', '.join(words) or 'none'})"


def unknown_name(kind: str, name: str, allowed: Iterable[str]) -> str:
    """One line for a name that is not in ``allowed``."""
    return f"unknown {kind} {name!r}{choice(name, sorted(allowed))}"


def checked_return(value: T, allowed: type | tuple[type, ...], call: str) -> T:
    """``value``, which ``call`` of an extension returned; raises :class:`TypeError` for another type."""
    if isinstance(value, allowed):
        return value
    kinds = allowed if isinstance(allowed, tuple) else (allowed,)
    names = " or ".join("None" if kind is type(None) else kind.__name__ for kind in kinds)
    raise TypeError(f"{call} returned {type(value).__name__}, expected {names}")
