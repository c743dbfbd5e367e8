"""An answer of fixtures that is changed on its way is found by asking again."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from pytest_execgo.models.events import AnswerDiffers, FixtureRequest
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.observability.second_look import look_again
from tests.hostile import HostileServer, http
from tests.processes import started

PATH = "/advisories/requests"


@pytest.fixture
def fixtures(tmp_path: Path) -> Iterator[str]:
    with started("fixtures_server", tmp_path, "--port", "0") as ready:
        yield ready["url"]


def differing(tmp_path: Path, url: str, *requests: FixtureRequest) -> list[str]:
    recorder = TimelineRecorder(tmp_path)
    for request in requests:
        recorder.add(request)
    look_again(url, {}, "trial", recorder)
    recorder.close()
    return [event.path for event in recorder.events() if isinstance(event, AnswerDiffers)]


def request(reference: str, served: str = "") -> FixtureRequest:
    return FixtureRequest(
        method="GET", path=PATH, status=200, duration_ms=1, sha256=served or reference,
        reference_sha256=reference,
    )  # fmt: skip


def test_a_client_that_gets_what_the_server_has_sees_no_difference(
    tmp_path: Path, fixtures: str
) -> None:
    body = requests.get(f"{fixtures}/t/x{PATH}", timeout=10).content
    right = hashlib.sha256(body).hexdigest()
    assert differing(tmp_path, fixtures, request(right)) == []
    assert differing(tmp_path, fixtures, request("of another fixture")) == [PATH]
    # The server itself was wrong: that is in its log.
    assert differing(tmp_path, fixtures, request("a", served="b")) == []


def test_a_refusal_may_name_the_scope_of_its_request(tmp_path: Path, fixtures: str) -> None:
    refused = request("a text that names the scope").model_copy(update={"status": 404})
    assert differing(tmp_path, fixtures, refused) == []


def test_an_answer_that_changes_on_its_way_is_recorded(tmp_path: Path) -> None:
    with HostileServer(lambda method, path: [http({"changed": True})]) as between:
        assert differing(tmp_path, between.url, request("the right one")) == [PATH]


def test_a_server_that_does_not_answer_is_not_asked_for_long(tmp_path: Path) -> None:
    with HostileServer(lambda method, path: []) as silent:
        many = [request("x").model_copy(update={"path": f"/{number}"}) for number in range(9)]
        assert differing(tmp_path, silent.url, *many) == []
        assert len(silent.requests) == 1
