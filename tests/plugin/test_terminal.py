"""What a run shows: at a terminal and without one, with -q, by default and with -v."""

from __future__ import annotations

import re

import pytest

from pytest_execgo.plugin import live_line
from tests.conftest import ScenarioMaker
from tests.terminals import SEQUENCE, at_terminal

RUN = ("--execgo-matrix", "--execgo-chaos=none", "--execgo-chaos=runtime_kill")


def test_the_live_line_is_drawn_and_removed(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    seen = at_terminal(pytester.path, *RUN)
    assert re.search(r"[01]/2 · demo × none", seen)
    assert re.search(r"1/2 · demo × runtime_kill · fault (injected \d+\.\d s ago|healed)", seen)
    assert seen.rindex("\x1b[r") > seen.rindex("/2 · demo"), "the screen is given back"
    plain = SEQUENCE.sub("", seen)
    assert re.search(r"= .*2 passed in .*=", plain)
    assert "execgo: 3 control trials run before the first fault" in plain


@pytest.mark.parametrize("words", [("-q",), ()], ids=["quiet", "no terminal"])
def test_there_is_no_live_line_without_a_reader(
    pytester: pytest.Pytester, project: ScenarioMaker, words: tuple[str, ...]
) -> None:
    project("demo")
    if words:
        assert "\x1b[r" not in at_terminal(pytester.path, *RUN, *words)
    else:
        assert "\x1b" not in pytester.runpytest_subprocess(*RUN).stdout.str()


def test_the_log_of_a_ci_job_has_plain_lines(
    pytester: pytest.Pytester, project: ScenarioMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", "true")
    monkeypatch.setattr(live_line, "PLAIN_EVERY_SECONDS", 0.0)
    project("demo")
    outcome = pytester.runpytest(*RUN)
    outcome.stdout.fnmatch_lines(["1/2", "2/2"])
    quiet = pytester.runpytest(*RUN, "-q")
    assert "1/2" not in quiet.outlines


def test_quiet_runs_have_one_line(pytester: pytest.Pytester, project: ScenarioMaker) -> None:
    project("demo")
    result = pytester.runpytest(*RUN, "-q")
    lines = [line for line in result.outlines if "execgo" in line or "passed" in line]
    assert re.fullmatch(r"2 of 2 trials passed · faults fired 1/1 · .*benchmark\.md", lines[-2])
    assert not any(line.startswith("scenario ") for line in result.outlines)


def test_failures_are_coloured_at_a_terminal_only(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    folder = project("demo")
    (folder / "expected/greetings.txt").write_text("Bye\n")
    seen = at_terminal(pytester.path, "--execgo-matrix")
    assert re.search(r"\x1b\[31m\x1b\[1mFAILED", seen)
    assert re.search(r"\x1b\[31mcause ", seen)
    assert re.search(r"\x1b\[31m +-Bye", seen)
    assert re.search(r"\x1b\[32m +\+Hello, Ada!", seen)
    xml = pytester.path / "out.xml"
    result = pytester.runpytest("--execgo-matrix", f"--junit-xml={xml}", "--color=yes")
    result.assert_outcomes(failed=1)
    assert "\x1b" not in xml.read_text()
    assert "#x1B" not in xml.read_text()
