"""Scenarios and trials as pytest nodes, through public names of pytest alone."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.errors import HarnessError, ScenarioFailure, UsageError
from pytest_execgo.models.trial import Trial
from pytest_execgo.plugin.state import PluginState
from pytest_execgo.run.applicability import TrialSkipped
from pytest_execgo.run.session import RunSession
from pytest_execgo.scenario.manifest import MANIFEST, Scenario
from pytest_execgo.verdict.failure_text import failure_text


def trial_id_of(node_id: str) -> str:
    """``scenarios/<s>/scenario.yaml::<f>-<m>-<c>-r<k>`` to ``<s>-<f>-<m>-<c>-r<k>``."""
    path, _, name = node_id.partition("::")
    return f"{Path(path).parent.name}-{name}"


def find_argument(argument: str, called: Path, known: dict[str, Path]) -> str:
    """``argument`` of the command line. If it names a scenario that is not in this folder but in the
    library, the path of that scenario."""
    path, sign, name = argument.partition("::")
    found = known.get(Path(path).parent.name)
    if Path(path).name != MANIFEST or found is None or (called / path).exists():
        return argument
    return f"{found}{sign}{name}"


class ScenarioFile(pytest.File):
    """A manifest: the collector of its trials."""

    @classmethod
    def of(cls, parent: pytest.Collector, path: Path) -> ScenarioFile:
        """The collector of ``path``. A manifest that is not below the root folder (a built-in one)
        gets the id ``scenarios/<name>/scenario.yaml``, which :func:`find_argument` understands."""
        root = parent.config.rootpath
        relative = Path("scenarios", path.parent.name, path.name)
        if path.is_relative_to(root) and path.parent != root:
            relative = path.relative_to(root)
        file: ScenarioFile = cls.from_parent(parent, path=path, nodeid=relative.as_posix())
        return file

    def collect(self) -> Iterable[pytest.Item]:
        """One item per trial; a manifest that is wrong is one line, not a traceback."""
        state = PluginState.of(self.config)
        try:
            scenario = state.matrix.library.scenario(self.path)
            trials = state.matrix.trials(scenario)
            if state.shard:
                mine = {trial.trial_id for trial in state.matrix.all_trials(state.shard)}
                trials = [trial for trial in trials if trial.trial_id in mine]
        except UsageError as error:
            raise self.CollectError(str(error)) from None
        if state.recorded:
            trials = [
                replace(trial, rng_override=state.recorded[trial.trial_id][1].rng_key)
                for trial in trials
                if trial.trial_id in state.recorded
            ]
        for trial in trials:
            yield TrialItem.of(self, trial, scenario)


class TrialItem(pytest.Function):
    """One trial. A function item, so that fixtures and marks work as everywhere in pytest."""

    trial: Trial
    scenario: Scenario

    @classmethod
    def of(cls, parent: ScenarioFile, trial: Trial, scenario: Scenario) -> TrialItem:
        """The item, marked with all of its dimensions."""
        item: TrialItem = cls.from_parent(parent, name=trial.item_name, callobj=_execute)
        item.trial, item.scenario = trial, scenario
        cell = trial.cell
        for name in (cell.scenario, cell.framework, cell.mode, cell.chaos):
            item.add_marker(name.replace("-", "_"))
        return item

    def run(self, session: RunSession) -> None:
        """Run it; raises :class:`ScenarioFailure` unless the verdict is ``passed``."""
        try:
            result = session.run_trial(self.trial, self.scenario, self._argument())
        except TrialSkipped as skipped:
            pytest.skip(str(skipped))
        cause = result.verdict.attribution[0]
        self.user_properties += [
            ("execgo_trial", result.trial_id),
            ("execgo_verdict", result.verdict.status),
            ("execgo_cause", f"{cause.layer}/{cause.code}"),
        ]
        if result.known_finding:
            known = result.known_finding
            self.user_properties.append(("execgo_known_finding", known.id))
            pytest.xfail(f"engine finding {known.id} ({known.reason}): {result.verdict.outcome}")
        if result.verdict.status != "passed":
            folder = session.run.trial_folder(result.trial_id)
            raise ScenarioFailure(failure_text(result, _shown(folder, session.run.root)))

    def _argument(self) -> str:
        """What names this item on a command line, from where pytest was called."""
        called = self.config.invocation_params.dir
        if not (self.config.rootpath / self.nodeid.partition("::")[0]).exists():
            return self.nodeid
        return f"{Path(os.path.relpath(self.path, called)).as_posix()}::{self.name}"

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """Our own failures are already prose; a traceback of the runner would bury it."""
        if isinstance(excinfo.value, (ScenarioFailure, HarnessError)):
            return str(excinfo.value)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[PathLike[str] | str, int | None, str]:
        """The headline of a failure."""
        return self.path, 0, f"{self.trial.cell.scenario} [{self.name}]"


def _execute(request: pytest.FixtureRequest, execgo_ready: RunSession) -> None:
    item = request.node
    assert isinstance(item, TrialItem)
    item.run(execgo_ready)


def _shown(folder: Path, root: Path) -> str:
    try:
        return folder.relative_to(root).as_posix()
    except ValueError:
        return str(folder)
