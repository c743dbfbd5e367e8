"""The driver against a hostile ExecGo, runtime and model, with random answers.

    python -m tests.fuzz.driver --answers 10000 --seed 1

Each trial is the real path from the plan to the verdict. With a hostile ExecGo (and fixtures server):
client, stages, bindings, checks, cleaning up, access log, health check, judgement and metrics. With a
hostile runtime, the embedded ExecGo is between. With a hostile model, a framework asks it through the
gateway, in a live trial on a real fleet. A trial must end in a verdict within two seconds of its
deadline and raise nothing, and the processes must stay below 300 MB. Prints the seed of each trial that
does not; ``--only PEER --seed NUMBER --answers 1`` repeats it alone.
"""

from __future__ import annotations

import argparse
import ctypes
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from random import Random
from typing import Protocol

from pytest_execgo.models.plan import StandardPlan
from tests.fuzz.answers import HostileAnswers
from tests.fuzz.model import hostile_model
from tests.fuzz.runtime import hostile_runtime
from tests.fuzz.trials import DEADLINE_SECONDS, FuzzResult, fuzz_scenario, guarded, run_plan
from tests.hostile import HostileServer

LARGEST_MB = 300
_M_ARENA_MAX = -8
TASK = {"type": "noop", "params": {}}
PLAN = {
    "plan_id": "p",
    "scenario_id": "fuzz",
    "stages": [
        {
            "stage_id": "one",
            "task_graph": {"tasks": [{"id": "a", **TASK}, {"id": "b", **TASK}]},
            "submit_policy": {"deadline_ms": DEADLINE_SECONDS * 1000, "max_resubmits": 1},
        },
        {
            "stage_id": "two",
            "task_graph": {"tasks": [{"id": "c", **TASK}]},
            "submit_policy": {"deadline_ms": DEADLINE_SECONDS * 1000},
            "bindings": [
                {
                    "source_task_id": "a",
                    "source_path": "from_json(result.stdout).list",
                    "target_task_id": "c",
                    "target_param_path": "params.x",
                }
            ],
        },
    ],
}


class Fuzz(Protocol):
    """Trials with one hostile peer."""

    def run_one(self, seed: int, folder: Path) -> FuzzResult:
        """Run trial number ``seed`` with its record in the new folder ``folder``."""

    def megabytes(self) -> float:
        """The largest memory of another process that takes part, or 0."""


class ExecgoFuzz:
    """Trials whose ExecGo is hostile."""

    def __init__(self, folder: Path) -> None:
        self._scenario = fuzz_scenario(folder)

    def run_one(self, seed: int, folder: Path) -> FuzzResult:
        """See :class:`Fuzz`."""
        rng = Random(seed)
        server = HostileServer(lambda method, path: ())
        honesty = rng.choice([0.0, 0.5, 0.8, 0.95])
        answers = HostileAnswers(rng, lambda c: server.drip(c, 0.02 if c else 5), honesty)
        server.script = answers.answer
        plan = StandardPlan.model_validate(PLAN)
        with server:
            verdict, problem = guarded(
                lambda: run_plan(server.url, {}, plan, self._scenario, folder)
            )
        return FuzzResult(seed, len(server.requests), verdict, problem)

    def megabytes(self) -> float:
        """See :class:`Fuzz`."""
        return 0.0


@contextmanager
def hostile_execgo(folder: Path) -> Iterator[ExecgoFuzz]:
    """A hostile ExecGo for each trial."""
    yield ExecgoFuzz(folder)


PEERS: dict[str, Callable[[Path], AbstractContextManager[Fuzz]]] = {
    "execgo": hostile_execgo,
    "runtime": hostile_runtime,
    "model": hostile_model,
}


def main(arguments: list[str] | None = None) -> int:
    """Print a summary; 0 if every trial keeps the promise."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--answers", type=int, default=10_000, help="of each peer")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", choices=PEERS, help="one peer; all by default")
    options = parser.parse_args(arguments)
    if options.only:
        _use_one_heap()
        return _fuzz(options.only, options.answers, options.seed)
    # A process for each peer, because its memory is measured.
    words = ["--answers", str(options.answers), "--seed", str(options.seed)]
    command = [sys.executable, "-m", "tests.fuzz.driver", *words, "--only"]
    return max(subprocess.run([*command, peer], check=False).returncode for peer in PEERS)


def _fuzz(peer: str, wanted: int, seed: int) -> int:
    results: list[FuzzResult] = []
    with tempfile.TemporaryDirectory() as name, PEERS[peer](Path(name)) as fuzz:
        while sum(one.answers for one in results) < wanted:
            folder = Path(name) / str(seed + len(results))
            folder.mkdir()
            results.append(fuzz.run_one(seed + len(results), folder))
            shutil.rmtree(folder)
        return report(peer, results, fuzz.megabytes())


def report(peer: str, results: list[FuzzResult], other_megabytes: float = 0.0) -> int:
    """Print verdicts and problems; 0 if there is no problem."""
    megabytes = _peak_megabytes()
    broken = [one for one in results if one.problem]
    for verdict, count in Counter(one.verdict for one in results).most_common():
        print(f"{count:6} {verdict}")
    for one in broken:
        print(f"seed {one.seed}: {one.problem}")
    answers = sum(one.answers for one in results)
    other = f" (ExecGo: {other_megabytes:.0f} MB)" if other_megabytes else ""
    print(
        f"hostile {peer}: {len(results)} trials, {answers} answers, {len(broken)} broken, "
        f"{megabytes:.0f} MB{other}",
        flush=True,
    )
    return 1 if broken or max(megabytes, other_megabytes) > LARGEST_MB else 0


def _use_one_heap() -> None:
    """Without this, glibc keeps a heap for each thread of the test's servers, and that is measured."""
    if sys.platform == "linux":
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def _peak_megabytes() -> float:
    """The largest memory of this process so far."""
    if sys.platform == "linux":
        # Not ru_maxrss: it begins with the memory of the process that started this one.
        status = Path("/proc/self/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2


if __name__ == "__main__":
    sys.exit(main())
