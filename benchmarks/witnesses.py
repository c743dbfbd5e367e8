"""What the witnesses of a trial cost: trials per second with them, against trials without them.

    python benchmarks/witnesses.py --rounds 20

The same fleet, with a link before every service, runs each built-in scenario in turn with and without
the ledgers of links, the looks at machine and workspace, and the digests of files. Prints a Markdown
table of trials per second (from the median time of a trial) and their ratio.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from statistics import mean, median
from time import monotonic
from unittest.mock import MagicMock, patch

from tabulate import tabulate

from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import FleetSpec
from pytest_execgo.harness.service import SERVICE_NAMES
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.run import trial
from pytest_execgo.run.matrix import Matrix
from pytest_execgo.run.session import RunSession
from pytest_execgo.run.settings import Run
from pytest_execgo.scenario.library import Library, builtin_folder
from pytest_execgo.transport.ledger import Connection

SCENARIOS = ("codegen_exec", "long_chain_dag", "multi_step_agent", "vuln_scan")
_ROUND = (True, False, False, True)
"""With the witnesses or without: both come equally early, as a machine may become slower."""


def main() -> int:
    """Print the table; 0 unless a trial fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rounds", type=int, default=20, help="of four trials per scenario")
    options = parser.parse_args()
    seconds: dict[tuple[str, bool], list[float]] = defaultdict(list)
    with tempfile.TemporaryDirectory(prefix="witnesses-") as folder, _session(folder) as session:
        for number in range(options.rounds):
            for scenario in SCENARIOS:
                for watched in _ROUND:
                    seconds[scenario, watched].append(_trial(session, scenario, watched=watched))
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
    middle = {key: median(found) for key, found in seconds.items()}
    for watched in (True, False):
        middle["all", watched] = mean([middle[name, watched] for name in SCENARIOS])
    rows = [
        (name, 1 / middle[name, True], 1 / middle[name, False], _ratio(middle, name))
        for name in (*SCENARIOS, "all")
    ]
    headers = ["trials per second", "with witnesses", "without", "ratio"]
    print(tabulate(rows, headers, tablefmt="github", floatfmt=("", ".2f", ".2f", ".3f")))
    return 0


def _ratio(middle: dict[tuple[str, bool], float], name: str) -> float:
    return middle[name, False] / middle[name, True]


@contextmanager
def _session(folder: str) -> Iterator[RunSession]:
    request = BenchmarkRunRequest()
    matrix = Matrix(Library(builtin_folder()), Registry.build(), request)
    spec = FleetSpec(links=frozenset(SERVICE_NAMES))
    run = Run(request, Path(folder), Path(folder) / "reports", "witnesses", fleet=spec)
    session = RunSession(run, matrix)
    session.ensure_fleet(frozenset(SERVICE_NAMES))
    try:
        yield session
    finally:
        session.close()


def _trial(session: RunSession, scenario: str, *, watched: bool) -> float:
    with ExitStack() as stack:
        if not watched:
            for name in ("LinkUse", "MachineWatch", "WorkspaceWatch"):
                stack.enter_context(patch.object(trial, name, MagicMock()))
            stack.enter_context(patch.object(trial, "digests_of", lambda one, other: ({}, {})))
            for name in ("ask", "answer"):
                stack.enter_context(patch.object(Connection, name, lambda self, size: None))
        began = monotonic()
        result = session.run_cell(scenario, framework="reference", chaos="none")
        took = monotonic() - began
    if result.verdict.status != "passed":
        raise SystemExit(f"{scenario}: {result.verdict.outcome}")
    return took


if __name__ == "__main__":
    sys.exit(main())
