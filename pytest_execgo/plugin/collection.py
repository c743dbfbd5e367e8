"""Scenarios and trials as pytest nodes, made with public names of pytest only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from pytest_execgo.benchmark.attempts import begin_attempt
from pytest_execgo.benchmark.reports.failure_text import failure_line, failure_text
from pytest_execgo.errors import HarnessError, ScenarioFailure, UsageError
from pytest_execgo.models.document import shown
from pytest_execgo.models.safe_text import for_terminal
from pytest_execgo.models.trial import Trial
from pytest_execgo.plugin.naming import selecting_id
from pytest_execgo.plugin.places import places
from pytest_execgo.plugin.safe_errors import printable
from pytest_execgo.plugin.state import PluginState
from pytest_execgo.run.applicability import TrialSkipped
from pytest_execgo.run.session import RunSession
from pytest_execgo.run.settings import Run
from pytest_execgo.scenario.manifest import MANIFEST, Scenario


def find_argument(argument: str, called: Path, known: dict[str, Path]) -> str:
    """The argument for pytest: ``argument`` itself or, if it names a scenario that only the library
    has, the path of that scenario. ``called`` is the current folder, ``known`` maps scenarios to
    manifests."""
    path, sign, name = argument.partition("::")
    found = known.get(Path(path).parent.name)
    if Path(path).name != MANIFEST or found is None or (called / path).exists():
        return argument
    return f"{found}{sign}{name}"


class ScenarioFile(pytest.Module):
    """A manifest, which collects its trials.

    It is a module to pytest, as text files with doctests are: fixtures of module scope need one.
    """

    @classmethod
    def of(cls, parent: pytest.Collector, path: Path) -> ScenarioFile:
        """The collector of ``path``. The id of a manifest outside the root folder is resolved by
        :func:`find_argument`."""
        names = PluginState.of(parent.config).names
        file: ScenarioFile = cls.from_parent(parent, path=path, nodeid=names.file_id(path))
        # What fixtures get as `request.module`. There is no module to import.
        file.obj = ModuleType(names.of_file(path))
        file.obj.__file__ = str(path)
        return file

    def collect(self) -> Iterable[pytest.Item]:
        """One item per trial; none for a scenario that pytest is asked to ignore. A wrong manifest is
        reported in one line, without a traceback."""
        if self._is_ignored():
            return
        state = PluginState.of(self.config)
        try:
            scenario, trials = self._trials(state)
        except UsageError as error:
            raise self.CollectError(printable(error)) from None
        for trial in trials:
            yield TrialItem.of(self, trial, scenario)

    def _trials(self, state: PluginState) -> tuple[Scenario, list[Trial]]:
        name = state.names.of_file(self.path)
        other = state.collected.setdefault(name, self.path)
        if other != self.path:
            raise UsageError(
                f"two scenarios are named {name}: {shown(other)} and {shown(self.path)}; the ids of "
                "their trials would be equal; give pytest both files, or rename a folder"
            )
        scenario = state.matrix.library.scenario(self.path)
        trials = state.matrix.trials(scenario)
        if state.own_trials is not None:
            trials = [trial for trial in trials if trial.trial_id in state.own_trials]
        trials = [trial.renamed(name) for trial in trials]
        if state.recorded:
            trials = [
                replace(trial, rng_override=state.recorded[trial.trial_id][1].rng_key)
                for trial in trials
                if trial.trial_id in state.recorded
            ]
        return scenario, trials

    def _is_ignored(self) -> bool:
        """Whether ``--ignore``, ``--ignore-glob``, ``collect_ignore`` or ``norecursedirs`` excludes the
        manifest or its folder. pytest does not ask that about an argument, and without arguments of the
        user, every manifest is one."""
        ask = self.ihook.pytest_ignore_collect
        return any(
            ask(collection_path=p, config=self.config) for p in (self.path.parent, self.path)
        )


class TrialItem(pytest.Function):
    """One trial. It is a function item, so fixtures and marks work as in every pytest test."""

    trial: Trial
    scenario: Scenario

    @classmethod
    def of(cls, parent: ScenarioFile, trial: Trial, scenario: Scenario) -> TrialItem:
        """The item of a trial, marked with scenario, framework, mode and chaos profile."""
        item: TrialItem = cls.from_parent(parent, name=trial.item_name, callobj=_execute)
        item.trial, item.scenario = trial, scenario
        cell, markers = trial.cell, PluginState.of(parent.config).markers
        for name, kind in (
            (scenario.id, "scenario"),
            (cell.framework, "framework"),
            (cell.mode, "mode"),
            (cell.chaos, "chaos profile"),
        ):
            markers.mark(item, name, kind)
        return item

    def begin(self, run: Run) -> None:
        """Begin an attempt: the record and the properties of an earlier one are not those of this
        one. Raises :class:`HarnessError`."""
        begin_attempt(run.trial_folder(self.trial.trial_id))
        self.user_properties[:] = [
            one for one in self.user_properties if not one[0].startswith("execgo_")
        ]

    def run(self, session: RunSession) -> None:
        """Run the trial; raises :class:`ScenarioFailure` unless its verdict is ``passed``."""
        try:
            result = session.run_trial(self.trial, self.scenario, self._argument())
        except TrialSkipped as skipped:
            pytest.skip(for_terminal(skipped))
        cause = result.verdict.attribution[0]
        self.user_properties += [
            ("execgo_trial", result.trial_id),
            ("execgo_verdict", result.verdict.status),
            ("execgo_cause", for_terminal(f"{cause.layer}/{cause.code}")),
        ]
        if result.known_finding:
            known = result.known_finding
            self.user_properties.append(("execgo_known_finding", known.id))
            reason = f"engine finding {known.id} ({known.reason}): {result.verdict.outcome}"
            pytest.xfail(for_terminal(reason))
        if result.verdict.status != "passed":
            folder = session.run.trial_folder(result.trial_id)
            shown = places(self.config).shown(folder)
            raise ScenarioFailure(failure_text(result, shown), failure_line(result))

    def _argument(self) -> str:
        """The argument that selects this item when pytest is called in the same folder."""
        found, node_id = places(self.config), selecting_id(self.name, self.nodeid)
        known = PluginState.of(self.config).matrix.library.scenario_paths
        file = found.root / node_id.partition("::")[0]
        if not file.exists() and self.path in known.values():
            return node_id
        return f"{Path(os.path.relpath(self.path, found.called)).as_posix()}::{self.name}"

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """The text of a failure: the explanation of a trial alone, without a traceback of the runner.

        The summary of pytest and the message in JUnit XML have one line of it.
        """
        error = excinfo.value
        if not isinstance(error, (ScenarioFailure, HarnessError)):
            return super().repr_failure(excinfo)
        text = printable(error, keep_lines=True)
        shown = excinfo.getrepr(style="value", chain=False)
        shown.reprtraceback.reprentries[0].lines[:] = text.split("\n")
        # On a CI system, pytest prints the message as it is, with all of its lines.
        short = error.summary if isinstance(error, ScenarioFailure) else text.partition("\n")[0]
        shown.reprcrash.message = printable(short)
        return shown

    def reportinfo(self) -> tuple[PathLike[str] | str, int | None, str]:
        """Path, line and heading of the item in pytest's output."""
        return self.path, 0, f"{self.trial.cell.scenario} [{self.name}]"


def _execute(request: pytest.FixtureRequest, execgo_ready: RunSession) -> None:
    item = request.node
    assert isinstance(item, TrialItem)
    item.run(execgo_ready)
