"""Names the causes of what went wrong, from evidence alone.

The type of the input excludes chaos events, and no profile is an argument, so attribution cannot look up
what was injected. Rules suspect, ``symptoms.py`` drops what something else explains, and this module
ranks what remains. Where the evidence does not tell, the layer is ``unknown``.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from math import inf

from pytest_execgo.models.events import EvidenceEvent
from pytest_execgo.models.verdict import Attribution
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.rules import RULES
from pytest_execgo.verdict.suspicion import STRENGTHS, Rule, Suspicion
from pytest_execgo.verdict.symptoms import causes


def attribute(
    events: Sequence[EvidenceEvent], rules: Iterable[Rule] = RULES
) -> tuple[Attribution, ...]:
    """The causes that the evidence shows: by confidence, mitigated ones last.

    ``none/no_failure`` if nothing went wrong; ``unknown/unexplained`` if a stage did not succeed and no
    rule blames a cause; ``unknown/unobserved`` if nothing is known to have gone wrong, but the observers
    stood still for a while. Nothing is certain in a trial with such a gap.
    """
    evidence = Evidence(events)
    suspicions = [one for rule in rules for one in _suspicions(rule, evidence)]
    found = [_settled(one, evidence) for one in causes(suspicions)]
    found = _strongest([_unsure(one, evidence) for one in found])
    problem = evidence.failed_stages()
    if problem and all(one.mitigated for one in found):
        ids = tuple(event.event_id for event in problem)
        names = ", ".join(f"{event.stage_id} {event.outcome}" for event in problem)
        message = f"no rule explains: {names}"
        found.append(Suspicion("unknown", "unexplained", "possible", ids, message))
    return tuple(one.cause() for one in sorted(found or [_nothing(evidence)], key=_rank))


def _suspicions(rule: Rule, evidence: Evidence) -> list[Suspicion]:
    """What a rule suspects. A rule may come from an extension: its mistake is a problem of the harness,
    named beside the other causes, and hides none of them."""
    try:
        found = list(rule.suspect(evidence))
        problem = next((text for one in found if (text := rule.problem(one))), "")
    except Exception as error:
        problem = f"raised {type(error).__name__}: {error}"
    if not problem:
        return found
    message = f"the attribution rule {rule.name} {problem}"
    return [Suspicion("harness", "rule_failed", "certain", (), message)]


def _settled(one: Suspicion, evidence: Evidence) -> Suspicion:
    """What the trial recovered from, before the stage began that decided the end, did not decide it."""
    over = one.settled_at <= evidence.decided_from() < inf
    return replace(one, mitigated=True) if over else one


def _unsure(one: Suspicion, evidence: Evidence) -> Suspicion:
    """What fails after a failed stage may lack its result. In a gap, something else may have failed."""
    if "task" in one.notes and one.at > evidence.first_failure_at():
        return replace(one, confidence="possible")
    if one.confidence == "certain" and evidence.gaps():
        return replace(one, confidence="likely")
    return one


def _strongest(found: Sequence[Suspicion]) -> list[Suspicion]:
    """One suspicion per name: the one that ranks first."""
    best: dict[str, Suspicion] = {}
    for one in sorted(found, key=_rank):
        best.setdefault(one.name, one)
    return list(best.values())


def _nothing(evidence: Evidence) -> Suspicion:
    gaps = evidence.gaps()
    if not gaps:
        return Suspicion("none", "no_failure", "certain", (), "nothing failed")
    longest = max(gap.gap_ms for gap in gaps) / 1000
    message = f"nothing failed, but nothing was observed for {longest:.1f} s"
    ids = tuple(gap.event_id for gap in gaps)
    return Suspicion("unknown", "unobserved", "possible", ids, message)


def _rank(one: Suspicion) -> tuple[bool, int, bool, bool, float, str, str]:
    """Among equals, first that nothing is known, so that no reader stops at a guess; then what made a
    task fail; then by time."""
    strength = STRENGTHS.index(one.confidence)
    harmless = not one.notes & {"failure", "task"}
    return one.mitigated, strength, one.layer != "unknown", harmless, one.at, one.name, one.message
