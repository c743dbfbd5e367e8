"""How a repeated trial differs from the recorded one."""

from __future__ import annotations

from pytest_execgo.models.trial_result import TrialResult


def differences(before: TrialResult, after: TrialResult) -> tuple[str, ...]:
    """One line per part that differs: verdict, recovery, causes, faults and where they fired, checks.

    Times are not compared. Mitigated causes are not either: they belong to the planning, and a repeated
    trial starts from the recorded plan.
    """
    found = []
    for name, old, new in (
        ("verdict", before.verdict.status, after.verdict.status),
        ("recovery", before.verdict.recovery, after.verdict.recovery),
        ("causes", _causes(before), _causes(after)),
        ("faults", _faults(before), _faults(after)),
        ("checks", _checks(before), _checks(after)),
    ):
        if old != new:
            found.append(f"{name}: was {old}, is {new}")
    return tuple(found)


def _causes(result: TrialResult) -> str:
    """Blamed layers and codes; only the layer if the profile expects no code in it. (Which symptom of a
    kill comes first is a race.)"""
    expected = (result.verdict.expected_cause or "").split(" + ")
    named = {
        cause.layer if cause.layer in expected else f"{cause.layer}/{cause.code}"
        for cause in result.verdict.attribution
        if not cause.mitigated and cause.layer != "none"
    }
    return ", ".join(sorted(named)) or "none/no_failure"


def _faults(result: TrialResult) -> str:
    return ", ".join(
        f"{f.action} {f.target} {f.status}"
        + (f" in {f.stage_id}" if f.stage_id else "")
        + (f" at {f.task_id}" if f.task_id else "")
        for f in result.faults
    )


def _checks(result: TrialResult) -> str:
    return ", ".join(
        f"{c.kind} {'holds' if c.ok else 'does not hold'}" for c in result.verdict.checks
    )
