"""How often a real execgo-runtime never reports the end of a task.

    python benchmarks/runtime_ends.py PATH/execgo-runtime
    python benchmarks/runtime_ends.py PATH/execgo-runtime --burst 24 --arguments='--max-running-tasks 1'

Each round starts a new runtime. Without ``--burst``, it gets two tasks that read one FIFO, which this
program then closes, so both tasks end at the same moment. With ``--burst N``, it gets N tasks at once
that do nothing. Prints one line per round, and the sum.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import subprocess
import sys
import tempfile
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from time import monotonic, sleep
from typing import Any

from pytest_execgo.harness.processes.service import free_port
from pytest_execgo.transport.bounded import ExchangeError, fetch

FINAL = {"success", "failed", "cancelled"}


def main() -> int:
    """Print the status of all tasks at the end of each round."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runtime", type=Path, help="the executable")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--burst", type=int, default=0, metavar="N", help="tasks at once")
    parser.add_argument("--seconds", type=float, default=8.0, help="how long tasks may take")
    parser.add_argument("--arguments", default="", help="of the runtime, as one text")
    options = parser.parse_args()
    total: Counter[str] = Counter()
    incomplete = 0
    for number in range(1, options.rounds + 1):
        found = _round(options)
        incomplete += bool(set(found) - FINAL)
        total += found
        print(f"round {number}: {_words(found)}", flush=True)
    print(f"{incomplete} of {options.rounds} rounds with a task that did not end; {_words(total)}")
    return 0


def _words(found: Counter[str]) -> str:
    return ", ".join(f"{count} {status}" for status, count in sorted(found.items()))


def _round(options: argparse.Namespace) -> Counter[str]:
    with tempfile.TemporaryDirectory(prefix="runtime-ends-") as root:
        address = f"127.0.0.1:{free_port()}"
        own = ["serve", "--listen-addr", address, "--data-dir", f"{root}/data"]
        command = [str(options.runtime.resolve()), *own, *shlex.split(options.arguments)]
        quiet: Any = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        process = subprocess.Popen(command, cwd=root, **quiet)
        url = f"http://{address}"
        try:
            _await_ready(url, process)
            tasks = _burst(url, options.burst) if options.burst else _fifo(url, Path(root))
            return _statuses(url, tasks, options.seconds)
        finally:
            process.kill()
            process.wait()


def _await_ready(url: str, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        try:
            if fetch("GET", f"{url}/readyz", timeout=1).status == 200:
                return
        except ExchangeError:
            pass
        sleep(0.02)
    sys.exit(f"the runtime ended with {process.returncode}")


def _submit(url: str, name: str, program: str, *arguments: str) -> str:
    execution = {"kind": "command", "program": program, "args": list(arguments)}
    limits = {"wall_time_ms": 3000}
    body = {"task_id": name, "execution": execution, "limits": limits}
    fetch("POST", f"{url}/api/v1/tasks", json=body, timeout=5)
    return name


def _fifo(url: str, root: Path) -> list[str]:
    """Two tasks that wait for the same event, which happens once both run."""
    fifo = root / "fifo"
    os.mkfifo(fifo)
    tasks = [_submit(url, name, "/bin/cat", str(fifo)) for name in ("a", "b")]
    # Opening does not return before there is a reader.
    with fifo.open("wb"):
        while any(_task(url, name).get("pid") is None for name in tasks):
            sleep(0.02)
        sleep(0.3)
    return tasks


def _burst(url: str, count: int) -> list[str]:
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(lambda n: _submit(url, f"t{n}", "/bin/true"), range(count)))


def _statuses(url: str, tasks: list[str], seconds: float) -> Counter[str]:
    deadline = monotonic() + seconds
    while True:
        found = Counter(str(_task(url, name).get("status")) for name in tasks)
        if not set(found) - FINAL or monotonic() > deadline:
            return found
        sleep(0.2)


def _task(url: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(fetch("GET", f"{url}/api/v1/tasks/{name}", timeout=5).body)
    return found


if __name__ == "__main__":
    sys.exit(main())
