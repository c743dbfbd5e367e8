"""Texts that a task, a plan, an engine or a model may give, and what must hold where they are shown."""

from __future__ import annotations

import re
import unicodedata

HOSTILE = {
    "clear_screen": "\x1b[2J\x1b[H",
    "title": "\x1b]0;pwned\x07",
    "hyperlink": "\x1b]8;;http://evil.example\x07click\x1b]8;;\x07",
    "c1_csi": "\x9b31mred",
    "jenkins_note": "\x1b[8mha:AAAA\x1b[0m",
    "overwrite": "failed\rpassed\b\b",
    "nul_and_delete": "a\0b\x7fc",
    "other_line_breaks": "a\x0bb\x0cc\x1cd\x85e\u2028f\u2029g",
    "bidi": "user\u202e\u2066 // admin\u2069\u2066",
    "zero_width": "pass\u200bed\u2060\ufeff\u00ad",
    "fillers": "a\u3164b\u115fc\uffa0d\u034fe",
    "hidden_letters": "ok\U000e0041\U000e0042\U000e0100\ufe01",
    "github": "::error file=a::injected",
    "github_after_spaces": "x\n  \t::set-output name=a::b",
    "github_old": "##[group]x\nand ##[error]y",
    "github_after_return": "x\r::add-mask::a",
    "azure": "##vso[task.setvariable variable=a]x",
    "azure_in_a_line": "see ##vso[task.complete result=Succeeded;]",
    "teamcity": "##teamcity[testFailed name='a']",
    "gitlab": "section_start:1:a[collapsed=true]\r\x1b[0Ktitle",
    "only_signs": "##",
    "html": "</details></summary><script>alert(1)</script><!-- <img src=x onerror=alert(1)>",
    "entity": "&lt;script&gt; &#60;b&#62;",
    "markdown": "[a](javascript:alert(1)) ![i](http://evil.example/i.png) **b** _i_ ~~s~~",
    "code_ends": "a`b``c\n```\n<script>\n~~~",
    "autolinks": "http://evil.example www.evil.example a@evil.example @user",
    "table": "a | b || c \\| d",
    "heading": "# h\n## h2\n- item\n1. one\n> quote\n---",
    "long": "::" + "x" * 200_000 + "</details>",
    "many_lines": "::error::x\n" * 50_000,
    "escaped_already": "\\x1b[2J \\n",
}
SURROGATE = "a\ud800b"

_UNSEEN = frozenset("\u034f\u115f\u1160\u3164\uffa0\ufe01\U000e0100")
_BORDER = r"(?<!\\)\|"
_COMMANDS = ("##[", "##vso[", "##teamcity[", "section_start:1")


def assert_safe_to_show(text: str) -> None:
    """No character that cannot be seen, no command of a CI system, no unlimited length."""
    unseen = {
        char
        for char in text
        if char not in "\n\t"
        and (unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") or char in _UNSEEN)
    }
    assert not unseen
    for line in text.split("\n"):
        assert not line.lstrip().startswith(("::", "##")), line
    assert not [command for command in _COMMANDS if command in text]
    assert len(text) < 250_000


def assert_plain_markdown(text: str) -> None:
    """No HTML but our own, and outside of code no link and no end of a cell."""
    ours = re.sub(r"</?(details|summary)>", "", text)
    assert not re.search(r"<[A-Za-z/!?]", ours)
    words = re.sub(r"`[^`\n]*`", "", re.sub(r"^```$.*?^```$", "", text, flags=re.DOTALL | re.M))
    # Markdown is not read in a line of HTML.
    words = re.sub(r"^<details>.*$", "", words, flags=re.M)
    words = re.sub(r"\\[^\w\s]", "", words)
    assert not re.search(r"\]\(|://|www\.|\w@[a-z]", words)


def skeleton(markdown: str) -> list[str]:
    """What the lines of a report are: headings, items, rows with their number of cells, fences."""
    return [_kind(line) for line in markdown.splitlines()]


def _kind(line: str) -> str:
    if line.startswith("|"):
        return f"row with {len(re.findall(_BORDER, line))} borders"
    found = re.match(r"#*|-|`*", line)
    return found[0] if found else ""
