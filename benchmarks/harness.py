"""What a fleet costs: time until it is ready, and from the death of a service until it answers again.

    python benchmarks/harness.py --rounds 10 --python-image python:3.13-slim > table.md

Starts the embedded fleet and the fleet in containers in turn, so that other work of the machine slows
both. Images are built before. Prints medians in seconds and the ratio of the two, as Markdown.
"""

from __future__ import annotations

import argparse
import sys
from collections import defaultdict
from statistics import median
from time import monotonic

from tabulate import tabulate

from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from pytest_execgo.harness.service import SERVICE_NAMES, LaunchSettings
from pytest_execgo.ports import Killable, Restartable

READY = "fleet ready"
PROXIED = "fleet ready, links under fault proxies"
KILLED = "kill of the runtime → ready"
RESTARTED = "restart of the runtime → ready"
DOWN = "fleet down"
HARNESSES = ("embedded", "container")


def main() -> int:
    """Print the table; 0 unless a fleet does not come up."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--python-image")
    options = parser.parse_args()
    launchers = Registry.build().launchers
    settings = LaunchSettings(options.python_image)
    FleetSpec("container", settings=settings).prepare(launchers, _progress)
    times: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for _ in range(options.rounds):
        for harness in HARNESSES:
            for what, seconds in _round(harness, settings).items():
                times[what][harness].append(seconds)
    rows = [
        [what, *middle, middle[1] / middle[0]]
        for what, found in times.items()
        for middle in [[median(found[harness]) for harness in HARNESSES]]
    ]
    headers = ["median of seconds", *HARNESSES, "ratio"]
    print(tabulate(rows, headers, tablefmt="github", floatfmt=("", ".2f", ".2f", ".1f")))
    return 0


def _round(harness: str, settings: LaunchSettings) -> dict[str, float]:
    launchers = Registry.build().launchers
    found = {}
    for what, links in ((PROXIED, frozenset(SERVICE_NAMES)), (READY, frozenset[str]())):
        fleet = Fleet(FleetSpec(harness, links=links, settings=settings), launchers)
        began = monotonic()
        with fleet:
            found[what] = monotonic() - began
            if not links:
                found[KILLED] = _cycle(fleet, kill=True)
                found[RESTARTED] = _cycle(fleet, kill=False)
            began = monotonic()
        found[DOWN] = monotonic() - began
    return found


def _cycle(fleet: Fleet, *, kill: bool) -> float:
    """Seconds from the death of the runtime until it is ready again."""
    service = fleet.services["runtime"]
    assert isinstance(service, Killable)
    assert isinstance(service, Restartable)
    began = monotonic()
    if kill:
        service.kill()
    else:
        service.end()
    service.revive()
    return monotonic() - began


def _progress(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
