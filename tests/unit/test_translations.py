"""The Chinese README shows the same commands as the English one, and links to the same pages."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def commands(text: str) -> list[str]:
    """The lines of code, without comments, which are translated."""
    fenced = re.findall(r"^```\w*\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    rest = re.sub(r"^```\w*\n.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    lines = [line for block in fenced for line in block.splitlines()]
    lines += [line for line in rest.splitlines() if line.startswith("    ")]
    return [line for line in lines if not line.strip().startswith("#")]


def pages(text: str) -> list[str]:
    return sorted(set(re.findall(r"\]\((docs/[\w./#-]+)\)", text)))


def test_the_readmes_of_the_desktop_client_show_the_same_commands() -> None:
    folder = ROOT / "desktop-client"
    english, chinese = ((folder / name).read_text() for name in ("README.md", "README.zh-CN.md"))
    assert len(commands(english)) > 5
    assert commands(chinese) == commands(english)


def test_both_show_the_same_commands_and_pages() -> None:
    english, chinese = ((ROOT / name).read_text() for name in ("README.md", "README.zh-CN.md"))
    assert len(commands(english)) > 50
    assert commands(chinese) == commands(english)
    assert set(pages(chinese)) <= set(pages(english))
    table = [line for line in english.splitlines() if line.startswith("| [docs/")]
    assert set(pages("\n".join(table))) <= set(pages(chinese))
