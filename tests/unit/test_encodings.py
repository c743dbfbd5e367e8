"""Texts have an explicit encoding: the default depends on the user's locale."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULES = [
    path
    for folder in ("pytest_execgo", "fixtures_server")
    for path in (ROOT / folder).rglob("*.py")
]
# The position of ``encoding`` among the arguments.
METHODS = {"read_text": 0, "write_text": 1}


def without_encoding(path: Path) -> list[int]:
    """The lines of calls that read or write text in the encoding of the locale."""
    calls = [
        node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)
    ]
    return [call.lineno for call in calls if _is_text(call) and not _has_encoding(call)]


def _has_encoding(call: ast.Call) -> bool:
    if any(word.arg in ("encoding", None) for word in call.keywords):
        return True
    name = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    return name in METHODS and len(call.args) > METHODS[name]


def _is_text(call: ast.Call) -> bool:
    name = getattr(call.func, "attr", getattr(call.func, "id", ""))
    if any(word.arg in ("text", "universal_newlines") for word in call.keywords):
        return name in ("run", "Popen", "check_output")
    if name in METHODS:
        return isinstance(call.func, ast.Attribute)
    if isinstance(call.func, ast.Name):
        return name == "open" and not _mode_is_binary(call, 1)
    # Path.open(mode). Methods of that name without a mode belong to other classes.
    return name == "open" and bool(call.args) and _looks_like_a_mode(call.args[0])


def _looks_like_a_mode(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value in ("r", "w", "a", "x", "r+", "w+", "a+")


def _mode_is_binary(call: ast.Call, position: int) -> bool:
    modes = [
        *call.args[position : position + 1],
        *(k.value for k in call.keywords if k.arg == "mode"),
    ]
    # A mode that is not a constant is taken for a binary one.
    return any(not isinstance(one, ast.Constant) or "b" in str(one.value) for one in modes)


@pytest.mark.parametrize(
    "code",
    [
        "p.read_text()",
        "p.write_text('x')",
        "open(p)",
        "open(p, 'w')",
        "p.open('a')",
        "run(c, text=True)",
    ],
)
def test_the_check_finds_what_depends_on_the_locale(code: str, tmp_path: Path) -> None:
    path = tmp_path / "module.py"
    path.write_text(code, "utf-8")
    assert without_encoding(path) == [1]


def test_every_text_has_an_encoding() -> None:
    found = {
        f"{path.relative_to(ROOT)}:{line}" for path in MODULES for line in without_encoding(path)
    }
    assert not found
