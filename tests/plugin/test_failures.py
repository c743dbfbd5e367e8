"""The first screen of a failure at a terminal of 80 columns says what, where, and what to do."""

from __future__ import annotations

import pytest

from tests.conftest import ScenarioMaker
from tests.failure_page import FAILURES, Failure, page, picture
from tests.terminals import SEQUENCE

ROWS = 24
EXPECTED = {
    "task_error": (
        "got: stage greet did not finish",
        "FileNotFoundError: [Errno 2] No such file or directory: '${workspace}/people.txt'",
        "correct the task, or the files that it reads",
    ),
    "wrong_value": (
        "got: 1 of 3 checks do not hold",
        "from_json(runtime.output.stdout).greetings: expected 4, got 3",
        "correct the plan, or the check if the result is right",
    ),
    "wrong_file": (
        "+Welcome, Grace!",
        "greetings.txt differs from expected/greetings.txt",
        "if the new content is right, add --execgo-update-expected",
    ),
    "lost_binding": (
        "count.input.execution.env.NAMES",
        "is not in the result of 'greet'; it printed JSON with people",
        "correct the source_path of the binding, or what its source task prints",
    ),
    "killed_engine": (
        "fault injected: kill execgo",
        "the process of execgo ended with exit status -9",
        "max_resubmits of a stage lets it recover",
    ),
}


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.name)
def test_the_first_screen_says_what_where_and_what_to_do(
    pytester: pytest.Pytester, project: ScenarioMaker, failure: Failure
) -> None:
    failure.make(project)
    coloured = failure.shown(pytester.path)
    screen = SEQUENCE.sub("", coloured).split("\n")[:ROWS]
    # Lines are broken where the terminal ends.
    text = " ".join(" ".join(screen).split())
    for expected in EXPECTED[failure.name]:
        assert expected in text
    assert picture(coloured).startswith("<svg")
    assert page({one.name: coloured for one in FAILURES}).count("![") == len(FAILURES)
