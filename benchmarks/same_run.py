"""Whether a run is the same run however it is divided and interrupted.

    python -m benchmarks.same_run --repetitions 3 --kills 60 --splits 1000

Runs the matrix under every fault once with two workers, once as three shards that are merged, and once
with ``kill -9`` at random moments, each followed by ``--execgo-resume``. Then it divides the trials of
the first run at random into parts, with some of them twice, in random order, merges them, and compares
the bytes. Prints a Markdown table; exits with 1 if anything differs.
"""

from __future__ import annotations

import argparse
import itertools
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random

from tabulate import tabulate

from pytest_execgo.benchmark.merge import RunPart, find_runs, merge
from pytest_execgo.benchmark.rebuild import rebuild
from pytest_execgo.benchmark.reports.json_report import JsonReport
from tests.comparable import comparable

PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
_MOST_DIFFERENCES = 20
LONGEST_LIFE_SECONDS = 25.0
"""Of a run that will be killed; a run that ends earlier is followed by another one."""


def main() -> int:
    """Print the table; return 0 if all runs are the same."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--repetitions", default="3")
    parser.add_argument("--chaos", default="all")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--splits", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=17, help="of kills and divisions")
    options = parser.parse_args()
    rng = Random(options.seed)
    matrix = [
        "--execgo-matrix", f"--execgo-chaos={options.chaos}",
        f"--execgo-repetitions={options.repetitions}",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        reports = Path(folder)
        _run(reports, *matrix, "-n", "2", "--execgo-run-id=whole")
        whole = comparable(reports / "whole")
        merged = _merged(reports, matrix)
        kills, killed = _killed(reports, matrix, rng, options.kills)
        splits, equal = _splits(reports / "whole", rng, options.splits)
    for other in (merged, *killed):
        for line in itertools.islice(_differences(whole, other), _MOST_DIFFERENCES):
            print(line, file=sys.stderr)
    rows = [
        [f"three shards, merged ({len(whole['trials'])} trials)", 1, int(merged == whole)],
        [f"killed {kills} times and resumed", len(killed), sum(one == whole for one in killed)],
        ["random division, merged: the same bytes", splits, equal],
    ]
    print(tabulate(rows, ["run", "made", "equal to the run of two workers"], tablefmt="github"))
    return 0 if all(made == same for _, made, same in rows) else 1


def _differences(one: object, other: object, place: str = "") -> Iterator[str]:
    """Where two documents differ, a line each."""
    if isinstance(one, dict) and isinstance(other, dict):
        for key in sorted({*one, *other}):
            yield from _differences(one.get(key), other.get(key), f"{place}.{key}")
    elif isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        for number, (left, right) in enumerate(itertools.zip_longest(one, other)):
            yield from _differences(left, right, f"{place}[{number}]")
    elif one != other:
        yield f"{place}: {one} and {other}"


def _run(reports: Path, *words: str) -> None:
    """A run to its end; red trials are part of it."""
    subprocess.run([*PYTEST, f"--execgo-reports={reports}", *words], check=False, stdout=sys.stderr)


def _merged(reports: Path, matrix: Sequence[str]) -> dict[str, object]:
    for number in (1, 2, 3):
        words = (f"--execgo-shard={number}/3", f"--execgo-run-id=part{number}")
        _run(reports, *matrix, "-n", "2", *words)
    parts = [str(reports / f"part{number}") for number in (2, 3, 1)]
    command = [
        sys.executable,
        "-m",
        "pytest_execgo",
        "merge",
        *parts,
        "-o",
        str(reports / "merged"),
    ]
    subprocess.run(command, check=True, stdout=sys.stderr)
    return comparable(reports / "merged")


def _killed(
    reports: Path, matrix: Sequence[str], rng: Random, wanted: int
) -> tuple[int, list[dict[str, object]]]:
    """Runs that are killed until ``wanted`` kills are done, each resumed until it ends by itself."""
    kills = 0
    runs: list[dict[str, object]] = []
    while kills < wanted:
        name = f"killed{len(runs)}"
        workers = [[], ["-n", "2"]][len(runs) % 2]
        while True:
            words = [*_first_or_next(reports / name, matrix), *workers]
            life = rng.uniform(1.0, LONGEST_LIFE_SECONDS) if kills < wanted else None
            if not _is_killed([*PYTEST, f"--execgo-reports={reports}", *words], life):
                break
            kills += 1
        runs.append(comparable(reports / name))
        print(f"{kills} kills, {len(runs)} runs", file=sys.stderr)
    return kills, runs


def _first_or_next(folder: Path, matrix: Sequence[str]) -> list[str]:
    """The options that begin a run, or go on with it. A run that was killed before its first trial was
    planned has nothing to go on with."""
    if (folder / "run.json").exists():
        return ["--execgo-matrix", f"--execgo-resume={folder.name}"]
    shutil.rmtree(folder, ignore_errors=True)
    return [*matrix, f"--execgo-run-id={folder.name}"]


def _is_killed(command: Sequence[str], seconds: float | None) -> bool:
    """Run a command, and kill it after this time; false if it ended by itself."""
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.kill(process.pid, signal.SIGKILL)
            return True
    return False


def _splits(whole: Path, rng: Random, count: int) -> tuple[int, int]:
    """How many random divisions were merged, and how many of them have the bytes of the whole."""
    equal = 0
    with tempfile.TemporaryDirectory(dir=whole.parent) as folder:
        expected = _bytes(Path(folder) / "expected" / "run", [whole])
        for number in range(count):
            base = Path(folder) / str(number)
            parts = _parts(whole, base, rng)
            given = [*parts, *rng.choices(parts, k=rng.randint(0, 2))]
            rng.shuffle(given)
            equal += _bytes(base / "out" / "run", given) == expected
            shutil.rmtree(base)
    return count, equal


def _parts(whole: Path, base: Path, rng: Random) -> list[Path]:
    """The folders of trials and controls, divided at random; links, because merge copies them."""
    parts = [base / str(number) for number in range(rng.randint(1, 6))]
    for part in parts:
        for kind in ("trials", "controls"):
            (part / kind).mkdir(parents=True)
        for name in ("request.json", "environment.json", "run.json"):
            shutil.copy(whole / name, part / name)
    for kind in ("trials", "controls"):
        for path in sorted((whole / kind).iterdir()):
            shutil.copytree(path, rng.choice(parts) / kind / path.name, copy_function=os.link)
    return parts


def _bytes(target: Path, parts: Sequence[Path]) -> str:
    merge([RunPart.read(part) for part in find_runs(parts)], target, partial=False)
    return JsonReport().render(rebuild(target).result)


if __name__ == "__main__":
    sys.exit(main())
