"""The recorded exchanges of the real ExecGo, against the engine under test.

``pytest tests/contract`` runs them on the embedded engine;
``pytest tests/contract --execgo-service execgo=binary:/path/to/execgo`` on a real one.
"""

from __future__ import annotations

import pytest

from pytest_execgo.conformance.cases import Case, load_cases
from pytest_execgo.conformance.peer import Peer
from pytest_execgo.conformance.runner import CaseRunner
from tests.contract.conftest import Engines
from tests.contract.differences import DIFFERENCES

# What the real engine needs a minute to die of cannot be waited for on one that lives on.
FATAL_WITHIN_SECONDS = 0.5


@pytest.mark.parametrize("case", load_cases(), ids=str)
def test_exchange(case: Case, engines: Engines, peer: Peer) -> None:
    if engines.external and (case.engine.own or case.engine.env or case.peer is not None):
        pytest.skip("needs an engine that is started for it; the one under test is external")
    expected_to_differ = engines.embedded and case.name in DIFFERENCES
    engine = engines.get(case.engine)
    try:
        found = CaseRunner(engine, peer, engines.closed).run(_shortened(case, expected_to_differ))
    finally:
        if case.engine.own:
            engine.service.stop()
    if expected_to_differ:
        assert found, f"fits now; take it off the list: {DIFFERENCES[case.name]}"
    else:
        assert not found, "\n".join(found)


def _shortened(case: Case, differs: bool) -> Case:
    """Waiting for a death that will not come proves itself as soon as the engine still lives."""
    if not (differs and case.engine.fatal):
        return case
    steps = [
        {**step, "within_s": FATAL_WITHIN_SECONDS} if step.get("control") == "await_exit" else step
        for step in case.requests
    ]
    return Case(**{**vars(case), "requests": tuple(steps)})


def test_only_quirks_may_differ() -> None:
    cases = {case.name: case for case in load_cases()}
    for name, reason in DIFFERENCES.items():
        assert cases[name].quirk, f"{name} is no quirk of the real engine"
        assert reason.startswith(f"{cases[name].quirk}: ")
