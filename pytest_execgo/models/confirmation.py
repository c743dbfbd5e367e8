"""What repetitions of a trial with and without its faults showed."""

from __future__ import annotations

from typing import Literal

from pytest_execgo.models.document import Document

ConfirmationStatus = Literal[
    "confirmed", "associated", "independent", "flaky", "deterministic", "not_reproduced", "not_run"
]


class ConfirmationArm(Document):
    """Repetitions of a trial with some of its faults, or with none. ``faults`` holds ``action target``
    of each, with its number in the profile if two faults are alike.

    ``same``: how many ended like the trial itself, with a cause in the same layer. ``clean``: how many
    passed without anything to recover from or to blame. The rest of ``of`` ended in another way.
    """

    faults: tuple[str, ...]
    same: int
    clean: int
    of: int


class Confirmation(Document):
    """Whether the faults of a trial are the reason for its end, by repetitions of its recorded plan.

    ``confirmed``: it always ends the same way with the faults in ``by``, and is always clean without
    faults. ``associated``: it is always clean without faults, and sometimes ends the same way with them.
    ``independent``: it is never clean, with or without faults. ``flaky``: it is sometimes clean although
    nothing differs. ``deterministic``: no fault was injected, and it is never clean. ``not_reproduced``:
    no repetition ended the same way. ``not_run``: ``reason`` says why nothing was repeated.
    """

    status: ConfirmationStatus
    by: tuple[str, ...] = ()
    arms: tuple[ConfirmationArm, ...] = ()
    reason: str = ""

    @property
    def text(self) -> str:
        """The status with its counts: ``confirmed 3/3 vs 0/3``, ``flaky 2/3``."""
        words = self.status.replace("_", " ")
        if not self.arms:
            return f"{words}: {self.reason}" if self.reason else words
        plain = next(arm for arm in self.arms if not arm.faults)
        without = f"{plain.of - plain.clean}/{plain.of}"
        if self.status in ("flaky", "deterministic"):
            return f"{words} {without}"
        arms = [arm for arm in self.arms if arm.faults]
        shown = next((arm for arm in arms if arm.faults == self.by), arms[-1])
        by = f" by {' and '.join(self.by)} alone" if 0 < len(self.by) < len(arms[-1].faults) else ""
        return f"{words} {shown.same}/{shown.of} vs {without}{by}"
