"""A short form of the fuzz; ``python -m tests.fuzz.driver`` is the long one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from random import Random

import pytest

from tests.fuzz.answers import HostileAnswers
from tests.fuzz.driver import PEERS, hostile_execgo, report
from tests.fuzz.trials import FuzzResult

ROOT = Path(__file__).parent.parent.parent


@pytest.mark.parametrize(("peer", "answers"), [("execgo", 100), ("runtime", 100), ("model", 40)])
def test_every_trial_against_a_hostile_peer_ends_in_a_verdict_in_time(
    peer: str, answers: int
) -> None:
    assert peer in PEERS
    # A process of its own, because its memory is measured.
    done = subprocess.run(
        [sys.executable, "-m", "tests.fuzz.driver", "--only", peer,
         "--answers", str(answers), "--seed", "7"],
        cwd=ROOT, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert ", 0 broken, " in done.stdout


def test_same_seed_gives_the_same_answers() -> None:
    def answers() -> list[bytes]:
        hostile = HostileAnswers(Random(5), lambda content: [content])
        pieces = [next(iter(hostile.answer("GET", "/tasks/a")), b"") for _ in range(50)]
        return [piece[:1000] for piece in pieces]

    assert answers() == answers()


def test_broken_promise_is_reported_with_its_seed(capsys: pytest.CaptureFixture[str]) -> None:
    assert (
        report("execgo", [FuzzResult(3, 10, "raised", "Traceback ..."), FuzzResult(4, 5, "passed")])
        == 1
    )
    out = capsys.readouterr().out
    assert "seed 3: Traceback ..." in out
    assert "2 trials, 15 answers, 1 broken" in out


def test_exception_of_the_driver_is_a_broken_promise(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("tests.fuzz.trials.judge", fail)
    (tmp_path / "1").mkdir()
    with hostile_execgo(tmp_path) as fuzz:
        assert "ZeroDivisionError" in fuzz.run_one(1, tmp_path / "1").problem
