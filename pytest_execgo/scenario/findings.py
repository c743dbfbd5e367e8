"""Known findings about real engines, by id (``findings.yaml``)."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from pytest_execgo.errors import UsageError, unknown_name
from pytest_execgo.models.document import load
from pytest_execgo.models.finding import AcceptedFinding, Finding, FindingsBook

BUILTIN = Path(__file__).resolve().with_name("findings.yaml")
FILE = "findings.yaml"


def load_findings(folder: Path | None = None) -> dict[str, Finding]:
    """The built-in findings by id; those of ``folder/findings.yaml`` win."""
    found = {finding.id: finding for finding in load(FindingsBook, BUILTIN).findings}
    if folder is not None and (folder / FILE).is_file():
        found |= {finding.id: finding for finding in load(FindingsBook, folder / FILE).findings}
    return found


def check_accepted(
    accepted: Iterable[AcceptedFinding], known: dict[str, Finding], where: str
) -> None:
    """Raise :class:`UsageError` for an unknown id."""
    for index, one in enumerate(accepted):
        if one.id not in known:
            raise UsageError(f"{where}[{index}].id: {unknown_name('finding', one.id, known)}")
