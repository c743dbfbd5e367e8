"""A chaos profile whose actions are known and whose parameters are checked."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from pytest_execgo.chaos.action import Action
from pytest_execgo.chaos.model_fault import MODEL
from pytest_execgo.models.chaos import ChaosProfile, Fault


@dataclass(frozen=True)
class LoadedFault:
    """A fault of a profile, with its action (parameters included). ``position``: its place in the file,
    on which its random draws depend."""

    fault: Fault
    action: Action
    position: int = 0


@dataclass(frozen=True)
class LoadedProfile:
    """A profile with the actions of its faults, in their order."""

    profile: ChaosProfile
    faults: tuple[LoadedFault, ...]

    def only(self, positions: Collection[int]) -> LoadedProfile:
        """The profile with just the faults at these places of its file. They draw the same numbers."""
        kept = [loaded for loaded in self.faults if loaded.position in positions]
        profile = self.profile
        update: dict[str, Any] = {"faults": tuple(loaded.fault for loaded in kept)}
        if len(profile.causes) > 1:
            causes = zip(self.faults, profile.causes, strict=True)
            update["expected_cause"] = tuple(c for f, c in causes if f in kept)
        if not kept:
            update |= {"expectation": "not_applicable", "expected_cause": None}
        return LoadedProfile(profile.model_copy(update=update), tuple(kept))

    @property
    def links(self) -> frozenset[str]:
        """The services that must be reached through a fault proxy."""
        return frozenset(f.fault.target for f in self.faults if f.action.needs_link)

    @property
    def targets_model(self) -> bool:
        """Whether a fault affects the model, which must then be asked."""
        return any(f.fault.target == MODEL for f in self.faults)
