"""pytest-execgo: evidence that agent plans land on ExecGo, run there, and fail explainably.

The public names are loaded on first use: pytest imports this package in every project that has
the plugin installed, and must not pay for pydantic or requests there.

PYTEST_DONT_REWRITE: there are no asserts to explain here, and `python -m pytest_execgo run` has imported
the package before pytest could rewrite it, of which pytest would warn on every run.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_PUBLIC = {
    "Adapter": "pytest_execgo.adapter.base",
    "Action": "pytest_execgo.chaos.action",
    "BenchmarkResult": "pytest_execgo.models.benchmark",
    "BenchmarkRunRequest": "pytest_execgo.models.request",
    "Binding": "pytest_execgo.models.plan",
    "ChaosProfile": "pytest_execgo.models.chaos",
    "ExecgoClient": "pytest_execgo.runner.client",
    "ExecgoError": "pytest_execgo.errors",
    "Fleet": "pytest_execgo.harness.fleet",
    "HarnessError": "pytest_execgo.errors",
    "Launcher": "pytest_execgo.harness.service",
    "PlanContext": "pytest_execgo.models.context",
    "PlanStage": "pytest_execgo.models.plan",
    "RunSession": "pytest_execgo.run.session",
    "Scenario": "pytest_execgo.scenario.manifest",
    "ScenarioFailure": "pytest_execgo.errors",
    "StandardPlan": "pytest_execgo.models.plan",
    "SubmitPolicy": "pytest_execgo.models.plan",
    "Task": "pytest_execgo.models.task",
    "TrialResult": "pytest_execgo.models.trial_result",
    "TrialView": "pytest_execgo.scenario.checks",
    "UsageError": "pytest_execgo.errors",
}

__all__ = ["__version__", *sorted(_PUBLIC)]  # noqa: PLE0604 - the names are loaded lazily


def __getattr__(name: str) -> Any:
    if name in _PUBLIC:
        return getattr(importlib.import_module(_PUBLIC[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


if TYPE_CHECKING:
    from pytest_execgo.adapter.base import Adapter as Adapter
    from pytest_execgo.chaos.action import Action as Action
    from pytest_execgo.errors import ExecgoError as ExecgoError
    from pytest_execgo.errors import HarnessError as HarnessError
    from pytest_execgo.errors import ScenarioFailure as ScenarioFailure
    from pytest_execgo.errors import UsageError as UsageError
    from pytest_execgo.harness.fleet import Fleet as Fleet
    from pytest_execgo.harness.service import Launcher as Launcher
    from pytest_execgo.models.benchmark import BenchmarkResult as BenchmarkResult
    from pytest_execgo.models.chaos import ChaosProfile as ChaosProfile
    from pytest_execgo.models.context import PlanContext as PlanContext
    from pytest_execgo.models.plan import Binding as Binding
    from pytest_execgo.models.plan import PlanStage as PlanStage
    from pytest_execgo.models.plan import StandardPlan as StandardPlan
    from pytest_execgo.models.plan import SubmitPolicy as SubmitPolicy
    from pytest_execgo.models.request import BenchmarkRunRequest as BenchmarkRunRequest
    from pytest_execgo.models.task import Task as Task
    from pytest_execgo.models.trial_result import TrialResult as TrialResult
    from pytest_execgo.run.session import RunSession as RunSession
    from pytest_execgo.runner.client import ExecgoClient as ExecgoClient
    from pytest_execgo.scenario.checks import TrialView as TrialView
    from pytest_execgo.scenario.manifest import Scenario as Scenario
