"""Whether a failed trial is explained by a finding that was accepted as known."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

from pytest_execgo.models.benchmark import Attribution, ServiceInfo, Verdict
from pytest_execgo.models.cause import ExpectedCause
from pytest_execgo.models.finding import Finding


def known_finding(
    verdict: Verdict,
    expected: Sequence[ExpectedCause],
    accepted: Sequence[Finding],
    services: Mapping[str, ServiceInfo],
) -> str | None:
    """The id of the accepted finding that explains a failure; ``None`` if none does.

    It must be about a service of this fleet in this version, attribution must name its cause, and
    nothing else may certainly be to blame but what the chaos profile expects: a finding is no excuse
    for a second defect.
    """
    if verdict.status != "failed":
        return None
    for finding in accepted:
        info = services.get(finding.service)
        if info is None or not any(fnmatchcase(info.version, v) for v in finding.versions):
            continue
        if not any(_is(cause, finding.causes) for cause in verdict.attribution):
            continue
        excused = (*finding.causes, *expected)
        certain = (cause for cause in verdict.attribution if cause.confidence == "certain")
        if all(_is(cause, excused) for cause in certain):
            return finding.id
    return None


def _is(cause: Attribution, wanted: Sequence[ExpectedCause]) -> bool:
    return any(one.fits(cause.layer, cause.code) for one in wanted)
