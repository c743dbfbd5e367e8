"""What ``conformance`` says before it starts an engine."""

from __future__ import annotations

import argparse
import re
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.cli import conformance as command
from pytest_execgo.conformance.cases import load_cases
from pytest_execgo.errors import UsageError
from pytest_execgo.system import proposals

PAGE = Path(__file__).parents[2] / "docs/conformance.md"


def test_the_page_lists_the_areas_that_the_command_knows() -> None:
    listed = re.search(r"`--area` chooses\s+some of them: ([^.]*)\.", PAGE.read_text())
    assert listed
    areas = {case.area for case in load_cases()}
    assert re.findall(r"`([^`]+)`", listed[1]) == sorted(areas)


def test_a_search_without_hypothesis_is_refused_before_any_case_runs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def measure(*given: Any) -> None:
        pytest.fail("the cases ran")

    monkeypatch.setattr(command, "_measure", measure)
    monkeypatch.setattr(proposals, "find_spec", lambda name: None)
    options = argparse.Namespace(area=None, known=None, search="5", seed="7", service=None)
    with pytest.raises(UsageError, match=r"install it with: pip install 'pytest-execgo\[search\]'"):
        command.conformance(options)
