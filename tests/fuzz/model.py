"""Live trials against a hostile model, on a real fleet."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

from pytest_execgo.extensions.registry import Registry
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.run.matrix import Matrix
from pytest_execgo.run.session import RunSession
from pytest_execgo.run.settings import Run
from pytest_execgo.scenario.library import Library
from tests.conftest import ScenarioMaker
from tests.fuzz.answers import LARGE_FOR_MODEL, HostileAnswers, Pieces, of_model
from tests.fuzz.trials import DEADLINE_SECONDS, FuzzResult, guarded
from tests.hostile import HostileServer
from tests.plugin.conftest import FRAMEWORK

KEY = "sk-fuzz-key-2026"
PLANNING_SECONDS = 1.0


class ModelFuzz:
    """Live trials of one session, whose model is hostile."""

    def __init__(self, session: RunSession, server: HostileServer) -> None:
        self._session, self._server = session, server

    def run_one(self, seed: int, folder: Path) -> FuzzResult:
        """Run trial number ``seed``."""
        rng, before = Random(seed), len(self._server.requests)
        honesty = rng.choice([0.0, 0.3, 0.6])

        def drip(content: bytes) -> Pieces:
            return self._server.drip(content, 0.02 if content else 5)

        answers = HostileAnswers(rng, drip, honesty, of_model, LARGE_FOR_MODEL)
        self._server.script = answers.answer
        verdict, problem = guarded(self._trial)
        return FuzzResult(seed, len(self._server.requests) - before, verdict, problem)

    def _trial(self) -> tuple[float, str]:
        result = self._session.run_cell("fuzz", framework="tiny", chaos="none", mode="live")
        folder = self._session.run.trial_folder(result.trial_id)
        for path in folder.rglob("*"):
            assert not path.is_file() or KEY.encode() not in path.read_bytes(), path
        json.loads((folder / "adapter_trace.json").read_text())
        cause = result.verdict.attribution[0] if result.verdict.attribution else None
        named = f" {cause.layer}/{cause.code}" if cause else ""
        seconds = (result.metrics.wall_time_ms or 0) / 1000
        return seconds - PLANNING_SECONDS - DEADLINE_SECONDS, f"{result.verdict.status}{named}"

    def megabytes(self) -> float:
        """No process besides this one is measured."""
        return 0.0


@contextmanager
def hostile_model(folder: Path) -> Iterator[ModelFuzz]:
    """A session with a framework that asks a hostile model."""
    framework: Any = types.ModuleType("framework")
    exec(FRAMEWORK, vars(framework))
    built = Registry.build()
    registry = replace(built, adapters={**built.adapters, "tiny": framework.Tiny()})
    make = ScenarioMaker(folder / "scenarios")
    make("fuzz", manifest=_any_result)
    with HostileServer(lambda method, path: ()) as server:
        request = BenchmarkRunRequest.model_validate(
            {
                "modes": ["live"], "max_repairs": 2, "budget": {"seconds": PLANNING_SECONDS},
                "model": {
                    "provider": "openai-compatible", "model": "m", "base_url": f"{server.url}/v1",
                    "model_timeout": 0.5,
                },
            }
        )  # fmt: skip
        matrix = Matrix(Library(make.folder), registry, request)
        session = RunSession(Run(request, folder, folder / "reports", "run", api_key=KEY), matrix)
        try:
            session.ensure_fleet()
            yield ModelFuzz(session, server)
        finally:
            session.close()


def _any_result(manifest: dict[str, Any]) -> None:
    manifest.pop("reference_plan", None)
    manifest["checks"] = [{"kind": "task", "task": "greet", "status": "success"}]
