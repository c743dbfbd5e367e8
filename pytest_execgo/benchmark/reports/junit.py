"""``junit.xml``: the run for CI systems that read the results of JUnit."""

from __future__ import annotations

import re
from collections.abc import Sequence
from xml.etree import ElementTree

from pytest_execgo.benchmark.reports.base import ReportFormat
from pytest_execgo.benchmark.reports.ended import EndedTrial, ended_trials
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.safe_text import for_terminal

# What XML 1.0 cannot contain, not even as an escape.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_ELEMENT = {"failed": "failure", "error": "error", "skipped": "skipped", "not_run": "skipped"}


class JunitReport(ReportFormat):
    """One suite per trial, because the schema of JUnit knows properties of suites only: ``cell``,
    ``cause``, ``record`` and ``rerun``."""

    filename = "junit.xml"

    def render(self, result: BenchmarkResult) -> str:
        """Indented XML."""
        ended = list(ended_trials(result))
        root = ElementTree.Element("testsuites", {"name": _text(result.run_id), **_counts(ended)})
        for one in ended:
            _add_suite(root, one)
        ElementTree.indent(root)
        text = ElementTree.tostring(root, encoding="unicode")
        return f'<?xml version="1.0" encoding="utf-8"?>\n{text}\n'


def _add_suite(root: ElementTree.Element, one: EndedTrial) -> None:
    skipped = str(int(_ELEMENT.get(one.end) == "skipped"))
    facts = {"name": _text(one.trial_id), **_counts([one]), "skipped": skipped}
    suite = ElementTree.SubElement(root, "testsuite", facts)
    properties = ElementTree.SubElement(suite, "properties")
    for name, value in _facts(one).items():
        ElementTree.SubElement(properties, "property", name=name, value=_text(value))
    _add_case(suite, one)


def _counts(ended: Sequence[EndedTrial]) -> dict[str, str]:
    return {
        "tests": str(len(ended)),
        "failures": str(sum(one.end == "failed" for one in ended)),
        "errors": str(sum(one.end == "error" for one in ended)),
        "time": _seconds(sum(_milliseconds(one) for one in ended)),
    }


def _add_case(suite: ElementTree.Element, one: EndedTrial) -> None:
    case = ElementTree.SubElement(
        suite,
        "testcase",
        classname=_text(f"scenarios.{one.cell.scenario}"),
        name=_text(one.name),
        time=_seconds(_milliseconds(one)),
    )
    if one.end in _ELEMENT:
        end = ElementTree.SubElement(case, _ELEMENT[one.end], message=_text(one.message))
        end.text = _text(one.text, keep_lines=True) or None


def _facts(one: EndedTrial) -> dict[str, str]:
    facts = {"cell": one.cell.cell_id, "record": one.record}
    if one.result is not None:
        facts["cause"] = one.result.verdict.attribution[0].name
        facts["rerun"] = one.result.rerun
    return facts


def _milliseconds(one: EndedTrial) -> float:
    return one.result.metrics.wall_time_ms if one.result else 0.0


def _seconds(milliseconds: float) -> str:
    return f"{milliseconds / 1000:.3f}"


def _text(text: str, *, keep_lines: bool = False) -> str:
    return _NOT_XML.sub("\ufffd", for_terminal(text, keep_lines=keep_lines))
