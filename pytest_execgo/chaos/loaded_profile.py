"""A chaos profile whose actions are known and whose parameters are checked."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_execgo.chaos.action import Action
from pytest_execgo.chaos.model_fault import MODEL
from pytest_execgo.models.chaos import ChaosProfile, Fault


@dataclass(frozen=True)
class LoadedFault:
    """A fault of a profile, with its action (parameters included)."""

    fault: Fault
    action: Action


@dataclass(frozen=True)
class LoadedProfile:
    """A profile with the actions of its faults, in their order."""

    profile: ChaosProfile
    faults: tuple[LoadedFault, ...]

    @property
    def links(self) -> frozenset[str]:
        """The services that must be reached through a fault proxy."""
        return frozenset(f.fault.target for f in self.faults if f.action.needs_link)

    @property
    def targets_model(self) -> bool:
        """Whether a fault affects the model, which must then be asked."""
        return any(f.fault.target == MODEL for f in self.faults)
