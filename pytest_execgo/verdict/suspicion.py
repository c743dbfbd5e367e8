"""What a rule suspects, and how attribution makes causes of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from math import inf

from pytest_execgo.models.cause import Layer
from pytest_execgo.models.events import ServiceExited
from pytest_execgo.models.verdict import Attribution, Confidence
from pytest_execgo.verdict.evidence import Evidence, Window

STRENGTHS: tuple[Confidence, ...] = ("certain", "likely", "possible")


@dataclass(frozen=True)
class Suspicion:
    """A cause that the evidence suggests. Rules do not know of each other: ``symptoms.py`` decides which
    suspicion another one explains.

    ``at`` is when it was seen, and ``since`` the earliest time at which its reason can have begun, in
    milliseconds. ``windows`` are the times in which it can make something else fail. ``service`` and
    ``task`` are those that it is about. ``settled_at``: when the trial had recovered from it. ``notes``
    are words for the table of symptoms.
    """

    layer: Layer
    code: str
    confidence: Confidence
    evidence: tuple[str, ...]
    message: str
    at: float = inf
    since: float = -inf
    windows: tuple[Window, ...] = ()
    service: str = ""
    task: str = ""
    settled_at: float = inf
    mitigated: bool = False
    notes: frozenset[str] = frozenset()

    @property
    def name(self) -> str:
        """``layer/code``."""
        return f"{self.layer}/{self.code}"

    def cause(self) -> Attribution:
        """The suspicion as a cause of the verdict."""
        return Attribution(
            layer=self.layer,
            code=self.code,
            confidence=self.confidence,
            evidence=self.evidence,
            message=self.message,
            mitigated=self.mitigated,
        )


def notes_of_end(gone: ServiceExited) -> frozenset[str]:
    """The notes of a suspicion that says that a service's process ended."""
    return frozenset({"out_of_memory"} if gone.out_of_memory else ())


@dataclass(frozen=True)
class Rule:
    """``suspect`` turns evidence into suspicions; ``codes`` are all that it may name, by layer. A code
    that ends in ``*`` stands for a family, such as ``http_*``."""

    name: str
    codes: dict[Layer, tuple[str, ...]]
    suspect: Callable[[Evidence], Iterable[Suspicion]]

    def problem(self, found: object) -> str:
        """What is wrong with something that ``suspect`` gave; empty if nothing is."""
        if not isinstance(found, Suspicion):
            return f"gave {type(found).__name__}, expected Suspicion"
        declared = self.codes.get(found.layer, ())
        if any(fnmatchcase(found.code, pattern) for pattern in declared):
            return ""
        return f"names {found.name}, which is not one of its codes"
