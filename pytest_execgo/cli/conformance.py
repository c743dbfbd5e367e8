"""``conformance``: compares an engine with ExecGo's contract, as a table per area."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Literal

from tabulate import tabulate

from pytest_execgo.cli.output import overwrite_line, print_error, print_json_text
from pytest_execgo.conformance.cases import Case, load_cases
from pytest_execgo.conformance.engines import Engines
from pytest_execgo.conformance.peer import Peer
from pytest_execgo.conformance.search import Found, search
from pytest_execgo.errors import HarnessError, UsageError, unknown_name
from pytest_execgo.harness.fleet import FleetSpec
from pytest_execgo.harness.service import Launcher, Networked
from pytest_execgo.models.finding import AcceptedFinding, Finding
from pytest_execgo.models.safe_text import (
    LONGEST_TEXT,
    for_markdown,
    for_markdown_code,
    for_terminal,
    json_line,
)
from pytest_execgo.options.values import KnownFinding, Whole
from pytest_execgo.plugin.project import project_registry
from pytest_execgo.scenario.findings import check_accepted, load_findings
from pytest_execgo.system.proposals import require_hypothesis

State = Literal["passed", "differs", "deliberate", "not_run"]
DEAD_ENGINE = 3


@dataclass(frozen=True)
class CaseResult:
    """The result of one case. ``deliberate``: a documented difference of the embedded engine."""

    case: str
    area: str
    state: State
    quirk: str | None
    shows: str
    details: tuple[str, ...] = ()


def conformance(options: argparse.Namespace) -> int:
    """Exit 0 if only deliberate differences and known findings were found, 3 if the engine cannot be
    started, else 1."""
    cases = _selected(options.area or [])
    findings = load_findings()
    accepted = _accepted(options.known or (), findings)
    searched, seed = (Whole(0).read(f"--{n}", getattr(options, n)) for n in ("search", "seed"))
    if searched:
        require_hypothesis()
    launcher, target = _engine(options.service or ())
    found = _measure(launcher, target, cases, searched, seed)
    known = tuple(
        finding
        for finding in findings.values()
        if finding.service == "execgo" and any(map(finding.concerns, found.versions))
    )
    title = f"execgo {launcher.describe('execgo', target)}"
    report = Report(title, found.results, found.programs, found.violations, known, accepted)
    if options.json:
        print_json_text(report.json())
    else:
        print(report.text("plain"), end="", flush=True)
    if options.markdown:
        options.markdown.write_text(report.text("github"), encoding="utf-8")
    if found.failure is not None:
        print_error(found.failure, label="harness error", keep_lines=True)
        return DEAD_ENGINE
    return 1 if report.differs else 0


def _accepted(words: Iterable[str], findings: dict[str, Finding]) -> dict[str, str]:
    """The findings that ``--known`` accepts: id and reason."""
    read = [KnownFinding().read("--known", word) for word in words]
    accepted = [AcceptedFinding.model_construct(id=one["id"], reason=one["reason"]) for one in read]
    check_accepted(accepted, findings, "--known")
    return {one.id: one.reason for one in accepted}


def _engine(words: Iterable[str]) -> tuple[Launcher, str]:
    """The launcher of the engine and its target."""
    choices = tuple(_choice(word) for word in words)
    launcher, target = FleetSpec(choices=choices).resolve(project_registry().launchers)["execgo"]
    if isinstance(launcher, Networked):
        raise UsageError(
            f"--service execgo={launcher.kind}: the cases need an engine on this machine's loopback "
            "interface; copy the executable out of the image (docker cp) and give execgo=binary:PATH"
        )
    return launcher, target


@dataclass
class Measured:
    """What an engine did until the end, or until it could not be used any more."""

    results: list[CaseResult] = field(default_factory=list)
    programs: int = 0
    violations: list[Found] = field(default_factory=list)
    versions: frozenset[str] = frozenset()
    failure: HarnessError | None = None


def _measure(
    launcher: Launcher, target: str, cases: list[Case], searched: int, seed: int
) -> Measured:
    """Run the cases, then ``searched`` generated programs."""
    found = Measured()
    progress = Progress()
    with Peer() as peer, tempfile.TemporaryDirectory(prefix="conformance-") as root:
        engines = Engines(launcher, target, peer, Path(root))
        try:
            for number, case in enumerate(cases, 1):
                progress.case(number, len(cases), case)
                found.results.append(_result(engines, case))
            if searched:
                programs = search(engines, searched, seed, progress.program)
                found.programs, found.violations = programs
        except HarnessError as error:
            # The report still shows what was found before.
            found.failure = error
        finally:
            engines.stop()
            progress.end()
        found.versions = frozenset(engines.versions)
    return found


@dataclass(frozen=True)
class Report:
    """The results. ``programs``: how many programs the search ran; 0 without a search."""

    title: str
    results: list[CaseResult]
    programs: int
    violations: list[Found]
    known: tuple[Finding, ...] = ()
    accepted: dict[str, str] = field(default_factory=dict)

    @property
    def differs(self) -> bool:
        """Whether a difference is neither deliberate nor an accepted finding."""
        if any(result.state == "differs" for result in self.results):
            return True
        return any(not self._accepted_for(found) for found in self.violations)

    def _accepted_for(self, found: Found) -> list[str]:
        return [
            finding.id
            for finding in self.known
            if finding.id in self.accepted and found.invariant in finding.invariants
        ]

    def seen(self) -> dict[str, list[str]]:
        """The known findings that this engine shows, each with its cases and invariants.

        The case of a quirk passes if the engine behaves as recorded, which means that it has the quirk.
        """
        seen = {}
        for finding in self.known:
            shown = [
                result.case
                for result in self.results
                if result.state == "passed" and result.quirk in finding.quirks
            ]
            shown += [v.invariant for v in self.violations if v.invariant in finding.invariants]
            if shown:
                seen[finding.id] = shown
        return seen

    def json(self) -> str:
        """The report as one line of JSON."""
        document = {
            "engine": self.title,
            "cases": [asdict(result) for result in self.results],
            "programs": self.programs,
            "violations": [
                asdict(found) | {"accepted": self._accepted_for(found)} for found in self.violations
            ],
            "known_findings": self.seen(),
        }
        return json_line(document) + "\n"

    def text(self, tablefmt: str) -> str:
        """The table per area, then the differences, then the violations that the search found."""
        parts = [_report(self.title, self.results, tablefmt), *self._known(tablefmt)]
        safe = _safe(tablefmt)
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
                f"- {found.invariant}: {safe(found.message)}",
                *(f"    known: {i} ({safe(self.accepted[i])})" for i in self._accepted_for(found)),
                *(f"    {for_markdown_code(line, LONGEST_TEXT)}" for line in found.curl),
            ]
        return "\n".join(parts).rstrip() + "\n"

    def _known(self, tablefmt: str) -> list[str]:
        summaries = {finding.id: finding.summary for finding in self.known}
        rows = [[name, summaries[name], ", ".join(by)] for name, by in self.seen().items()]
        if not rows:
            return []
        heading = "## Known findings" if tablefmt == "github" else "known findings of this engine:"
        if tablefmt == "github":
            safe = [[for_markdown(cell) for cell in row] for row in rows]
            return [heading, "", tabulate(safe, ["id", "what", "shown by"], tablefmt), ""]
        lines = [for_terminal(f"- {name}: {what} ({by})") for name, what, by in rows]
        return [heading, "", *lines, ""]


class Progress:
    """Progress on standard error: one changing line on a terminal, else a line per area and per hundred
    programs."""

    _PROGRAMS_PER_LINE = 100

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._area = ""

    def case(self, number: int, of: int, case: Case) -> None:
        """Show that a recorded case begins."""
        if self._terminal:
            overwrite_line(f"{number}/{of} {case.name}")
        elif case.area != self._area:
            print(f"{number}/{of} {case.area}", file=sys.stderr, flush=True)
        self._area = case.area

    def program(self, number: int) -> None:
        """Show that a generated program begins."""
        if self._terminal:
            overwrite_line(f"searching, program {number}")
        elif number % self._PROGRAMS_PER_LINE == 1:
            print(f"searching, program {number}", file=sys.stderr, flush=True)

    def end(self) -> None:
        """Clear the line of a terminal."""
        if self._terminal:
            overwrite_line("")


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


def _result(engines: Engines, case: Case) -> CaseResult:
    unfit = engines.why_not(case)
    if unfit:
        return CaseResult(case.name, case.area, "not_run", case.quirk, case.shows, (unfit,))
    found = engines.run(case)
    reason = engines.expected_to_differ(case)
    state: State = "passed"
    if found:
        state = "deliberate" if reason else "differs"
    details = (reason,) if reason and found else tuple(found)
    return CaseResult(case.name, case.area, state, case.quirk, case.shows, details)


def _report(title: str, results: list[CaseResult], tablefmt: str) -> str:
    areas: dict[str, list[CaseResult]] = defaultdict(list)
    for result in results:
        areas[result.area].append(result)
    states: tuple[State, ...] = ("passed", "differs", "deliberate", "not_run")
    rows = [
        [area, len(members), *(sum(r.state == state for r in members) for state in states)]
        for area, members in areas.items()
    ]
    rows.append(["all", len(results), *(sum(r.state == s for r in results) for s in states)])
    heading = "# Conformance of " if tablefmt == "github" else "conformance of "
    headers = ["area", "cases", "passed", "differs", "on purpose", "not run"]
    safe = _safe(tablefmt)
    parts = [heading + safe(title), "", tabulate(rows, headers, tablefmt=tablefmt), ""]
    for state, label in (("differs", "Differs"), ("deliberate", "Differs on purpose")):
        members = [result for result in results if result.state == state]
        if members:
            parts += [f"## {label}" if tablefmt == "github" else f"{label.lower()}:", ""]
            parts += [_line(result, safe) for result in members]
            parts.append("")
    reasons = Counter(result.details[0] for result in results if result.state == "not_run")
    parts += [f"not run: {count} cases: {safe(reason)}" for reason, count in reasons.items()]
    return "\n".join(parts).rstrip() + "\n"


def _line(result: CaseResult, safe: Callable[[str], str]) -> str:
    text = f"- {result.case}: {safe(result.shows)}"
    return "\n".join([text, *(f"    {safe(detail[:400])}" for detail in result.details[:4])])


def _safe(tablefmt: str) -> Callable[[str], str]:
    """What makes the words of an engine safe to show in a report."""
    return for_markdown if tablefmt == "github" else for_terminal
