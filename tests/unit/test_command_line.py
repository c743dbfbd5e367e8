"""The parsers of the command line, without running a command."""

from __future__ import annotations

import argparse
import pkgutil
from collections.abc import Iterator

import pytest

from pytest_execgo.cli.main import main
from pytest_execgo.cli.parsers import command_line


def commands(
    parser: argparse.ArgumentParser, *words: str
) -> Iterator[tuple[tuple[str, ...], argparse.ArgumentParser]]:
    """Every command that runs something, with its words."""
    choices: dict[str, argparse.ArgumentParser] = {}
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            choices |= action.choices
    for name, inner in choices.items():
        yield from commands(inner, *words, name)
    if not choices:
        yield words, parser


ALL = list(commands(command_line()))


@pytest.mark.parametrize(("words", "parser"), ALL, ids=[" ".join(words) for words, _ in ALL])
def test_every_command_has_a_handler_and_a_help(
    words: tuple[str, ...], parser: argparse.ArgumentParser
) -> None:
    assert callable(pkgutil.resolve_name(parser.get_default("handler")))
    assert "--help" in parser.format_help()


@pytest.mark.parametrize(
    ("words", "handler", "code"),
    [
        (["run"], "pytest_execgo.cli.run.run", 2),
        (["replay", "x"], "pytest_execgo.cli.run.replay", 2),
        (["doctor"], "pytest_execgo.cli.doctor.doctor", 130),
    ],
)
def test_ctrl_c_outside_of_pytest_is_one_word(
    words: list[str],
    handler: str,
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def interrupt(options: argparse.Namespace) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(handler, interrupt)
    assert main(words) == code
    assert capsys.readouterr().err == "interrupted\n"
