"""``conformance``: how far an engine speaks ExecGo's contract, as a table per area."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections import defaultdict
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from tabulate import tabulate

from pytest_execgo.conformance.cases import Case, load_cases
from pytest_execgo.conformance.peer import Peer
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
    """Exit 0 if no case differs but the deliberate ones, else 1."""
    cases = _selected(options.area or [])
    launchers = Registry.build().launchers
    choices = tuple(_choice(word) for word in options.service or ())
    launcher, target = FleetSpec(choices=choices).resolve(launchers)["execgo"]
    findings = []
    with Peer() as peer, tempfile.TemporaryDirectory(prefix="conformance-") as root:
        engines = Engines(launcher, target, peer, Path(root))
        try:
            for number, case in enumerate(cases, 1):
                _progress(number, len(cases), case)
                findings.append(_finding(engines, case))
        finally:
            engines.stop()
            _progress_done()
    title = f"execgo {launcher.describe('execgo', target)}"
    if options.markdown:
        options.markdown.write_text(_report(title, findings, "github"), encoding="utf-8")
    if options.json:
        rows = [asdict(finding) for finding in findings]
        print(json.dumps({"engine": title, "cases": rows}, ensure_ascii=False))
    else:
        print(_report(title, findings, "plain"), end="")
    return 1 if any(finding.state == "differs" for finding in findings) else 0


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
    return "\n".join(parts).rstrip() + "\n"


def _line(finding: Finding) -> str:
    text = f"- {finding.case}: {finding.shows}"
    return "\n".join([text, *(f"    {detail[:400]}" for detail in finding.details[:4])])


def _progress(number: int, of: int, case: Case) -> None:
    if sys.stderr.isatty():
        print(f"\r\033[K{number}/{of} {case.name}", end="", file=sys.stderr, flush=True)


def _progress_done() -> None:
    if sys.stderr.isatty():
        print("\r\033[K", end="", file=sys.stderr)
