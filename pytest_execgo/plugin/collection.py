"""Scenarios and trials as pytest nodes, made with public names of pytest only."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from os import PathLike
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.errors import HarnessError, ScenarioFailure, UsageError
from pytest_execgo.models.safe_text import for_terminal
from pytest_execgo.models.trial import Trial
from pytest_execgo.plugin.places import places
from pytest_execgo.plugin.state import PluginState
from pytest_execgo.run.applicability import TrialSkipped
from pytest_execgo.run.session import RunSession
from pytest_execgo.scenario.manifest import MANIFEST, Scenario
from pytest_execgo.verdict.failure_text import failure_text


def trial_id_of(node_id: str) -> str:
    """The trial of a node: ``<s>-<f>-<m>-<c>-r<k>`` for
    ``scenarios/<s>/scenario.yaml::<f>-<m>-<c>-r<k>``."""
    path, _, name = node_id.partition("::")
    return f"{Path(path).parent.name}-{name}"


def find_argument(argument: str, called: Path, known: dict[str, Path]) -> str:
    """The argument for pytest: ``argument`` itself or, if it names a scenario that only the library
    has, the path of that scenario. ``called`` is the current folder, ``known`` maps scenarios to
    manifests."""
    path, sign, name = argument.partition("::")
    found = known.get(Path(path).parent.name)
    if Path(path).name != MANIFEST or found is None or (called / path).exists():
        return argument
    return f"{found}{sign}{name}"


class ScenarioFile(pytest.File):
    """A manifest, which collects its trials."""

    @classmethod
    def of(cls, parent: pytest.Collector, path: Path) -> ScenarioFile:
        """The collector of ``path``. A manifest outside the root folder, such as a built-in one, gets
        the id ``scenarios/<name>/scenario.yaml``, which :func:`find_argument` resolves."""
        root = parent.config.rootpath
        relative = Path("scenarios", path.parent.name, path.name)
        if path.is_relative_to(root) and path.parent != root:
            relative = path.relative_to(root)
        file: ScenarioFile = cls.from_parent(parent, path=path, nodeid=relative.as_posix())
        return file

    def collect(self) -> Iterable[pytest.Item]:
        """One item per trial; none for a scenario that pytest is asked to ignore. A wrong manifest is
        reported in one line, without a traceback."""
        if self._is_ignored():
            return
        state = PluginState.of(self.config)
        try:
            scenario = state.matrix.library.scenario(self.path)
            trials = state.matrix.trials(scenario)
            if state.shard:
                mine = {trial.trial_id for trial in state.matrix.all_trials(state.shard)}
                trials = [trial for trial in trials if trial.trial_id in mine]
        except UsageError as error:
            raise self.CollectError(for_terminal(error)) from None
        if state.recorded:
            trials = [
                replace(trial, rng_override=state.recorded[trial.trial_id][1].rng_key)
                for trial in trials
                if trial.trial_id in state.recorded
            ]
        for trial in trials:
            yield TrialItem.of(self, trial, scenario)

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
        cell = trial.cell
        for name in (cell.scenario, cell.framework, cell.mode, cell.chaos):
            item.add_marker(name.replace("-", "_"))
        return item

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
            raise ScenarioFailure(failure_text(result, shown))

    def _argument(self) -> str:
        """The argument that selects this item when pytest is called in the same folder."""
        found = places(self.config)
        if not (found.root / self.nodeid.partition("::")[0]).exists():
            return self.nodeid
        return f"{Path(os.path.relpath(self.path, found.called)).as_posix()}::{self.name}"

    def repr_failure(self, excinfo: Any, style: Any = None) -> Any:
        """The text of a failure: the explanation of a trial alone, without a traceback of the runner."""
        if isinstance(excinfo.value, (ScenarioFailure, HarnessError)):
            return for_terminal(excinfo.value, keep_lines=True)
        return super().repr_failure(excinfo)

    def reportinfo(self) -> tuple[PathLike[str] | str, int | None, str]:
        """Path, line and heading of the item in pytest's output."""
        return self.path, 0, f"{self.trial.cell.scenario} [{self.name}]"


def _execute(request: pytest.FixtureRequest, execgo_ready: RunSession) -> None:
    item = request.node
    assert isinstance(item, TrialItem)
    item.run(execgo_ready)
