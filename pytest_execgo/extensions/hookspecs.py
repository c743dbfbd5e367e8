"""The five extension points. Implement them in a ``conftest.py`` or in a module that your package
names under the entry point group ``pytest_execgo``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pluggy import HookspecMarker

if TYPE_CHECKING:
    from pytest_execgo.adapter.base import Adapter
    from pytest_execgo.benchmark.reports.base import ReportFormat
    from pytest_execgo.chaos.action import Action
    from pytest_execgo.harness.service import Launcher
    from pytest_execgo.verdict.suspicion import Rule

hookspec = HookspecMarker("pytest")


@hookspec
def pytest_execgo_adapters() -> list[Adapter]:  # type: ignore[empty-body]
    """Return adapters: one per framework.

    .. code-block:: python

        from pytest_execgo.adapter.base import Adapter

        class Echo(Adapter):
            name = "echo"

            def plan(self, context, trace, recording):
                from pytest_execgo.models.document import load
                from pytest_execgo.models.plan import StandardPlan
                trace.add("read", file=str(recording))
                return load(StandardPlan, recording)

        def pytest_execgo_adapters():
            return [Echo()]
    """


@hookspec
def pytest_execgo_chaos_actions() -> list[type[Action]]:  # type: ignore[empty-body]
    """Return chaos actions: classes whose fields are the parameters of the fault.

    .. code-block:: python

        from pytest_execgo.chaos.action import Change, PlanAction, replace_task

        class Rename(PlanAction):
            name = "rename"
            to: str = "renamed"

            def change(self, plan, scope, rng):
                tasks = scope.tasks(plan)
                if not tasks:
                    return None
                stage, task = rng.choice(tasks)
                changed = task.model_copy(update={"tool_name": self.to})
                plan = replace_task(plan, stage.stage_id, changed)
                return Change(plan, f"{task.id} renamed", stage.stage_id, task.id)

        def pytest_execgo_chaos_actions():
            return [Rename]
    """


@hookspec
def pytest_execgo_launchers() -> list[Launcher]:  # type: ignore[empty-body]
    """Return launchers: ways of bringing up a service.

    .. code-block:: python

        from pytest_execgo.harness.processes.embedded import EmbeddedLauncher

        class Mine(EmbeddedLauncher):
            kind = "mine"

        def pytest_execgo_launchers():
            return [Mine()]
    """


@hookspec
def pytest_execgo_report_formats() -> list[ReportFormat]:  # type: ignore[empty-body]
    """Return report formats: one file of the run's folder each.

    .. code-block:: python

        from pytest_execgo.benchmark.reports.base import ReportFormat

        class Csv(ReportFormat):
            filename = "cells.csv"

            def render(self, result):
                return "".join(f"{c.cell_id},{c.passed},{c.trials}\\n" for c in result.cells)

        def pytest_execgo_report_formats():
            return [Csv()]
    """


@hookspec
def pytest_execgo_attribution_rules() -> list[Rule]:  # type: ignore[empty-body]
    """Return attribution rules: each turns the evidence of a trial into suspicions.

    .. code-block:: python

        from pytest_execgo.models.events import CheckEvaluated
        from pytest_execgo.verdict.suspicion import Rule, Suspicion

        def suspect(evidence):
            for check in evidence.of(CheckEvaluated):
                if not check.ok and "quota" in check.message:
                    yield Suspicion("task", "quota", "likely", (check.event_id,), check.message)

        def pytest_execgo_attribution_rules():
            return [Rule("quota", {"task": ("quota",)}, suspect)]
    """
