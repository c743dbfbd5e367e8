r"""Text that others wrote, made safe for the place where it is shown.

Tasks, plans, engines, models and files decide what their messages contain. Shown as they are, such
texts can move the cursor of a terminal, give commands to a CI system, or add HTML to a report. There is
one function for each place. A character that cannot be seen becomes its escape, such as ``\x1b``; what
is longer than the limit is cut, with a note. Documents in JSON keep the original text.

A text that was made safe for a terminal stays the same if it is made safe again.
"""

from __future__ import annotations

import html
import json
import re
import unicodedata
from typing import Any

LONGEST_LINE = 2000
LONGEST_TEXT = 20_000

# Letters and marks that are drawn as nothing: fillers, joiners and variation selectors.
_BLANK = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\uffa0\ufe00-\ufe0f\U000e0100-\U000e01ef]"
)
# GitHub and its relatives take a line that begins with `::`. GitHub, Azure and TeamCity look for the
# others anywhere in a line, GitLab for its section marks.
_CI_COMMAND = re.compile(r"(?P<start>^\s*)(?:::|##)|##(?:vso|teamcity)?\[|section_(?:start|end):\d")
_CI_COMMAND_IN_JSON = re.compile(r"#(?=#)|_(?=(?:start|end):\d)")
_MARKDOWN = re.compile(
    r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|_(?=(?:start|end):\d)|:(?=//)|(?<=www)\.",
    re.IGNORECASE,
)
# A mention or an address of mail becomes a link even if its sign is escaped, but not in a code span.
_MENTION = re.compile(r"@+(?=\w)")
_MARKDOWN_START = re.compile(r"^(?:[#+\-=>:]|\d+(?P<sign>[.)])(?=\s|$))")
_ENTITY = re.compile(r"&(?=#?\w+;)")
_TAG = re.compile(r"<(?=[A-Za-z/!?])")


def indented(line: str) -> str:
    """A line for the terminal, with its indentation."""
    return " " * (len(line) - len(line.lstrip(" "))) + for_terminal(line)


def one_line(text: object, limit: int = LONGEST_LINE) -> str:
    r"""``text`` in one line: line breaks and characters that cannot be seen are escapes, such as ``\n``.

    Of a text that is longer than ``limit`` characters, the first two thirds and the last third of that
    number are kept.
    """
    return _visible(_cut(str(text).strip(), limit))


def for_ci_log(text: str) -> str:
    r"""``text`` without commands of a CI system: their first character becomes an escape, as in
    ``\x3a:error::``.

    Known are the commands of GitHub Actions, Azure Pipelines and TeamCity, and the section marks of
    GitLab.
    """
    return "\n".join(_CI_COMMAND.sub(_disarmed, line) for line in text.split("\n"))


def for_terminal(text: object, *, keep_lines: bool = False, limit: int | None = None) -> str:
    """``text`` for a terminal, the log of a CI job, or JUnit XML.

    It is one line, unless ``keep_lines``; then tabs stay as well. ``limit``: 2000 characters, or 20,000
    with ``keep_lines``.
    """
    if not keep_lines:
        return for_ci_log(one_line(text, LONGEST_LINE if limit is None else limit))
    whole = _cut(str(text).replace("\r\n", "\n"), LONGEST_TEXT if limit is None else limit)
    return for_ci_log("\n".join(_visible(line, keep="\t") for line in whole.split("\n")))


def for_markdown(text: object, limit: int = LONGEST_LINE) -> str:
    """``text`` as one line of plain text in Markdown, also in a cell of a table: no HTML, no link, no
    formatting."""
    line = _MARKDOWN.sub(r"\\\g<0>", _ENTITY.sub("&amp;", one_line(text, limit)))
    line = _MARKDOWN_START.sub(_not_at_start, line).replace("<", "&lt;")
    return _MENTION.sub(r"`\g<0>`", line)


def for_markdown_code(text: object, limit: int = LONGEST_LINE) -> str:
    r"""``text`` as one line inside of a code span or a block of code, which it cannot end: a backtick
    becomes ``\x60``, and the ``<`` of a tag ``\x3c``."""
    line = for_ci_log(one_line(text, limit)).replace("`", r"\x60")
    return _TAG.sub(r"\\x3c", line)


def for_html(text: object, limit: int = LONGEST_LINE) -> str:
    """``text`` as one line inside of an element or an attribute of HTML."""
    return html.escape(for_terminal(text, limit=limit))


def json_line(value: Any) -> str:
    """``value`` as one line of JSON for a stream that a terminal or a CI log may show.

    A reader of the JSON gets the original text: what is not safe to show is written as ``\\uXXXX``.
    """
    text = json.dumps(value, ensure_ascii=False)
    if not _is_visible(text):
        text = "".join(char if _is_visible(char) else json.dumps(char)[1:-1] for char in text)
    return _CI_COMMAND_IN_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def _cut(text: str, limit: int) -> str:
    if len(text) <= limit:
        return text
    tail = limit // 3
    left_out = f" … {len(text) - limit} characters left out … "
    return text[: limit - tail] + left_out + text[len(text) - tail :]


def _visible(text: str, keep: str = "") -> str:
    if _is_visible(text):
        return text
    return "".join(c if c in keep or _is_visible(c) else _escape(c) for c in text)


def _is_visible(text: str) -> bool:
    if _BLANK.search(text):
        return False
    # Of the characters that Python escapes, only spaces are harmless.
    return text.isprintable() or all(
        char.isprintable() or unicodedata.category(char) == "Zs" for char in text
    )


def _escape(char: str) -> str:
    named = {"\n": r"\n", "\r": r"\r", "\t": r"\t"}.get(char)
    if named:
        return named
    code = ord(char)
    return (
        f"\\x{code:02x}"
        if code < 0x100
        else f"\\u{code:04x}"
        if code < 0x10000
        else f"\\U{code:08x}"
    )


def _disarmed(found: re.Match[str]) -> str:
    start = found["start"] or ""
    command = found[0][len(start) :]
    return f"{start}\\x{ord(command[0]):02x}{command[1:]}"


def _not_at_start(found: re.Match[str]) -> str:
    sign = found["sign"] or found[0]
    return f"{found[0].removesuffix(sign)}\\{sign}"


def without_surrogates(value: Any) -> Any:
    """``value`` with U+FFFD for lone surrogates, which JSON can contain and UTF-8 cannot."""
    if isinstance(value, str):
        return value.encode("utf-8", "surrogatepass").decode("utf-8", "replace")
    if isinstance(value, (list, tuple)):
        return [without_surrogates(item) for item in value]
    if isinstance(value, dict):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    return value
