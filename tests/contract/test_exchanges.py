"""The engine under test must answer like the real ExecGo in the recorded exchanges.

``pytest tests/contract`` runs them on the embedded engine;
``pytest tests/contract --execgo-service execgo=binary:/path/to/execgo`` on a real one.
"""

from __future__ import annotations

import pytest

from pytest_execgo.conformance.cases import Case, load_cases
from pytest_execgo.conformance.differences import DIFFERENCES
from pytest_execgo.conformance.engines import Engines


@pytest.mark.parametrize("case", load_cases(), ids=str)
def test_the_engine_answers_as_recorded(case: Case, engines: Engines) -> None:
    unfit = engines.why_not(case)
    if unfit:
        pytest.skip(unfit)
    found = engines.run(case)
    reason = engines.expected_to_differ(case)
    if reason:
        assert found, f"the answer matches now; remove it from the list: {reason}"
    else:
        assert not found, "\n".join(found)


def test_only_quirks_may_differ() -> None:
    cases = {case.name: case for case in load_cases()}
    for name, reason in DIFFERENCES.items():
        assert cases[name].quirk, f"{name} is not a quirk of the real engine"
        assert reason.startswith(f"{cases[name].quirk}: ")
