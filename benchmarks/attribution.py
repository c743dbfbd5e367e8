"""How often attribution names the layer of an injected fault, and how often a layer without one.

    python benchmarks/attribution.py --repetitions 4 --clean 75 -n 2 > table.md
    python benchmarks/attribution.py --framework langgraph --repetitions 5 --clean 75 -n 2

Runs every profile with one fault on every scenario it applies to, ``--repetitions`` times (each with its
own random draw, so other tasks are affected), and the profile ``none`` ``--clean`` times per scenario.
With ``--framework``: faults of the model, through these frameworks, live with the scripted model. Prints
a Markdown table per kind of fault, the accuracy, and one-sided 95 % Clopper-Pearson bounds.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

from tabulate import tabulate

from pytest_execgo.benchmark.intervals import clopper_pearson_lower
from pytest_execgo.chaos.model_fault import MODEL
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.chaos import ChaosProfile
from pytest_execgo.models.document import load
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.scenario.library import builtin_folder, list_profiles


def main() -> int:
    """Print the measurements; return 0 when both runs are trustworthy, else 1."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", type=int, default=4, help="of each scenario and profile")
    parser.add_argument("--clean", type=int, default=75, help="clean trials per scenario")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("-n", "--workers", default="2")
    parser.add_argument("--confirm", type=int, default=0, help="repetitions that confirm a cause")
    parser.add_argument("--service", action="append", default=[], metavar="NAME=KIND:TARGET")
    parser.add_argument("--framework", action="append", default=[], help="faults of models, live")
    options = parser.parse_args()
    profiles = faults_of_models() if options.framework else single_faults()
    with tempfile.TemporaryDirectory(prefix="attribution-") as folder:
        confirm = [f"--execgo-confirm={options.confirm}"] if options.confirm else []
        faulty = _run(Path(folder) / "faulty", options, profiles, options.repetitions, confirm)
        clean = _run(Path(folder) / "clean", options, ["none"], options.clean)
    print(_report(faulty, clean))
    return 0 if faulty.trustworthy and clean.trustworthy else 1


def single_faults() -> list[str]:
    """The built-in profiles with exactly one fault, not of a model, and a cause that must be found."""
    return [p.id for p in _with_one_fault() if p.faults[0].target != MODEL]


def faults_of_models() -> list[str]:
    """The built-in profiles with exactly one fault of a model, and a cause that must be found."""
    return [p.id for p in _with_one_fault() if p.faults[0].target == MODEL]


def _with_one_fault() -> list[ChaosProfile]:
    loaded = [load(ChaosProfile, path) for path in list_profiles(builtin_folder()).values()]
    return [p for p in loaded if len(p.faults) == 1 and p.causes]


def _run(
    root: Path,
    options: argparse.Namespace,
    profiles: list[str],
    repetitions: int,
    more: Sequence[str] = (),
) -> BenchmarkResult:
    root.mkdir()
    words = [f"--execgo-chaos={name}" for name in profiles]
    words += [f"--execgo-service={choice}" for choice in options.service]
    words += [f"--execgo-framework={name}" for name in options.framework]
    if options.framework:
        words += ["--execgo-mode=live", "--execgo-provider=scripted"]
    command = [
        sys.executable, "-m", "pytest", "--execgo-matrix", "-q", "-n", options.workers,
        f"--execgo-repetitions={repetitions}", f"--execgo-seed={options.seed}",
        "--execgo-scenarios", str(builtin_folder()), "--execgo-reports", str(root),
        "--rootdir", str(root), *words, *more,
    ]  # fmt: skip
    subprocess.run(command, cwd=root, stdout=sys.stderr, check=False)
    return load(BenchmarkResult, root / "latest" / "benchmark.json")


def _report(faulty: BenchmarkResult, clean: BenchmarkResult) -> str:
    score, quiet = faulty.attribution, clean.attribution
    services = ", ".join(
        f"{name} {info.launcher} {info.version}"
        for name, info in faulty.environment.services.items()
    )
    silent = quiet.clean - quiet.false_causes
    return "\n".join(
        [
            f"Fleet: {services}. Seed {faulty.environment.seed}, {faulty.environment.workers} workers.",
            "",
            f"- **{score.correct} of {score.trials}** injected causes named "
            f"(accuracy {score.accuracy:.4f}, lower 95 % bound {score.lower_95:.4f}), "
            f"abstained in {score.abstained}",
            f"- **{quiet.false_causes} of {quiet.clean}** clean trials with a cause named "
            f"(lower 95 % bound of their silence {clopper_pearson_lower(silent, quiet.clean):.4f}); "
            f"problems of the model mitigated in {quiet.mitigated}; "
            f"{len(clean.trials) - quiet.clean} clean trials did not pass",
            *_confirmations(faulty),
            "",
            _per_kind(faulty),
        ]
    )


def _confirmations(faulty: BenchmarkResult) -> list[str]:
    """A line about what repetitions without the fault, and with it, showed; none if there were none."""
    found = [(t.chaos, t.confirmation.status) for t in faulty.trials if t.confirmation is not None]
    counts = Counter(status for _, status in found)
    if not found:
        return []
    others = ", ".join(f"{chaos} {status}" for chaos, status in found if status != "confirmed")
    lower = clopper_pearson_lower(counts["confirmed"], len(found))
    return [
        f"- **{counts['confirmed']} of {len(found)}** causes confirmed by repetition "
        f"(lower 95 % bound {lower:.4f}); others: {others or 'none'}"
    ]


def _per_kind(result: BenchmarkResult) -> str:
    kinds: dict[str, list[TrialResult]] = defaultdict(list)
    for trial in result.trials:
        kinds[trial.chaos].append(trial)
    rows = []
    for kind, trials in sorted(kinds.items()):
        judged = [t for t in trials if t.verdict.cause_named is not None]
        named = Counter(
            f"{t.verdict.attribution[0].layer}/{t.verdict.attribution[0].code}" for t in judged
        )
        rows.append(
            [
                kind,
                # A bar ends a cell of the table.
                (judged[0].verdict.expected_cause or "").replace("|", " or ") if judged else "",
                len(judged),
                sum(t.verdict.cause_named is True for t in judged),
                ", ".join(f"{code} {count}" for code, count in named.most_common()),
                f"{sum(t.verdict.status == 'passed' for t in trials)}/{len(trials)}",
            ]
        )
    headers = ["profile", "injected", "trials", "named", "first named", "verdict as expected"]
    return tabulate(rows, headers, tablefmt="github")


if __name__ == "__main__":
    sys.exit(main())
