"""The driver and the embedded ExecGo against a hostile runtime."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from random import Random
from typing import Any

from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from pytest_execgo.harness.processes.service import ProcessService
from pytest_execgo.harness.readiness import probe_json
from pytest_execgo.models.plan import StandardPlan
from tests.fuzz.answers import HostileAnswers, of_runtime
from tests.fuzz.trials import DEADLINE_SECONDS, FuzzResult, fuzz_scenario, guarded, run_plan
from tests.hostile import HostileServer

_TASK = {"type": "runtime", "input": {"execution": {"kind": "script", "script": "true"}}}
PLAN: dict[str, Any] = {
    "plan_id": "p",
    "scenario_id": "fuzz",
    "stages": [
        {
            "stage_id": "one",
            "task_graph": {
                "tasks": [
                    {"id": "a", **_TASK, "timeout": 2000},
                    {"id": "b", **_TASK, "timeout": 300, "retry": 1},
                    {"id": "c", **_TASK, "depends_on": ["a"], "timeout": 0},
                ]
            },
            "submit_policy": {"deadline_ms": DEADLINE_SECONDS * 1000, "max_resubmits": 1},
        },
    ],
}


class RuntimeFuzz:
    """Trials on one embedded ExecGo, whose runtime is hostile."""

    def __init__(self, fleet: Fleet, server: HostileServer, folder: Path) -> None:
        self._fleet, self._server = fleet, server
        self._scenario = fuzz_scenario(folder)
        self._log_read = 0

    def run_one(self, seed: int, folder: Path) -> FuzzResult:
        """Run trial number ``seed``."""
        rng, before = Random(seed), len(self._server.requests)
        honesty = rng.choice([0.0, 0.5, 0.8, 0.95])
        answers = HostileAnswers(
            rng, lambda c: self._server.drip(c, 0.02 if c else 5), honesty, of_runtime
        )
        self._server.script = answers.answer
        plan = StandardPlan.model_validate(PLAN)
        execgo = self._fleet.services["execgo"]
        verdict, problem = guarded(
            lambda: run_plan(
                execgo.url, self._fleet.headers("execgo"), plan, self._scenario, folder
            )
        )
        if probe_json(f"{execgo.url}/health", 5.0) is None:
            problem = problem or "ExecGo does not answer any more"
        problem = problem or self._in_log()
        return FuzzResult(seed, len(self._server.requests) - before, verdict, problem)

    def _in_log(self) -> str:
        """What ExecGo logged about an exception since the last call."""
        log = self._fleet.log_paths()["execgo"].read_text(errors="replace")
        new, self._log_read = log[self._log_read :], len(log)
        found = re.search(r"Traceback|request_failed|\w*executor_raised\w*|Exception in", new)
        return new[max(0, found.start() - 200) : found.start() + 1500] if found else ""

    def megabytes(self) -> float:
        """The largest resident memory that ExecGo had."""
        service = self._fleet.services["execgo"]
        assert isinstance(service, ProcessService)
        with suppress(OSError):
            status = Path(f"/proc/{service.pid}/status").read_text()
            found = re.search(r"VmHWM:\s+(\d+) kB", status)
            return int(found[1]) / 1024 if found else 0.0
        return 0.0


@contextmanager
def hostile_runtime(folder: Path) -> Iterator[RuntimeFuzz]:
    """An embedded ExecGo with a hostile runtime."""
    with HostileServer(_ready) as server:
        spec = FleetSpec(choices=(("runtime", f"external:{server.url}"),))
        with Fleet(spec, Registry.build().launchers) as fleet:
            yield RuntimeFuzz(fleet, server, folder)


def _ready(method: str, path: str) -> list[bytes]:
    """What a runtime answers while a fleet waits for it."""
    body = b'{"status": "ready", "version": "1.1.0"}'
    return [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)]
