"""Kinds of values: how the text of an option becomes a value of the request, and back."""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from pytest_execgo.errors import UsageError

DAY_SECONDS = 86400.0
_RUN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,79}")
_ARGUMENTS_EXAMPLE = "runtime='--max-running-tasks 1'"


class Value:
    """One kind of value. ``flag`` is the option's name in messages."""

    def read(self, flag: str, text: str) -> Any:
        """The value of one text; raises :class:`UsageError`."""
        return text

    def collect(self, values: list[Any]) -> Any:
        """The value of an option that is given several times."""
        return values

    def words(self, value: Any) -> list[str]:
        """The texts from which :meth:`read` and :meth:`collect` make ``value``."""
        return [str(one) for one in value] if isinstance(value, list) else [str(value)]


class Text(Value):
    """Any text."""


class Name(Value):
    """A name, path or expression. The code that knows the allowed ones checks it later."""


class RunId(Value):
    """The name of a run: of a folder, and a part of the ids of its tasks."""

    def read(self, flag: str, text: str) -> str:
        if not _RUN_ID.fullmatch(text) or text == "latest":
            raise UsageError(
                f"{flag} {text!r}: expected at most 80 letters, digits, '.', '_' and '-', not "
                "beginning with '.' or '-', and not latest"
            )
        return text


@dataclass(frozen=True)
class Whole(Value):
    """A whole number of at least ``least``."""

    least: int

    def read(self, flag: str, text: str) -> int:
        number = int(text) if text.isascii() and text.isdigit() else -1
        if number < self.least:
            raise UsageError(f"{flag} {text!r}: expected a whole number of at least {self.least}")
        return number


@dataclass(frozen=True)
class AtMost:
    """A number of repetitions that depends on their results."""

    count: int


class Repetitions(Value):
    """``N``, or ``auto:N``."""

    def read(self, flag: str, text: str) -> int | AtMost:
        number = text.removeprefix("auto:")
        if not (number.isascii() and number.isdigit() and int(number)):
            raise UsageError(
                f"{flag} {text!r}: expected a whole number of at least 1, or auto:N, as in auto:40"
            )
        return int(text) if number == text else AtMost(int(number))


class Decimal(Value):
    """A finite number of at least 0."""

    def read(self, flag: str, text: str) -> float:
        number = _number(text)
        if not 0 <= number < math.inf:
            raise UsageError(f"{flag} {text!r}: expected a number of at least 0")
        return number


class Seconds(Value):
    """More than 0 seconds, and at most a day."""

    def read(self, flag: str, text: str) -> float:
        number = _number(text)
        if math.isnan(number):
            raise UsageError(f"{flag} {text!r}: expected a number of seconds")
        if not 0 < number <= DAY_SECONDS:
            raise UsageError(f"{flag} {text!r}: expected more than 0 seconds, and at most a day")
        return number


_URL = "http://127.0.0.1:11434/v1"


class Url(Value):
    """The base URL of a model's endpoint, without a key and without the path of a request."""

    def read(self, flag: str, text: str) -> str:
        try:
            parts = urlsplit(text)
            valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
        except ValueError:
            valid = False
        if not valid and "@" in text:
            raise UsageError(f"{flag}: expected a URL without user and password, as in {_URL}")
        if not valid:
            raise UsageError(f"{flag} {text}: expected a URL, as in {_URL}")
        if "@" in parts.netloc:
            # The message leaves the URL out: it must not print the password.
            raise UsageError(f"{flag} holds a password; give the key in OPENAI_API_KEY instead")
        if parts.query or parts.fragment or parts.path.rstrip("/").endswith("/chat/completions"):
            raise UsageError(
                f"{flag}: expected just the address below which /chat/completions is, as in "
                f"{parts.scheme}://{parts.netloc}/v1: no query, no fragment, no path of a request"
            )
        return text


class ServiceLauncher(Value):
    """``NAME=KIND[:TARGET]``; collected to a dictionary from service to launcher."""

    def read(self, flag: str, text: str) -> tuple[str, str]:
        name, _, launcher = text.partition("=")
        if not name or not launcher:
            raise UsageError(
                f"{flag} {text!r}: expected NAME=KIND[:TARGET], as in execgo=binary:./execgo"
            )
        return name, launcher

    def collect(self, values: list[Any]) -> dict[str, str]:
        return dict(values)

    def words(self, value: dict[str, str]) -> list[str]:
        return [f"{name}={launcher}" for name, launcher in sorted(value.items())]


class ServiceArguments(Value):
    """``NAME=ARGUMENTS``, split as a POSIX shell splits words; collected to a dictionary from service to
    list. Given again for a service, the arguments are appended."""

    def read(self, flag: str, text: str) -> tuple[str, list[str]]:
        name, _, arguments = text.partition("=")
        try:
            words = shlex.split(arguments)
        except ValueError as error:
            raise UsageError(
                f"{flag} {name}: {str(error).lower()}; quote the arguments as for a shell, as in "
                f"{_ARGUMENTS_EXAMPLE}"
            ) from None
        if not name or not words:
            raise UsageError(
                f"{flag} {text!r}: expected NAME=ARGUMENTS, as in {_ARGUMENTS_EXAMPLE}"
            )
        return name, words

    def collect(self, values: list[Any]) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for name, words in values:
            found.setdefault(name, []).extend(words)
        return found

    def words(self, value: dict[str, list[str]]) -> list[str]:
        return [f"{name}={shlex.join(words)}" for name, words in sorted(value.items()) if words]


class KnownFinding(Value):
    """``ID=REASON``; the reason is required."""

    def read(self, flag: str, text: str) -> dict[str, str]:
        name, _, reason = text.partition("=")
        if not name or not reason.strip():
            raise UsageError(
                f"{flag} {text!r}: expected ID=REASON, as in "
                "'runtime-tasks-stay-running=reported to its makers'"
            )
        return {"id": name, "reason": reason.strip()}

    def words(self, value: list[dict[str, str]]) -> list[str]:
        return [f"{one['id']}={one['reason']}" for one in value]


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
