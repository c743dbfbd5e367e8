"""``conformance``: how far an engine speaks ExecGo's contract, as a table per area."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import Counter, defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tabulate import tabulate

from pytest_execgo.conformance.cases import Case, load_cases
from pytest_execgo.conformance.peer import Peer
from pytest_execgo.conformance.search import Found, search
from pytest_execgo.engines import Engines
from pytest_execgo.errors import UsageError, unknown_name
from pytest_execgo.harness.fleet import FleetSpec
from pytest_execgo.registry import Registry

State = Literal["passed", "differs", "deliberate", "not_run"]


@dataclass(frozen=True)
class Finding:
    """One case. ``deliberate``: a documented difference of the embedded engine."""

    case: str
    area: str
    state: State
    quirk: str | None
    shows: str
    details: tuple[str, ...] = ()


def conformance(options: argparse.Namespace) -> int:
    """Exit 0 if no case differs but the deliberate ones, and the search finds nothing; else 1."""
    cases = _selected(options.area or [])
    launchers = Registry.build().launchers
    choices = tuple(_choice(word) for word in options.service or ())
    launcher, target = FleetSpec(choices=choices).resolve(launchers)["execgo"]
    findings: list[Finding] = []
    violations: list[Found] = []
    programs = 0
    with Peer() as peer, tempfile.TemporaryDirectory(prefix="conformance-") as root:
        engines = Engines(launcher, target, peer, Path(root))
        try:
            for number, case in enumerate(cases, 1):
                _progress(f"{number}/{len(cases)} {case.name}")
                findings.append(_finding(engines, case))
            if options.search:
                _progress(f"searching, {options.search} programs")
                programs, violations = search(engines, options.search, options.seed)
        finally:
            engines.stop()
            _progress("")
    report = Report(f"execgo {launcher.describe('execgo', target)}", findings, programs, violations)
    print(report.json() if options.json else report.text("plain"), end="", flush=True)
    if options.markdown:
        options.markdown.write_text(report.text("github"), encoding="utf-8")
    return 1 if report.differs else 0


@dataclass(frozen=True)
class Report:
    """What was found; ``programs`` is how many the search ran (0: it was not asked for)."""

    title: str
    findings: list[Finding]
    programs: int
    violations: list[Found]

    @property
    def differs(self) -> bool:
        """Whether there is more than deliberate differences."""
        return bool(self.violations) or any(f.state == "differs" for f in self.findings)

    def json(self) -> str:
        """One JSON object and a newline."""
        document = {
            "engine": self.title,
            "cases": [asdict(finding) for finding in self.findings],
            "programs": self.programs,
            "violations": [asdict(found) for found in self.violations],
        }
        return json.dumps(document, ensure_ascii=False) + "\n"

    def text(self, tablefmt: str) -> str:
        """The table per area, then what differs, then what the search found."""
        parts = [_report(self.title, self.findings, tablefmt)]
        if self.programs:
            heading = "## Search" if tablefmt == "github" else "search:"
            count = len(self.violations)
            parts += [
                heading,
                "",
                f"{self.programs} generated programs, {count} invariants violated.",
                "",
            ]
        for found in self.violations:
            parts += [
                f"- {found.invariant}: {found.message}",
                *(f"    {line}" for line in found.curl),
            ]
        return "\n".join(parts).rstrip() + "\n"


def _choice(word: str) -> tuple[str, str]:
    name, sign, choice = word.partition("=")
    if not sign or name != "execgo":
        raise UsageError(
            f"--service {word!r}: expected execgo=KIND:TARGET, as in execgo=binary:PATH"
        )
    return name, choice


def _selected(areas: list[str]) -> list[Case]:
    known = {case.area for case in load_cases()}
    for area in areas:
        if area not in known:
            raise UsageError(unknown_name("area", area, known))
    return [case for case in load_cases() if not areas or case.area in areas]


def _finding(engines: Engines, case: Case) -> Finding:
    unfit = engines.why_not(case)
    if unfit:
        return Finding(case.name, case.area, "not_run", case.quirk, case.shows, (unfit,))
    found = engines.run(case)
    reason = engines.expected_to_differ(case)
    state: State = "passed"
    if found:
        state = "deliberate" if reason else "differs"
    details = (reason,) if reason and found else tuple(found)
    return Finding(case.name, case.area, state, case.quirk, case.shows, details)


def _report(title: str, findings: list[Finding], tablefmt: str) -> str:
    areas: dict[str, list[Finding]] = defaultdict(list)
    for finding in findings:
        areas[finding.area].append(finding)
    states: tuple[State, ...] = ("passed", "differs", "deliberate", "not_run")
    rows = [
        [area, len(members), *(sum(f.state == state for f in members) for state in states)]
        for area, members in areas.items()
    ]
    rows.append(["all", len(findings), *(sum(f.state == s for f in findings) for s in states)])
    heading = "# Conformance of " if tablefmt == "github" else "conformance of "
    headers = ["area", "cases", "passed", "differs", "on purpose", "not run"]
    parts = [heading + title, "", tabulate(rows, headers, tablefmt=tablefmt), ""]
    for state, label in (("differs", "Differs"), ("deliberate", "Differs on purpose")):
        members = [finding for finding in findings if finding.state == state]
        if members:
            parts += [f"## {label}" if tablefmt == "github" else f"{label.lower()}:", ""]
            parts += [_line(finding) for finding in members]
            parts.append("")
    reasons = Counter(finding.details[0] for finding in findings if finding.state == "not_run")
    parts += [f"not run: {count} cases: {reason}" for reason, count in reasons.items()]
    return "\n".join(parts).rstrip() + "\n"


def _line(finding: Finding) -> str:
    text = f"- {finding.case}: {finding.shows}"
    return "\n".join([text, *(f"    {detail[:400]}" for detail in finding.details[:4])])


def _progress(text: str) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)
