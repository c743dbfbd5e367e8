"""The trials that a request makes of a library: scenario × framework × mode × chaos profile."""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import get_args

from pytest_execgo.chaos.conditions import unmet_in
from pytest_execgo.chaos.loaded_profile import LoadedProfile
from pytest_execgo.errors import UsageError, unknown_name
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.models.document import read_source, shown
from pytest_execgo.models.messages import Source
from pytest_execgo.models.plan import Mode
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.run_record import NotApplicable
from pytest_execgo.models.trial import Cell, Trial, trials_of
from pytest_execgo.run.applicability import CellSubject, why_no_cell
from pytest_execgo.scenario.findings import check_accepted
from pytest_execgo.scenario.library import Library
from pytest_execgo.scenario.manifest import Scenario
from pytest_execgo.verdict.codes import check_causes

NO_MODEL = (
    "live mode asks a model: give --execgo-provider openai-compatible --execgo-base-url URL "
    "--execgo-model NAME, or --execgo-provider scripted"
)


class Matrix:
    """Expands a request into cells and trials.

    Names in the request are checked when the matrix is made: a misspelt one raises
    :class:`UsageError` with the allowed names, before anything runs.
    """

    def __init__(self, library: Library, registry: Registry, request: BenchmarkRunRequest) -> None:
        self.library, self.registry, self.request = library, registry, request
        self._profiles: dict[str, LoadedProfile] = {}
        for name in request.scenarios:
            if name not in library.scenario_paths:
                raise UsageError(unknown_name("scenario", name, library.scenario_paths))
        for name in request.frameworks:
            registry.adapter(name)
        matching = (name for word in request.chaos for name in library.profiles_matching(word))
        self.profile_names: tuple[str, ...] = tuple(dict.fromkeys(matching))
        """The chaos profiles of the request, patterns resolved, each once."""
        self.framework_modes = self._framework_modes()
        for finding in library.findings.values():
            check_causes(
                finding.causes,
                Source(f"finding {finding.id}").part("causes"),
                registry.rules.values(),
            )
        check_accepted(request.known_findings, library.findings, "known_findings")

    def used_request(self, seed: int) -> BenchmarkRunRequest:
        """The request with the scenarios, frameworks and profiles that it stands for here and now."""
        return self.request.model_copy(
            update={
                "scenarios": tuple(path.parent.name for path in self.scenario_paths()),
                "frameworks": tuple(dict.fromkeys(name for name, _ in self.framework_modes)),
                "chaos": self.profile_names,
                "seed": seed,
            }
        )

    def scenario_paths(self) -> list[Path]:
        """The manifests of the request's scenarios, unread; all of the library if it names none."""
        chosen = self.request.scenarios or tuple(self.library.scenario_paths)
        return [self.library.scenario_paths[name] for name in dict.fromkeys(chosen)]

    def scenarios(self) -> list[Scenario]:
        """The scenarios of the request; raises :class:`UsageError` for one that cannot be read."""
        return [self.library.scenario(path) for path in self.scenario_paths()]

    def variables(self) -> frozenset[str]:
        """The environment variables that the scenarios of the request name."""
        found: set[str] = set()
        for path in self.scenario_paths():
            # A test of the user may run one scenario while another one is broken.
            with suppress(UsageError):
                found.update(self.library.scenario(path).manifest.environment)
        return frozenset(found)

    def profile(self, name: str) -> LoadedProfile:
        """A chaos profile with its actions; raises :class:`UsageError`."""
        if name not in self._profiles:
            path = self.library.profile_path(name)
            loaded = self.registry.load_profile(path)
            where = f"{shown(path)}: known_findings"
            check_accepted(loaded.profile.known_findings, self.library.findings, where)
            self._profiles[name] = loaded
        return self._profiles[name]

    def profiles(self) -> list[LoadedProfile]:
        """The chaos profiles of the request."""
        return [self.profile(name) for name in self.profile_names]

    def check_stages(self) -> None:
        """Raise :class:`UsageError` for a fault in a stage or task that no scenario has, in a profile of
        the folder of scenarios. Scenarios that cannot be read, plans of a model, and scenarios without a
        reference plan may have it; built-in profiles are for other scenarios as well."""
        if any(self.registry.adapters[name].asks_model for name, _ in self.framework_modes):
            return
        plans = []
        for path in self.library.scenario_paths.values():
            with suppress(UsageError):
                plans.append(self.library.scenario(path).plan)
        stages = [stage for plan in plans if plan is not None for stage in plan.stages]
        if None in plans or len(plans) < len(self.library.scenario_paths):
            return
        for profile in (loaded.profile for loaded in self.profiles()):
            path = self.library.profile_path(profile.id)
            faults = profile.faults if path.is_relative_to(self.library.folder) else ()
            for index, fault in enumerate(faults):
                reason = unmet_in(fault.when, stages)
                if reason:
                    message = f"the scenarios have {reason}"
                    raise read_source(path).mistake(message, ["faults", index, "when"])

    def links(self) -> frozenset[str]:
        """The services that a profile of the request needs a fault proxy for."""
        return frozenset().union(*(profile.links for profile in self.profiles()))

    def accepted_findings(self, *profiles: LoadedProfile) -> dict[str, str]:
        """The findings that the request and these profiles accept as known: id and reason."""
        own = (one for profile in profiles for one in profile.profile.known_findings)
        return {one.id: one.reason for one in (*self.request.known_findings, *own)}

    def subject(
        self, scenario: Scenario, profile: LoadedProfile, framework: str, mode: Mode
    ) -> CellSubject:
        """What the applicability checks look at."""
        return CellSubject(scenario, profile, self.registry.adapter(framework), mode)

    def cells(self, scenario: Scenario) -> tuple[list[Cell], list[NotApplicable]]:
        """The cells of one scenario, and the pairs of scenario and profile that make none. If only some
        frameworks or modes make none, each of them is listed."""
        cells: list[Cell] = []
        left_out: list[NotApplicable] = []
        for profile in self.profiles():
            chaos = profile.profile.id
            reasons = {
                pair: why_no_cell(self.subject(scenario, profile, *pair))
                for pair in self.framework_modes
            }
            cells += [Cell(scenario.id, *pair, chaos) for pair, why in reasons.items() if not why]
            all_alike = len(set(reasons.values())) == 1
            for (framework, mode), reason in list(reasons.items())[: 1 if all_alike else None]:
                if reason is not None:
                    out = NotApplicable(scenario=scenario.id, chaos=chaos, reason=reason)
                    where = {} if all_alike else {"framework": framework, "mode": mode}
                    left_out.append(out.model_copy(update=where))
        return cells, left_out

    def trials(self, scenario: Scenario) -> list[Trial]:
        """All trials of one scenario."""
        return trials_of(self.cells(scenario)[0], self.request.repetitions)

    def all_trials(self) -> list[Trial]:
        """The trials of all scenarios of the request."""
        return [trial for scenario in self.scenarios() for trial in self.trials(scenario)]

    def not_applicable(self) -> list[NotApplicable]:
        """The pairs of scenarios and profiles of the request that make no trial."""
        return [pair for scenario in self.scenarios() for pair in self.cells(scenario)[1]]

    def check_mode(self, framework: str, mode: Mode) -> None:
        """Raise :class:`UsageError` if a framework lacks the mode, or live mode lacks a model."""
        if mode not in get_args(Mode):
            raise UsageError(unknown_name("mode", mode, get_args(Mode)))
        if mode not in self.registry.adapter(framework).modes:
            raise UsageError(self._lacks_mode(framework, mode))
        if mode == "live" and self.request.model is None:
            raise UsageError(NO_MODEL)

    def _lacks_mode(self, frameworks: str, mode: Mode) -> str:
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
                raise UsageError(self._lacks_mode(", ".join(unable or chosen), mode))
            pairs += [(name, mode) for name in able]
        if sys.flags.optimize > 1 and any(adapters[name].asks_model for name, _ in pairs):
            raise UsageError(
                "python -OO removes docstrings, which are part of the prompt for a model; "
                "run without -OO (PYTHONOPTIMIZE=2), or with --execgo-framework reference"
            )
        return pairs
