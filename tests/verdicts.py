"""``python -m tests.verdicts A B``: do two runs come to the same verdicts, trial by trial?

``A`` and ``B`` are folders of runs. How services are launched may change times and the words of errors,
but none of this.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def verdicts(report: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """What must not depend on the fleet, by trial: verdict, cause, faults and checks."""
    return {
        trial["trial_id"]: {
            "status": trial["verdict"]["status"],
            "cause named": trial["verdict"]["cause_named"],
            "layer": trial["verdict"]["attribution"][0]["layer"],
            "faults": [fault["status"] for fault in trial["faults"]],
            "checks": [check["ok"] for check in trial["verdict"]["checks"]],
        }
        for trial in report["trials"]
    }


def main(first: str, second: str) -> int:
    """Print every difference; exit 1 if there is one."""
    one, other = (
        verdicts(json.loads((Path(folder) / "benchmark.json").read_text()))
        for folder in (first, second)
    )
    found = [
        f"{trial}: {key}: {(one.get(trial) or {}).get(key)} and {(other.get(trial) or {}).get(key)}"
        for trial in sorted(one | other)
        for key in (one.get(trial) or other[trial])
        if (one.get(trial) or {}).get(key) != (other.get(trial) or {}).get(key)
    ]
    print(*found, sep="\n")
    print(f"{len(one | other)} trials, {len(found)} differences")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
