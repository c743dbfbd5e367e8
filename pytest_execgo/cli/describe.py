"""``describe``: what can be run in a project, for people and for programs that compose runs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator

from pytest_execgo import __version__
from pytest_execgo.cli.output import print_json, print_line, print_table
from pytest_execgo.errors import UsageError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.service import SERVICE_NAMES
from pytest_execgo.models.document import shown
from pytest_execgo.models.project import (
    FrameworkEntry,
    LauncherEntry,
    OptionEntry,
    ProfileEntry,
    ProjectDescription,
    ScenarioEntry,
)
from pytest_execgo.models.stream import PROTOCOL
from pytest_execgo.options.table import OPTIONS
from pytest_execgo.plugin.project import ProjectParts, project_parts
from pytest_execgo.plugin.request import PROVIDERS
from pytest_execgo.scenario import library
from pytest_execgo.scenario.manifest import load_scenario


def describe(options: argparse.Namespace) -> int:
    """Print what can be run in the current folder. Exit 2 if pytest does not start there."""
    parts = project_parts()
    found = description(parts)
    if options.json:
        print_json(found.model_dump(mode="json"))
        return 0
    rows = [
        ["scenarios", f"{len(found.scenarios)} in {shown(parts.places.scenarios.path)}"],
        ["chaos profiles", f"{len(found.profiles)}"],
        ["frameworks", ", ".join(one.name for one in found.frameworks if one.install is None)],
        ["launchers", ", ".join(one.kind for one in found.launchers)],
        ["reports", shown(parts.places.reports)],
    ]
    print_table(rows, ())
    problems = [one.problem for one in found.scenarios] + [one.problem for one in found.profiles]
    for problem in filter(None, problems):
        print_line(f"cannot be read: {problem}")
    return 0


def description(parts: ProjectParts) -> ProjectDescription:
    """The document of ``describe --json``."""
    registry, places = parts.registry, parts.places
    return ProjectDescription(
        pytest_execgo=__version__,
        python=".".join(map(str, sys.version_info[:3])),
        protocol=PROTOCOL,
        root=str(places.root),
        scenarios_folder=str(places.scenarios.path),
        builtin_scenarios=places.scenarios.path == library.builtin_folder(),
        reports_folder=str(places.reports),
        scenarios=tuple(_scenarios(parts)),
        profiles=tuple(_profiles(parts)),
        frameworks=tuple(_frameworks(registry)),
        launchers=tuple(
            LauncherEntry(
                kind=launcher.kind,
                services=tuple(sorted(launcher.services)),
                needs_target=launcher.needs_target,
            )
            for launcher in registry.launchers.values()
        ),
        harnesses=tuple(
            launcher.kind
            for launcher in registry.launchers.values()
            if launcher.services >= set(SERVICE_NAMES) and not launcher.needs_target
        ),
        providers=PROVIDERS,
        options=tuple(
            OptionEntry(
                word=option.word,
                kind=option.kind,
                metavar=option.metavar,
                help=option.help,
                default=option.default,
                field=option.field,
                live_only=option.live_only,
            )
            for option in OPTIONS
        ),
    )


def _scenarios(parts: ProjectParts) -> Iterator[ScenarioEntry]:
    for name, path in library.list_scenarios(parts.places.scenarios.path).items():
        try:
            scenario = load_scenario(path)
        except UsageError as error:
            yield ScenarioEntry(id=name, path=str(path), problem=str(error))
            continue
        plan = scenario.plan
        yield ScenarioEntry(
            id=name,
            path=str(path),
            description=scenario.manifest.description,
            stages=len(plan.stages) if plan else None,
            tasks=len(plan.task_ids()) if plan else None,
            checks=len(scenario.manifest.checks),
        )


def _profiles(parts: ProjectParts) -> Iterator[ProfileEntry]:
    for name, path in library.list_profiles(parts.places.scenarios.path).items():
        builtin = path.is_relative_to(library.builtin_folder())
        try:
            loaded = parts.registry.load_profile(path)
        except UsageError as error:
            yield ProfileEntry(id=name, path=str(path), builtin=builtin, problem=str(error))
            continue
        yield ProfileEntry(
            id=name,
            path=str(path),
            builtin=builtin,
            description=loaded.profile.description,
            expectation=loaded.profile.expectation,
            faults=tuple(f"{fault.action} {fault.target}" for fault in loaded.profile.faults),
            targets_model=loaded.targets_model,
        )


def _frameworks(registry: Registry) -> Iterator[FrameworkEntry]:
    for name, adapter in registry.adapters.items():
        modes = tuple(sorted(adapter.modes))
        asks = adapter.asks_model
        yield FrameworkEntry(name=name, modes=modes, asks_model=asks, install=adapter.missing())
