"""``scenario list|validate`` and ``chaos list|validate``."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pytest_execgo.cli.output import print_error, print_json, print_line, print_table
from pytest_execgo.errors import UsageError, unknown_name
from pytest_execgo.models.plan_rules import strict_problems
from pytest_execgo.plugin.project import project_registry, project_scenarios
from pytest_execgo.scenario import library
from pytest_execgo.scenario.manifest import MANIFEST, load_scenario


def list_scenarios(options: argparse.Namespace) -> int:
    """Show the scenarios with the size of their reference plan. Exit 2 if one is invalid, with one line
    for each."""
    folder = _folder(options)
    rows = []
    broken = 0
    for path in library.list_scenarios(folder).values():
        try:
            scenario = load_scenario(path)
        except UsageError as error:
            print_error(error)
            broken += 1
            continue
        plan = scenario.plan
        rows.append(
            {
                "scenario": scenario.id,
                "stages": len(plan.stages) if plan else None,
                "tasks": len(plan.task_ids()) if plan else None,
                "checks": len(scenario.manifest.checks),
                "description": scenario.manifest.description,
            }
        )
    _show(rows, options.json, f"in {folder}")
    return 2 if broken else 0


def list_profiles(options: argparse.Namespace) -> int:
    """Show the chaos profiles: the built-in ones, and those of the folder of scenarios."""
    registry = project_registry()
    folder = _folder(options)
    rows = []
    for path in library.list_profiles(folder).values():
        profile = registry.load_profile(path).profile
        faults = [f"{fault.action} {fault.target}" for fault in profile.faults]
        rows.append(
            {
                "profile": profile.id,
                "faults": ", ".join(faults) or "-",
                "expectation": profile.expectation,
                "description": profile.description,
            }
        )
    return _show(rows, options.json, f"in {folder / library.CHAOS_FOLDER} and built in")


def validate_scenarios(options: argparse.Namespace) -> int:
    """Exit 0 if all scenarios are valid, else 2 with one line for each that is not."""
    folder = _folder(options)
    known = library.list_scenarios(folder)
    paths = [find_path(name, known, "scenario", MANIFEST) for name in options.names]
    check = partial(load_scenario, rules=strict_problems) if options.strict else load_scenario
    return _validate(paths or list(known.values()), check, options.json)


def validate_profiles(options: argparse.Namespace) -> int:
    """Exit 0 if all chaos profiles are valid, else 2 with one line for each that is not."""
    folder = _folder(options)
    known = library.list_profiles(folder)
    paths = [find_path(name, known, "chaos profile", None) for name in options.names]
    registry = project_registry()
    return _validate(paths or list(known.values()), registry.load_profile, options.json)


def _folder(options: argparse.Namespace) -> Path:
    return project_scenarios(options.scenarios)


def find_path(name: str, known: dict[str, Path], kind: str, inside: str | None) -> Path:
    """The file of a name, or of a path to it or to its folder; raises :class:`UsageError`."""
    if name in known:
        return known[name]
    path = Path(name)
    if inside and path.is_dir():
        path = path / inside
    if path.is_file():
        return path
    raise UsageError(unknown_name(kind, name, known))


def _validate(paths: Sequence[Path], check: Callable[[Path], Any], as_json: bool) -> int:
    findings = []
    for path in paths:
        try:
            check(path)
            findings.append({"path": str(path), "ok": True})
        except UsageError as error:
            findings.append({"path": str(path), "ok": False, "error": str(error)})
    broken = [finding for finding in findings if not finding["ok"]]
    if as_json:
        print_json(findings)
    else:
        for finding in broken:
            print_error(finding["error"])
        print(f"{len(paths) - len(broken)} of {len(paths)} valid")
    return 2 if broken else 0


def _show(rows: list[dict[str, Any]], as_json: bool, where: str) -> int:
    if as_json:
        print_json(rows)
    else:
        print_table([row.values() for row in rows], list(rows[0]) if rows else [])
        print_line(where)
    return 0
