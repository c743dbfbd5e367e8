"""``chaos search``: the fewest faults under which a scenario fails, as a chaos profile."""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from pytest_execgo.chaos.search import (
    Attempted,
    FoundSchedule,
    Schedule,
    ScheduleSearch,
    Searched,
    candidates,
    conditions,
)
from pytest_execgo.cli.output import overwrite_line, print_error, print_json
from pytest_execgo.errors import HarnessError, UsageError, unknown_name
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.files.writing import make_folder, write_text
from pytest_execgo.harness.fleet import FleetSpec
from pytest_execgo.harness.service import SERVICE_NAMES
from pytest_execgo.models.chaos import ChaosProfile, Fault
from pytest_execgo.models.document import LONGEST_ID, parse, shown
from pytest_execgo.models.messages import Source
from pytest_execgo.models.plan import StandardPlan
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.safe_text import for_terminal, one_line
from pytest_execgo.options.values import ServiceLauncher, Whole
from pytest_execgo.plugin.project import project_registry, project_scenarios
from pytest_execgo.run.matrix import Matrix
from pytest_execgo.run.session import RunSession
from pytest_execgo.run.settings import Run
from pytest_execgo.scenario.library import Library
from pytest_execgo.scenario.manifest import Scenario
from pytest_execgo.system.proposals import require_hypothesis

FOUND = 1
_TRIALS_PER_LINE = 20
_HARNESS_ERRORS_IN_A_ROW = 3
_CAUSE_CHARACTERS = 300


def search(options: argparse.Namespace) -> int:
    """Search, and print the smallest profile. Exits with 1 if one was found, with 0 if none was."""
    budget, repeats = (Whole(1).read(f"--{n}", getattr(options, n)) for n in ("budget", "repeats"))
    seed = Whole(0).read("--seed", options.seed)
    require_hypothesis()
    registry = project_registry()
    library = Library(project_scenarios(options.scenarios))
    scenario = library.find_scenario(options.scenario)
    plan = scenario.plan
    if plan is None:
        raise UsageError(f"scenario {scenario.id} has no reference_plan, which the search needs")
    name = _name(options.name, scenario)
    with _session(options, library, registry) as session:
        trials = _Trials(session, registry, scenario, name)
        trials.check_without_faults()
        faults = trials.supported(_chosen(options, registry, plan))
        progress = _SearchProgress(budget)
        _keep_out_of_git(options.database)
        found = ScheduleSearch(
            trials.attempt, faults, conditions(plan), budget, repeats, seed,
            options.database / scenario.id, progress,
        )  # fmt: skip
        try:
            searched = found.run()
        finally:
            progress.end()
    return _show(options, scenario, name, searched)


def _keep_out_of_git(folder: Path) -> None:
    """Make the folder of the database, and let git ignore it, as pytest does with its cache."""
    make_folder(folder)
    ignore = folder / ".gitignore"
    if not ignore.exists():
        write_text(ignore, "*\n")


def _name(given: str | None, scenario: Scenario) -> str:
    name = given or f"found_{scenario.id}"[:LONGEST_ID]
    document = {"schema_version": "1", "id": name, "expectation": "not_applicable"}
    parse(ChaosProfile, document, "--name")
    return name


def _chosen(options: argparse.Namespace, registry: Registry, plan: StandardPlan) -> list[Fault]:
    """The faults of the chosen actions and targets."""
    searched = [name for name, one in registry.actions.items() if getattr(one, "searched", None)]
    for flag, given, allowed in (
        ("--action", options.action or [], searched),
        ("--target", options.target or [], SERVICE_NAMES),
    ):
        for word in given:
            if word not in allowed:
                raise UsageError(f"{flag}: {unknown_name('name', word, allowed)}")
    actions = [registry.actions[name] for name in searched if name in (options.action or searched)]
    targets = options.target or SERVICE_NAMES
    return [fault for fault in candidates(actions, plan) if fault.target in targets]


@contextmanager
def _session(
    options: argparse.Namespace, library: Library, registry: Registry
) -> Iterator[RunSession]:
    """Trials on a fleet with a fault proxy before every service; their records are removed at the
    end."""
    launcher = ServiceLauncher()
    services = launcher.collect(
        [launcher.read("--service", word) for word in options.service or ()]
    )
    fleet = FleetSpec(
        options.harness, tuple(sorted(services.items())), frozenset(SERVICE_NAMES), Path.cwd()
    )
    fleet.resolve(registry.launchers)
    request = BenchmarkRunRequest(harness=options.harness, services=services)
    with tempfile.TemporaryDirectory(prefix="execgo-search-") as folder:
        # Ids of tasks begin with that of the run: two searches may use one external engine.
        run_id = f"search-{secrets.token_hex(4)}"
        run = Run(request, Path.cwd(), Path(folder), run_id, fleet=fleet)
        session = RunSession(run, Matrix(library, registry, request))
        try:
            yield session
        finally:
            session.close()


class _Trials:
    """Runs the trials of the search, and shows each harness error."""

    def __init__(
        self, session: RunSession, registry: Registry, scenario: Scenario, name: str
    ) -> None:
        self._session, self._registry = session, registry
        self._scenario, self._name = scenario, name
        self._number = self._errors = 0

    def check_without_faults(self) -> None:
        """Raise :class:`UsageError` for a scenario that fails without any fault."""
        outcome = self.attempt(())
        if outcome.failed:
            raise UsageError(
                f"scenario {self._scenario.id} fails without any fault ({outcome.cause}); fix it first: "
                f"pytest --execgo-matrix --execgo-scenario {self._scenario.id}"
            )

    def supported(self, faults: Sequence[Fault]) -> list[Fault]:
        """The faults that can be injected on this fleet; raises :class:`UsageError` if none can."""
        services = self._session.fleet.services
        loaded = self._registry.loaded(_profile(self._name, tuple(faults)), Source("search")).faults
        kept = [
            one.fault for one in loaded if not one.action.unsupported(services[one.fault.target])
        ]
        if not kept:
            raise UsageError("no action of the search can be injected into this scenario and fleet")
        return kept

    def attempt(self, schedule: Schedule) -> Attempted:
        """One trial. A harness error does not count as a failure of the plan; the third in a row is
        raised."""
        profile = self._registry.loaded(_profile(self._name, schedule), Source("search"))
        self._number += 1
        try:
            result = self._session.run_schedule(self._scenario, profile, self._number)
        except HarnessError as error:
            self._errors += 1
            print_error(error, label=f"harness error in trial {self._number}")
            if self._errors >= _HARNESS_ERRORS_IN_A_ROW:
                raise
            return Attempted(failed=False)
        self._errors = 0
        cause = result.verdict.attribution[0]
        text = f"{cause.layer}/{cause.code} ({cause.confidence}): {cause.message}"
        return Attempted(result.metrics.scenario_success != 1.0, one_line(text, _CAUSE_CHARACTERS))


def _profile(name: str, schedule: Schedule, description: str = "") -> ChaosProfile:
    return ChaosProfile(
        id=name,
        description=description,
        expectation="should_recover" if schedule else "not_applicable",
        faults=schedule,
    )


@dataclass
class _SearchProgress:
    """Progress on standard error: one changing line on a terminal, else a line per 20 trials."""

    budget: int

    def __call__(self, number: int, schedule: Schedule) -> None:
        names = ", ".join(f"{fault.action} {fault.target}" for fault in schedule)
        text = f"trial {number} of at most {self.budget}: {names}"
        if sys.stderr.isatty():
            overwrite_line(text)
        elif number % _TRIALS_PER_LINE == 1:
            print(for_terminal(text), file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the line of a terminal."""
        if sys.stderr.isatty():
            overwrite_line("")


def _show(options: argparse.Namespace, scenario: Scenario, name: str, searched: Searched) -> int:
    found = searched.found
    if options.json:
        print_json(_document(name, searched))
    elif found is None:
        # Standard output is for a profile alone: it may be redirected to its file.
        note = f"; {searched.once} failed once and not again" if searched.once else ""
        text = f"{scenario.id} failed under no schedule in {searched.trials} trials{note}"
        print(for_terminal(text), file=sys.stderr)
    else:
        print(_yaml(name, scenario, found), end="")
        for line in _notes(options, name, scenario, searched, found):
            print(for_terminal(line), file=sys.stderr)
    return FOUND if found else 0


def _notes(
    options: argparse.Namespace,
    name: str,
    scenario: Scenario,
    searched: Searched,
    found: FoundSchedule,
) -> Iterator[str]:
    yield f"found in {searched.trials} trials; reproduced {found.failed} of {found.of}"
    yield f"cause: {found.cause}"
    if not found.minimal:
        yield f"the budget of {options.budget} trials ended before it was known to be the smallest"
    if not scenario.allows(name):
        yield f"allow it: add {name} to allowed_chaos in {shown(scenario.path)}"
    yield f"save it as scenarios/chaos/{name}.yaml, then run:"
    words = f"--execgo-scenario {scenario.id} --execgo-chaos {name}"
    yield f"  pytest --execgo-matrix {words} --execgo-confirm 3"


def _yaml(name: str, scenario: Scenario, found: FoundSchedule) -> str:
    document = _profile_document(name, scenario.id, found)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def _profile_document(name: str, scenario_id: str, found: FoundSchedule) -> dict[str, Any]:
    text = f"{scenario_id} failed in {found.failed} of {found.of} trials with these faults."
    faults = [fault.model_dump(mode="json", exclude_defaults=True) for fault in found.schedule]
    return {
        "schema_version": "1",
        "id": name,
        "description": text,
        "expectation": "should_recover",
        "faults": faults,
    }


def _document(name: str, searched: Searched) -> dict[str, Any]:
    found = searched.found
    return {
        "trials": searched.trials,
        "failed_once": searched.once,
        "found": None
        if found is None
        else {
            "profile": _profile(name, found.schedule).model_dump(mode="json"),
            "failed": found.failed,
            "of": found.of,
            "cause": found.cause,
            "minimal": found.minimal,
        },
    }
