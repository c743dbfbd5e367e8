"""``--execgo-update-expected``: what it shows, asks, and writes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ScenarioMaker
from tests.terminals import read_until

UPDATE = ("--execgo-matrix", "--execgo-update-expected")


@pytest.fixture
def changed(project: ScenarioMaker) -> Path:
    """A scenario whose greeting and whose count changed since its expected files were written."""

    def compare(manifest: dict[str, Any]) -> None:
        manifest["checks"][1] = {
            "kind": "value", "task": "count", "path": "from_json(runtime.output.stdout)",
            "equals_file": "expected/count.json",
        }  # fmt: skip

    folder = project("demo", manifest=compare)
    (folder / "expected/count.json").write_text('{"greetings": 2}')
    script = folder / "workspace/greet.py"
    script.write_text(script.read_text().replace("Hello", "Welcome"))
    return folder


def test_expected_files_are_rewritten_after_yes(pytester: pytest.Pytester, changed: Path) -> None:
    result = pytester.runpytest(*UPDATE, "--execgo-yes")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "difference *greetings.txt differs from expected/greetings.txt",
            "execgo: scenarios/demo/expected/count.json",
            '    -{"greetings": 2}  (no line end)',
            '    +  "greetings": 3',
            "execgo: scenarios/demo/expected/greetings.txt",
            "    -Hello, Ada!",
            "    +Welcome, Ada!",
            "execgo: scenarios/demo/expected/count.json rewritten",
        ]
    )
    assert (changed / "expected/count.json").read_text() == '{\n  "greetings": 3\n}\n'
    assert "Welcome, Grace!" in (changed / "expected/greetings.txt").read_text()
    again = pytester.runpytest(*UPDATE, "--execgo-yes")
    again.assert_outcomes(passed=1)
    again.stdout.fnmatch_lines(["execgo: no expected file to rewrite"])


def test_without_an_answer_nothing_is_rewritten(pytester: pytest.Pytester, changed: Path) -> None:
    before = (changed / "expected/greetings.txt").read_text()
    result = pytester.runpytest_subprocess(*UPDATE, "-n2")
    result.assert_outcomes(failed=1)
    hint = "execgo: 2 expected files not rewritten; answer y, or add --execgo-yes"
    result.stdout.fnmatch_lines([hint])
    assert (changed / "expected/greetings.txt").read_text() == before


@pytest.mark.parametrize("answer", ["y", "n"])
def test_the_user_is_asked_at_a_terminal(
    pytester: pytest.Pytester, changed: Path, answer: str
) -> None:
    ours, theirs = os.openpty()
    command = [sys.executable, "-m", "pytest", *UPDATE]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, cwd=pytester.path):
        os.close(theirs)
        seen = read_until(ours, b"[y/N] ")
        os.write(ours, f"{answer}\n".encode())
        seen += read_until(ours, b"=\r\n1 failed")
    os.close(ours)
    assert b"rewrite 2 expected files?" in seen
    assert ("Welcome" in (changed / "expected/greetings.txt").read_text()) == (answer == "y")


def test_trials_with_faults_do_not_count(pytester: pytest.Pytester, changed: Path) -> None:
    result = pytester.runpytest(*UPDATE, "--execgo-yes", "--execgo-chaos=runtime_kill")
    result.stdout.fnmatch_lines(["execgo: no expected file to rewrite"])


def test_trials_that_differ_leave_the_file_alone(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    folder = project("demo")
    script = folder / "workspace/greet.py"
    script.write_text(script.read_text().replace('"Hello, ', '"{folder.name}, '))
    before = (folder / "expected/greetings.txt").read_text()
    result = pytester.runpytest(*UPDATE, "--execgo-yes", "--execgo-repetitions=2")
    result.stdout.fnmatch_lines(
        ["execgo: greetings.txt: not rewritten, because *-r0 and *-r1 differ"]
    )
    assert (folder / "expected/greetings.txt").read_text() == before


def test_a_yaml_file_stays_yaml(
    pytester: pytest.Pytester, project: ScenarioMaker, changed: Path
) -> None:
    manifest = changed / "scenario.yaml"
    manifest.write_text(manifest.read_text().replace("count.json", "count.yaml"))
    (changed / "expected/count.yaml").write_text("greetings: 2")
    pytester.runpytest(*UPDATE, "--execgo-yes")
    assert yaml.safe_load((changed / "expected/count.yaml").read_text()) == {"greetings": 3}
