"""The scenarios, frameworks and profiles of one run, and the matrix they span."""

from __future__ import annotations

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import get_args

from pytest_execgo.adapter.base import asks_model
from pytest_execgo.chaos.profile import LoadedProfile
from pytest_execgo.errors import UsageError, unknown_name
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.models.benchmark import BenchmarkRunRequest, NotApplicable
from pytest_execgo.models.document import shown
from pytest_execgo.models.plan import Mode
from pytest_execgo.models.trial import Cell, Shard, Trial, trials_of
from pytest_execgo.scenario.findings import check_accepted, load_findings
from pytest_execgo.scenario.library import MANIFEST, list_profiles, list_scenarios
from pytest_execgo.scenario.manifest import Scenario, load_scenario

ALL = "all"
NO_MODEL = (
    "live mode asks a model: give --execgo-provider openai-compatible --execgo-base-url URL "
    "--execgo-model NAME, or --execgo-provider scripted"
)


@dataclass
class Catalogue:
    """Loads scenarios and profiles once, and says which cells a request makes of them.

    Names in the request are checked when the catalogue is made: a misspelt one raises
    :class:`UsageError` with the allowed names, before anything runs.
    """

    folder: Path
    registry: Registry
    request: BenchmarkRunRequest
    _scenarios: dict[Path, Scenario] = field(default_factory=dict)
    _profiles: dict[str, LoadedProfile] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.scenario_paths = list_scenarios(self.folder)
        self.profile_paths = list_profiles(self.folder)
        for name in self.request.scenarios:
            if name not in self.scenario_paths:
                raise UsageError(unknown_name("scenario", name, self.scenario_paths))
        self.profile_names()
        for name in self.request.frameworks:
            self.registry.adapter(name)
        self.pairs = self._framework_modes()
        self.findings = load_findings(self.folder)
        check_accepted(self.request.known_findings, self.findings, "known_findings")

    def profile_names(self) -> list[str]:
        """The chaos profiles of the request, ``all`` and patterns resolved, without repetition."""
        return list(dict.fromkeys(name for word in self.request.chaos for name in self.meant(word)))

    def meant(self, word: str) -> list[str]:
        """The profiles that a word means: a name, a pattern, or ``all``; raises :class:`UsageError`."""
        if word == ALL:
            return list(self.profile_paths)
        if word in self.profile_paths:
            return [word]
        found = [name for name in self.profile_paths if fnmatchcase(name, word)]
        if not found:
            raise UsageError(unknown_name("chaos profile", word, [ALL, *self.profile_paths]))
        return found

    def selected(self) -> dict[str, Path]:
        """The scenarios of the request; all of them if it names none."""
        chosen = self.request.scenarios or tuple(self.scenario_paths)
        return {name: self.scenario_paths[name] for name in dict.fromkeys(chosen)}

    def scenario(self, path: Path) -> Scenario:
        """The scenario of a manifest; raises :class:`UsageError`."""
        # Not resolved: a link is a scenario of its own name, and its id has to be that name.
        path = path.absolute()
        if path not in self._scenarios:
            scenario = load_scenario(path)
            for index, name in enumerate(scenario.manifest.allowed_chaos):
                if name not in ("*", *self.profile_paths):
                    raise UsageError(
                        f"{shown(path)}: allowed_chaos[{index}]: "
                        + unknown_name("chaos profile", name, ["*", *self.profile_paths])
                    )
            self._scenarios[path] = scenario
        return self._scenarios[path]

    def named(self, name: str) -> Scenario:
        """The scenario of a name, or of a path to a folder or manifest."""
        if name in self.scenario_paths:
            return self.scenario(self.scenario_paths[name])
        path = Path(name)
        manifest = path if path.name == MANIFEST else path / MANIFEST
        if manifest.is_file():
            return self.scenario(manifest)
        raise UsageError(unknown_name("scenario", name, self.scenario_paths))

    def profile(self, name: str) -> LoadedProfile:
        """The profile of a name; raises :class:`UsageError`."""
        if name not in self._profiles:
            if name not in self.profile_paths:
                raise UsageError(unknown_name("chaos profile", name, self.profile_paths))
            path = self.profile_paths[name]
            loaded = self.registry.load_profile(path)
            where = f"{shown(path)}: known_findings"
            check_accepted(loaded.profile.known_findings, self.findings, where)
            self._profiles[name] = loaded
        return self._profiles[name]

    def links(self) -> frozenset[str]:
        """The services that a profile of the request needs a fault proxy for."""
        return frozenset().union(*(self.profile(name).links for name in self.profile_names()))

    def accepted(self, profile: LoadedProfile) -> dict[str, str]:
        """The findings that are known in trials of a profile: id and reason."""
        both = (*self.request.known_findings, *profile.profile.known_findings)
        return {one.id: one.reason for one in both}

    def accepted_in_run(self) -> dict[str, str]:
        """The same for all profiles of the request."""
        found: dict[str, str] = {}
        for name in self.profile_names():
            found |= self.accepted(self.profile(name))
        return found

    def why_not(
        self, scenario: Scenario, profile: LoadedProfile, framework: str, mode: Mode
    ) -> str | None:
        """Why these make no trial, decided from the plan; ``None`` if they do."""
        if not scenario.allows(profile.profile.id):
            return f"allowed_chaos of the scenario leaves {profile.profile.id} out"
        if profile.targets_model and mode != "live":
            return "a model is asked in live mode only"
        if profile.targets_model and not asks_model(self.registry.adapter(framework)):
            return f"{framework} asks no model"
        if scenario.plan is None:
            return None
        for loaded in profile.faults:
            reason = loaded.action.not_applicable(scenario.plan, loaded.fault.target)
            if reason:
                return reason
        return None

    def cells(self, scenario: Scenario) -> tuple[list[Cell], list[NotApplicable]]:
        """The cells of one scenario, and what makes none: a chaos profile, perhaps only with some
        frameworks or in one mode."""
        cells: list[Cell] = []
        left_out: list[NotApplicable] = []
        for chaos in self.profile_names():
            profile = self.profile(chaos)
            reasons = {pair: self.why_not(scenario, profile, *pair) for pair in self.pairs}
            cells += [Cell(scenario.id, *pair, chaos) for pair, why in reasons.items() if not why]
            whole = len(set(reasons.values())) == 1
            for (framework, mode), reason in list(reasons.items())[: 1 if whole else None]:
                if reason is not None:
                    out = NotApplicable(scenario=scenario.id, chaos=chaos, reason=reason)
                    where = {} if whole else {"framework": framework, "mode": mode}
                    left_out.append(out.model_copy(update=where))
        return cells, left_out

    def trials(self, scenario: Scenario) -> list[Trial]:
        """All trials of one scenario."""
        return trials_of(self.cells(scenario)[0], self.request.repetitions)

    def all_trials(self, shard: Shard | None = None) -> list[Trial]:
        """The trials of all selected scenarios, or one shard of them."""
        trials = [t for path in self.selected().values() for t in self.trials(self.scenario(path))]
        return shard.of(trials) if shard else trials

    def not_applicable(self) -> list[NotApplicable]:
        """The pairs of selected scenarios and profiles that make no trial."""
        return [
            pair for path in self.selected().values() for pair in self.cells(self.scenario(path))[1]
        ]

    def check_mode(self, framework: str, mode: Mode) -> None:
        """Raises :class:`UsageError` where a framework has no such mode, or there is no model to ask."""
        if mode not in get_args(Mode):
            raise UsageError(unknown_name("mode", mode, get_args(Mode)))
        if mode not in self.registry.adapter(framework).modes:
            raise UsageError(self._no_mode(framework, mode))
        if mode == "live" and self.request.model is None:
            raise UsageError(NO_MODEL)

    def _no_mode(self, frameworks: str, mode: Mode) -> str:
        having = sorted(n for n, one in self.registry.adapters.items() if mode in one.modes)
        return (
            f"framework {frameworks} has no mode {mode} "
            f"(frameworks that have it: {', '.join(having) or 'none'})"
        )

    def _framework_modes(self) -> list[tuple[str, Mode]]:
        """The frameworks of the request with their modes; by default the installed ones."""
        named = tuple(dict.fromkeys(self.request.frameworks))
        adapters = self.registry.adapters
        chosen = named or tuple(n for n, adapter in adapters.items() if not adapter.missing())
        pairs: list[tuple[str, Mode]] = []
        for mode in dict.fromkeys(self.request.modes):
            able = [name for name in chosen if mode in adapters[name].modes]
            unable = [name for name in named if name not in able]
            if not named and not able:
                wanted = [one for one in adapters.values() if mode in one.modes]
                ways = " or ".join(filter(None, (adapter.missing() for adapter in wanted)))
                raise UsageError(
                    f"no framework that has mode {mode} is installed; install one: {ways}"
                )
            if unable or not able:
                raise UsageError(self._no_mode(", ".join(unable or chosen), mode))
            pairs += [(name, mode) for name in able]
        return pairs
