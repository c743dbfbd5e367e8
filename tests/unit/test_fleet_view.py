"""What the runner learns about the fleet: services behind links, and processes of tasks."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any, cast

import pytest

from pytest_execgo.chaos.controller import ChaosController
from pytest_execgo.emulators.httpd import Request, Response, json_response
from pytest_execgo.harness.fleet import Fleet
from pytest_execgo.harness.processes.service import ProcessService
from pytest_execgo.harness.proxy import FaultProxy
from pytest_execgo.models.environment import ServiceInfo
from pytest_execgo.run.fleet_view import TrialFleet
from tests.endpoints import serving


class Runtime:
    """A runtime whose processes cannot be seen from here, behind a link."""

    name = "runtime"

    def __init__(self, url: str, *, linked: bool = False) -> None:
        self.url, self.health_url, self.alive = url, f"{url}/readyz", True
        self.link: FaultProxy | None = FaultProxy(url) if linked else None
        self.pid = 7
        self.info = ServiceInfo(launcher="container", version="1")

    def running(self) -> bool:
        return self.alive


class VisibleRuntime(Runtime):
    """Its processes are processes of this machine."""

    has_process = ProcessService.has_process


class World:
    def __init__(self, url: str) -> None:
        self.runtime: Runtime = Runtime(url, linked=True)
        self.link = cast(FaultProxy, self.runtime.link)
        self.execgo: Runtime = Runtime(url)
        self.execgo.name = "execgo"
        self.away: list[str] = []
        self.healing = False

    @property
    def services(self) -> dict[str, Any]:
        return {"runtime": self.runtime, "execgo": self.execgo}

    def unready(self) -> list[str]:
        return list(self.away)

    def headers(self, service: str) -> dict[str, str]:
        return {"x-token": service}

    def returning(self, service: str) -> bool:
        return self.healing

    @property
    def view(self) -> TrialFleet:
        return TrialFleet(cast(Fleet, self), cast(ChaosController, self))


@pytest.fixture
def asked() -> list[Request]:
    return []


@pytest.fixture
def world(asked: list[Request]) -> Iterator[World]:
    def handle(request: Request) -> Response:
        asked.append(request)
        return json_response({"status": "ok"})

    with serving(handle) as url:
        found = World(url)
        yield found
        found.link.close()


@pytest.mark.parametrize("kind", ["reset", "partition"])
def test_a_service_behind_a_broken_link_is_not_ready(world: World, kind: Any) -> None:
    assert world.view.unready() == []
    fault = world.link.inject(kind)
    assert world.view.unready() == ["runtime"]
    assert fault.injected_at is None, "a look is no client that meets the fault"
    world.link.heal()
    assert world.view.unready() == []


def test_a_service_behind_a_slow_link_is_ready(world: World) -> None:
    world.link.inject("latency", 20.0)
    assert world.view.unready() == []


def test_a_service_without_a_link_is_judged_by_its_own_answers(world: World) -> None:
    world.runtime.link = None
    assert world.view.unready() == []
    world.away = ["runtime"]
    assert world.view.unready() == ["runtime"]
    assert world.view.will_return("runtime")


@pytest.mark.parametrize(
    ("kind", "healing", "returns"),
    [
        ("reset", True, True),
        ("reset", False, False),
        ("partition", False, False),
        ("latency", False, True),
    ],
)
def test_a_link_returns_only_if_it_is_healed(
    world: World, kind: Any, healing: bool, returns: bool
) -> None:
    world.link.inject(kind)
    world.healing = healing
    assert world.view.will_return("runtime") is returns


def test_a_service_whose_process_ended_returns_only_if_it_is_started_again(world: World) -> None:
    world.runtime.alive = False
    assert not world.view.will_return("runtime")
    world.healing = True
    assert world.view.will_return("runtime")


# -- processes of tasks

NEVER = 2**22 + 1
"""Larger than any process id on Linux."""


def test_processes_of_a_runtime_elsewhere_are_never_seen_ended(world: World) -> None:
    assert not world.view.processes_ended([NEVER])


def test_a_process_that_does_not_exist_has_ended(world: World) -> None:
    world.runtime, world.execgo = (VisibleRuntime(world.runtime.url) for _ in range(2))
    assert world.view.processes_ended([NEVER])
    assert not world.view.processes_ended([os.getpid()])
    assert not world.view.processes_ended([NEVER, os.getpid()])


def test_process_ids_of_an_execgo_elsewhere_say_nothing_about_this_machine(world: World) -> None:
    world.runtime = VisibleRuntime(world.runtime.url)
    assert not world.view.processes_ended([NEVER])


# -- cancelling


def test_cancelling_asks_the_runtime_itself(world: World, asked: list[Request]) -> None:
    assert world.view.cancel("run.s.a/b") == "status 200"
    (request,) = asked
    assert (request.method, request.path) == ("POST", "/api/v1/tasks/run.s.a%2Fb/kill")
    assert request.headers["x-token"] == "runtime"


def test_a_runtime_that_an_external_execgo_does_not_use_is_not_asked(
    world: World, asked: list[Request]
) -> None:
    world.execgo.info = ServiceInfo(launcher="external", version="1")
    assert world.view.cancel("a").startswith("not asked: ")
    assert asked == []
    world.runtime.info = world.execgo.info
    assert world.view.cancel("a") == "status 200"


def test_a_runtime_that_does_not_answer_is_no_error(world: World) -> None:
    world.runtime.url = "http://127.0.0.1:9"
    assert "connection refused" in world.view.cancel("a")
