"""The command line of the comparison."""

from __future__ import annotations

import argparse
import itertools
import json
import sys
from pathlib import Path

from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from tests.differential.compare import Answer, ask
from tests.differential.declared import REASONS, why_different
from tests.differential.generate import Sent, requests

RECORDED = Path(__file__).with_name("recorded.json")


def main() -> int:
    """Compare; exit status 1 if there is an undeclared difference."""
    parser = argparse.ArgumentParser(prog="python -m tests.differential")
    parser.add_argument("--execgo", required=True, help="path of the real program")
    parser.add_argument("--runtime", required=True, help="path of the real program")
    parser.add_argument("--requests", type=int, default=3000, help="for each of the two services")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--record", type=int, metavar="N", help="keep N answers of each real service"
    )
    options = parser.parse_args()
    launchers = Registry.build().launchers
    binaries = (("execgo", f"binary:{options.execgo}"), ("runtime", f"binary:{options.runtime}"))
    recorded: dict[str, list[object]] = {}
    wrong, seen = 0, set[str]()
    # Requests come faster than tasks end, and some tasks of the real runtime never end.
    room = {"runtime": ("--max-running-tasks", "200", "--max-queued-tasks", "100000")}
    spec = FleetSpec(choices=binaries, arguments=room)
    with Fleet(FleetSpec(), launchers) as ours, Fleet(spec, launchers) as real:
        for service in ("execgo", "runtime"):
            kept: list[object] = []
            declared: set[str] = set()
            chosen = itertools.islice(requests(service, options.seed), options.requests)
            for number, sent in enumerate(chosen):
                name = f"d{number}"
                mine = ask(ours.url(service), ours.headers(service), sent, name)
                theirs = ask(real.url(service), real.headers(service), sent, name)
                if options.record and len(kept) < options.record:
                    kept.append([sent.__dict__, theirs.as_json()])
                if mine == theirs:
                    continue
                reason = why_different(service, sent, mine, theirs)
                if reason is None:
                    wrong += 1
                    _show(service, sent, mine, theirs)
                else:
                    declared.add(reason)
            seen |= declared
            print(
                f"{service}: {options.requests} requests; declared differences: {sorted(declared)}"
            )
            recorded[service] = kept
    if options.record:
        RECORDED.write_text(json.dumps(recorded, indent=1, ensure_ascii=True) + "\n")
    unseen = sorted(set(REASONS) - seen)
    print(f"{wrong} undeclared differences; declared ones that did not occur: {unseen or 'none'}")
    return 1 if wrong or unseen else 0


def _show(service: str, sent: Sent, mine: Answer, theirs: Answer) -> None:
    print(f"{service}: {sent.method} {sent.path} {sent.content_type}: {str(sent.body)[:300]}")
    ours, real = str(mine.as_json()), str(theirs.as_json())
    pairs = enumerate(zip(ours, real, strict=False))
    first = next((at for at, (one, other) in pairs if one != other), min(len(ours), len(real)))
    start = max(0, first - 60)
    print(f"   embedded …{ours[start : start + 200]}")
    print(f"   real     …{real[start : start + 200]}")


if __name__ == "__main__":
    sys.exit(main())
