"""JSON as ExecGo's decoder (Go's ``encoding/json``) reads it.

Only the first value counts, and member names match in any case. Valid text is decoded by :mod:`json`.
Invalid text is scanned character by character, to produce the error message of Go.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any, cast

MAX_DEPTH = 10_000
_SPACE = " \t\r\n"
_LITERALS = {"n": "null", "t": "true", "f": "false"}
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+', re.DOTALL)
_SURROGATE = re.compile("[\ud800-\udfff]")


class JsonError(Exception):
    """Text that cannot be decoded, with the error message of Go."""


class RawFloat(float):
    """A number with its original spelling."""

    raw: str

    def __new__(cls, raw: str) -> RawFloat:
        number = super().__new__(cls, raw)
        number.raw = raw
        return number


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=RawFloat, parse_constant=_no_constant)


def decode(text: str) -> Any:
    """The first value of ``text``; raises :class:`JsonError`."""
    start = len(text) - len(text.lstrip(_SPACE))
    try:
        return _DECODER.raw_decode(text, start)[0]
    except ValueError:
        raise JsonError(_refusal(text, start)) from None
    except RecursionError:
        # Too deep for Python's decoder. No request needs such a value, only an error message.
        refusal = _refusal(text, start)
        raise JsonError(refusal or "exceeded max depth") from None


def clean(value: Any) -> Any:
    """``value`` with lone surrogates replaced by U+FFFD, as Go decodes strings."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [clean(item) for item in value]
    if isinstance(value, dict):
        return {clean(name): clean(item) for name, item in value.items()}
    return value


def members(value: dict[str, Any]) -> dict[str, Any]:
    """Members by lower-case name; the last of duplicates wins."""
    return {name.lower(): item for name, item in value.items()}


def kind(value: Any) -> str:
    """Go's word for the kind of a value; a :class:`RawFloat` includes its spelling."""
    if value is None:
        return "null"
    if isinstance(value, RawFloat):
        return f"number {value.raw}"
    names = {bool: "bool", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "number")


@dataclass(frozen=True)
class Shape:
    """A Go struct: its name in messages, and the Python and Go types of its members."""

    go_type: str
    fields: dict[str, tuple[type, str]]


def read_struct(value: Any, shape: Shape) -> dict[str, Any]:
    """The members of ``value`` that the struct has; raises :class:`JsonError` for a wrong type."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        word = kind(value).split()[0]
        raise JsonError(f"json: cannot unmarshal {word} into Go value of type {shape.go_type}")
    short = shape.go_type.rpartition(".")[2]
    return read_members(value, shape, short)


def read_members(value: dict[str, Any], shape: Shape, where: str) -> dict[str, Any]:
    """The members of an object at the path ``where``, without ``null`` members (the zero value)."""
    given = members(value)
    found = {}
    for name, (python_type, go_type) in shape.fields.items():
        item = given.get(name)
        if item is None:
            continue
        if not isinstance(item, python_type) or (
            isinstance(item, bool) and python_type is not bool
        ):
            raise type_error(item, f"{where}.{name}", go_type)
        if python_type is int and not -(2**63) <= cast(int, item) < 2**63:
            raise type_error(RawFloat(str(item)), f"{where}.{name}", go_type)
        inner: Any = ()
        # A null in a list or a map of texts leaves the zero value, an empty text.
        if go_type == "[]string":
            item = ["" if one is None else one for one in cast(list[Any], item)]
            inner = enumerate(item)
        elif go_type == "map[string]string":
            given_map = cast(dict[str, Any], item)
            item = {key: "" if one is None else one for key, one in given_map.items()}
            inner = item.items()
        for key, element in inner:
            if not isinstance(element, str):
                raise type_error(element, f"{where}.{name}.{key}", "string")
        found[name] = clean(item)
    return found


def type_error(value: Any, where: str, go_type: str) -> JsonError:
    """The error for a value of the wrong type at the path ``where``."""
    word = kind(value) if go_type.startswith("int") else kind(value).split()[0]
    return JsonError(
        f"json: cannot unmarshal {word} into Go struct field {where} of type {go_type}"
    )


def raw_payloads(text: str) -> list[dict[str, str]]:
    """``params`` and ``input`` of each element of ``tasks`` in their original spelling, without spaces.

    ExecGo returns them in this form: ``1e2`` stays ``1e2``, and an escape stays an escape.
    """
    found: list[dict[str, str]] = []
    path: list[Any] = []
    kept: list[str] | None = None
    kept_depth = 0
    expect_key = False
    for match in _TOKEN.finditer(text):
        token = match.group()
        if kept is not None and len(path) == kept_depth and token in ",}":
            found[path[1]][path[2]] = "".join(kept)
            kept = None
        if kept is not None:
            kept.append(token)
        if token in "{[":
            path.append(0 if token == "[" else None)
            expect_key = token == "{"
            if token == "{" and len(path) == 3 and path[0] == "tasks" and isinstance(path[1], int):
                found += [{} for _ in range(path[1] + 1 - len(found))]
        elif token in "}]":
            path.pop()
            expect_key = False
            if not path:
                break
        elif token == ",":
            if isinstance(path[-1], int):
                path[-1] += 1
            else:
                expect_key = True
        elif token == ":":
            inside = len(path) == 3 and path[0] == "tasks" and isinstance(path[1], int)
            if kept is None and inside and path[2] in ("params", "input"):
                kept, kept_depth = [], 3
        elif expect_key and token[0] == '"' and path[-1:] != [] and not isinstance(path[-1], int):
            path[-1] = json.loads(token).lower()
            expect_key = False
    return found


# -- error messages


class _Refused(Exception):
    pass


class _Scanner:
    """Scans a text up to its first invalid character."""

    def __init__(self, text: str, start: int) -> None:
        self.text, self.at = text, start

    def refuse(self, context: str) -> _Refused:
        if self.at >= len(self.text):
            return _Refused("unexpected EOF")
        # Go reads bytes: of a character outside of ASCII it names the first byte.
        char = chr(self.text[self.at].encode("utf-8", "surrogatepass")[0])
        return _Refused(f"invalid character {_quoted(char)} {context}")

    def space(self) -> None:
        while self.at < len(self.text) and self.text[self.at] in _SPACE:
            self.at += 1

    def peek(self) -> str:
        return self.text[self.at] if self.at < len(self.text) else ""

    def value(self) -> None:
        """Scan one value. No recursion, because ten thousand levels are valid."""
        closers: list[str] = []
        while True:
            self.space()
            char = self.peek()
            if char and char in "{[":
                closers.append("}" if char == "{" else "]")
                if len(closers) > MAX_DEPTH:
                    raise _Refused("exceeded max depth")
                self.at += 1
                self.space()
                if self.peek() == closers[-1]:
                    self.at += 1
                    closers.pop()
                elif closers[-1] == "}":
                    self.key("looking for beginning of object key string")
                    continue
                else:
                    continue
            else:
                self.scalar(char)
            while closers:
                self.space()
                char = self.peek()
                if char == ",":
                    self.at += 1
                    if closers[-1] == "}":
                        self.space()
                        self.key("looking for beginning of object key string")
                    break
                if char != closers[-1]:
                    pair = "after object key:value pair"
                    raise self.refuse(pair if closers[-1] == "}" else "after array element")
                self.at += 1
                closers.pop()
            else:
                return

    def key(self, context: str) -> None:
        if self.peek() != '"':
            raise self.refuse(context)
        self.string()
        self.space()
        if self.peek() != ":":
            raise self.refuse("after object key")
        self.at += 1

    def scalar(self, char: str) -> None:
        if char == '"':
            self.string()
        elif char in _LITERALS and char:
            self.literal(_LITERALS[char])
        elif char and (char == "-" or char.isdigit()):
            self.number()
        else:
            raise self.refuse("looking for beginning of value")

    def literal(self, word: str) -> None:
        for expected in word:
            if self.peek() != expected:
                raise self.refuse(f"in literal {word} (expecting {_quoted(expected)})")
            self.at += 1

    def string(self) -> None:
        self.at += 1
        while (char := self.peek()) != '"':
            if char == "\\":
                self.at += 1
                if self.peek() == "u":
                    for _ in range(4):
                        self.at += 1
                        if self.peek() not in "0123456789abcdefABCDEF" or not self.peek():
                            raise self.refuse("in \\u hexadecimal character escape")
                elif not self.peek() or self.peek() not in '"\\/bfnrt':
                    raise self.refuse("in string escape code")
            elif not char or ord(char) < 0x20:
                raise self.refuse("in string literal")
            self.at += 1
        self.at += 1

    def number(self) -> None:
        if self.peek() == "-":
            self.at += 1
            if not self.peek().isdigit():
                raise self.refuse("in numeric literal")
        if self.peek() == "0":
            self.at += 1
        else:
            self.digits()
        if self.peek() == ".":
            self.at += 1
            if not self.peek().isdigit():
                raise self.refuse("after decimal point in numeric literal")
            self.digits()
        if self.peek() and self.peek() in "eE":
            self.at += 1
            if self.peek() and self.peek() in "+-":
                self.at += 1
            if not self.peek().isdigit():
                raise self.refuse("in exponent of numeric literal")
            self.digits()

    def digits(self) -> None:
        while self.peek().isdigit():
            self.at += 1


def _refusal(text: str, start: int) -> str:
    """Why the value at ``start`` is invalid; empty if it is valid."""
    if start >= len(text):
        return "EOF"
    try:
        _Scanner(text, start).value()
    except _Refused as refused:
        return str(refused)
    return ""


def _quoted(char: str) -> str:
    """A character between single quotes, as Go shows it."""
    special = {
        "'": "'\\''",
        '"': "'\"'",
        "\\": "'\\\\'",
        "\n": "'\\n'",
        "\t": "'\\t'",
        "\r": "'\\r'",
    }
    if char in special:
        return special[char]
    code = ord(char)
    if char.isprintable():
        return f"'{char}'"
    return f"'\\x{code:02x}'" if code < 0x80 else f"'\\u{code:04x}'"
