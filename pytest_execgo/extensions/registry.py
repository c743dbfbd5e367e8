"""What is registered: adapters, chaos actions, launchers, report formats; by hook and entry point."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pluggy

from pytest_execgo.adapter.base import Adapter
from pytest_execgo.benchmark.reports.base import ReportFormat
from pytest_execgo.chaos.action import Action
from pytest_execgo.chaos.profile import LoadedFault, LoadedProfile
from pytest_execgo.errors import UsageError, unknown_name
from pytest_execgo.extensions import builtin_parts, hookspecs
from pytest_execgo.harness.service import Launcher
from pytest_execgo.models.chaos import ChaosProfile, Fault
from pytest_execgo.models.document import load, parse, shown

ENTRY_POINTS = "pytest_execgo"


@dataclass(frozen=True)
class Registry:
    """Everything that can be extended, by name."""

    adapters: dict[str, Adapter]
    actions: dict[str, type[Action]]
    launchers: dict[str, Launcher]
    report_formats: dict[str, ReportFormat]

    @classmethod
    def build(cls, plugins: Iterable[Any] = ()) -> Registry:
        """Built-in parts, those of entry points ``pytest_execgo``, and those of ``plugins``."""
        manager = pluggy.PluginManager("pytest")
        manager.add_hookspecs(hookspecs)
        manager.register(builtin_parts)
        manager.load_setuptools_entrypoints(ENTRY_POINTS)
        for plugin in plugins:
            if not manager.is_registered(plugin):
                manager.register(plugin)
        return cls.from_hook(manager.hook)

    @classmethod
    def from_hook(cls, hook: Any) -> Registry:
        """Ask every registered plugin; two parts of one name are an error."""
        return cls(
            adapters=_by_name("adapter", hook.pytest_execgo_adapters(), "name"),
            actions=_by_name("chaos action", hook.pytest_execgo_chaos_actions(), "name"),
            launchers=_by_name("launcher", hook.pytest_execgo_launchers(), "kind"),
            report_formats=_by_name("report", hook.pytest_execgo_report_formats(), "filename"),
        )

    def adapter(self, name: str) -> Adapter:
        """The adapter of a framework; raises :class:`UsageError`."""
        if name not in self.adapters:
            raise UsageError(unknown_name("framework", name, self.adapters))
        return self.adapters[name]

    def load_profile(self, path: Path) -> LoadedProfile:
        """Read a profile; a misspelt action or parameter is found here, not at run time."""
        profile = load(ChaosProfile, path)
        if profile.id != path.stem:
            raise UsageError(
                f"{shown(path)}: id: {profile.id!r} must equal the name of its file, {path.stem!r}; "
                "rename one of them"
            )
        faults = [
            self._load_fault(fault, f"{shown(path)}: faults[{index}]")
            for index, fault in enumerate(profile.faults)
        ]
        return LoadedProfile(profile, tuple(faults))

    def _load_fault(self, fault: Fault, where: str) -> LoadedFault:
        action = self.actions.get(fault.action)
        if action is None:
            message = unknown_name("chaos action", fault.action, self.actions)
            raise UsageError(f"{where}.action: {message}")
        for key, value, allowed in (
            ("target", fault.target, action.targets),
            ("when.phase", fault.when.phase, action.phases),
        ):
            if value not in allowed:
                message = unknown_name(f"{key} of {fault.action}", value, allowed)
                raise UsageError(f"{where}.{key}: {message}")
        wrong = action.misplaced(fault.when)
        if wrong:
            raise UsageError(f"{where}.when: {wrong}")
        return LoadedFault(fault, parse(action, fault.params, f"{where}.params"))


def _by_name(kind: str, answers: list[list[Any]], key: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    # pluggy asks the latest plugin first; built-in parts shall come first.
    for answer in reversed(answers):
        if not isinstance(answer, (list, tuple)):
            raise UsageError(f"a hook for {kind}s returned {answer!r}; it must return a list")
    for part in (part for answer in reversed(answers) for part in answer):
        name = getattr(part, key, None)
        if not isinstance(name, str):
            raise UsageError(f"a hook for {kind}s returned {part!r}, which has no {key!r}")
        if name in found and type(found[name]) is not type(part):
            raise UsageError(
                f"two plugins register the {kind} {name!r}: {type(found[name]).__module__} and "
                f"{type(part).__module__}; uninstall or rename one"
            )
        found[name] = part
    return found
