"""The embedded services answer as the real ones did, to requests that a generator made.

``python -m tests.differential`` compares more requests, and records these answers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from tests.differential.__main__ import RECORDED
from tests.differential.compare import Answer, ask
from tests.differential.declared import why_different
from tests.differential.generate import Sent


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(FleetSpec(), Registry.build().launchers) as fleet:
        yield fleet


@pytest.mark.parametrize("service", ["execgo", "runtime"])
def test_the_embedded_service_answers_as_the_real_one(fleet: Fleet, service: str) -> None:
    recorded = json.loads(RECORDED.read_text())[service]
    assert len(recorded) >= 50
    wrong = []
    for number, (request, answer) in enumerate(recorded):
        sent, theirs = Sent(**request), Answer(*answer)
        mine = ask(fleet.url(service), fleet.headers(service), sent, f"r{number}")
        if mine != theirs and why_different(service, sent, mine, theirs) is None:
            wrong.append((sent, mine.as_json(), theirs.as_json()))
    assert not wrong, f"{len(wrong)} of {len(recorded)}; the first: {wrong[0]}"
