"""A known finding explains what it is about, and excuses nothing else."""

from __future__ import annotations

import pytest

from pytest_execgo.conformance.findings import load_findings
from pytest_execgo.models.benchmark import Attribution, ServiceInfo, Verdict
from pytest_execgo.models.cause import ExpectedCause
from pytest_execgo.models.finding import Finding
from pytest_execgo.verdict.known import known_finding

STUCK = Finding.model_validate(
    {
        "id": "stays-running",
        "service": "runtime",
        "versions": ["1.1.*"],
        "summary": "s",
        "causes": [{"layer": "runtime", "code": "stuck"}],
    }
)
REAL = {"runtime": ServiceInfo(launcher="binary", version="1.1.0")}
OURS = {"runtime": ServiceInfo(launcher="embedded", version="0.1.0 (speaks 1.1.0)")}


def verdict(*causes: tuple[str, str, str], status: str = "failed") -> Verdict:
    return Verdict.model_validate(
        {
            "status": status, "expectation": "should_recover", "outcome": "o", "recovery": "stuck",
            "checks": [], "explanation": [],
            "attribution": [
                Attribution.model_validate(
                    {"layer": layer, "code": code, "confidence": sure, "evidence": (), "message": "m"}
                )
                for layer, code, sure in causes
            ],
        }
    )  # fmt: skip


LIKELY = ("runtime", "stuck", "likely")


@pytest.mark.parametrize(
    ("given", "services", "expected"),
    [
        (verdict(LIKELY), REAL, "stays-running"),
        (verdict(LIKELY), OURS, None),
        (verdict(LIKELY), {}, None),
        (verdict(LIKELY, status="inconclusive"), REAL, None),
        (verdict(LIKELY, status="passed"), REAL, None),
        (verdict(("runtime", "handle_lost", "certain")), REAL, None),
        (verdict(("dsl", "cycle", "certain"), LIKELY), REAL, None),
        (verdict(("fixture", "http_error", "likely"), LIKELY), REAL, "stays-running"),
    ],
)
def test_a_finding_explains_its_own_cause_only(
    given: Verdict, services: dict[str, ServiceInfo], expected: str | None
) -> None:
    assert known_finding(given, (), [STUCK], services) == expected


def test_what_the_profile_expects_may_be_certain_beside_it() -> None:
    both = verdict(("runtime", "handle_lost", "certain"), LIKELY)
    assert known_finding(both, (), [STUCK], REAL) is None
    assert known_finding(both, (ExpectedCause(layer="runtime"),), [STUCK], REAL) == "stays-running"


def test_every_finding_of_the_package_is_explained_in_the_docs(pytestconfig: pytest.Config) -> None:
    text = (pytestconfig.rootpath / "docs/engine-findings.md").read_text()
    for name in load_findings():
        assert f"`{name}`" in text
