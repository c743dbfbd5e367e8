"""Service actions on real processes and connections: each fault takes effect, and healing removes it."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from time import monotonic, sleep
from typing import Any
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from pytest_execgo.chaos.action import Injection, ServiceAction
from pytest_execgo.chaos.actions.limit import Limit
from pytest_execgo.chaos.actions.network import Network
from pytest_execgo.errors import UsageError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from pytest_execgo.harness.service import SERVICE_NAMES
from pytest_execgo.ports import Killable
from pytest_execgo.transport.client import request
from tests.ids import readable

REGISTRY = Registry.build()
LINUX = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="Linux only")


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet(FleetSpec(links=frozenset(SERVICE_NAMES)), REGISTRY.launchers) as running:
        yield running


def inject(fleet: Fleet, name: str, target: str, **params: Any) -> Injection:
    action = REGISTRY.actions[name](**params)
    assert isinstance(action, ServiceAction)
    service = fleet.services[target]
    assert action.unsupported(service) is None
    return action.inject(service, "trial", Random(1))


def await_(condition: Callable[[], object]) -> None:
    deadline = monotonic() + 60
    while not condition():
        assert monotonic() < deadline
        sleep(0.01)


def answers(url: str, timeout: float = 10) -> bool:
    try:
        return request("GET", url, timeout=timeout).ok
    except requests.RequestException:
        return False


@pytest.mark.parametrize("target", SERVICE_NAMES)
@pytest.mark.parametrize("name", ["kill", "restart"])
def test_a_healed_service_runs_again_on_its_address(fleet: Fleet, name: str, target: str) -> None:
    service = fleet.services[target]
    before, url = service.pid, service.url
    injection = inject(fleet, name, target)
    assert not service.running()
    assert target in fleet.unready()
    injection.heal()
    assert (service.url, fleet.unready()) == (url, [])
    assert service.pid != before


def test_a_paused_service_runs_and_does_not_answer(fleet: Fleet) -> None:
    service = fleet.services["runtime"]
    injection = inject(fleet, "pause", "runtime")
    assert service.running()
    await_(lambda: psutil.Process(service.pid).status() == psutil.STATUS_STOPPED)
    assert not answers(service.health_url, 0.4)
    assert fleet.active_faults() == ["runtime is still under pause"]
    injection.heal()
    assert answers(service.health_url)
    assert fleet.active_faults() == []


@LINUX
def test_a_memory_limit_takes_effect_and_is_removed(fleet: Fleet) -> None:
    import resource

    service = fleet.services["runtime"]
    assert service.pid is not None
    before = resource.prlimit(service.pid, resource.RLIMIT_AS)
    injection = inject(fleet, "limit", "runtime", resource="memory", amount=64)
    assert resource.prlimit(service.pid, resource.RLIMIT_AS)[0] == 64 * 2**20
    injection.heal()
    assert resource.prlimit(service.pid, resource.RLIMIT_AS) == before


def test_a_throttled_process_is_stopped_most_of_the_time(fleet: Fleet) -> None:
    service = fleet.services["runtime"]
    process = psutil.Process(service.pid)
    injection = inject(fleet, "limit", "runtime", resource="cpu", amount=0.1)
    await_(lambda: process.status() == psutil.STATUS_STOPPED)
    await_(lambda: process.status() != psutil.STATUS_STOPPED)
    injection.heal()
    assert process.status() != psutil.STATUS_STOPPED
    assert answers(service.health_url)


def test_a_pids_limit_takes_effect_or_the_machine_does_not_support_it(fleet: Fleet) -> None:
    service = fleet.services["runtime"]
    reason = Limit(resource="pids", amount=0).unsupported(service)
    if reason:
        pytest.skip(reason)
    injection = inject(fleet, "limit", "runtime", resource="pids", amount=0)
    # A connection needs a thread of the runtime's, and there is none to be had.
    assert not answers(service.health_url, 0.4)
    injection.heal()
    assert answers(service.health_url)


@LINUX
def test_a_process_that_ends_because_of_a_limit_is_started_again(fleet: Fleet) -> None:
    service = fleet.services["runtime"]
    injection = inject(fleet, "limit", "runtime", resource="memory", amount=64)
    assert isinstance(service, Killable)
    service.kill()
    assert injection.heal() == "runtime had ended, and runs again"
    assert fleet.unready() == []


@pytest.mark.parametrize("kind", ["reset", "partition"])
def test_a_broken_link_leaves_the_service_healthy(fleet: Fleet, kind: str) -> None:
    service = fleet.services["execgo"]
    through = fleet.url("execgo") + "/health"
    assert answers(through)
    injection = inject(fleet, "network", "execgo", kind=kind)
    assert not answers(through, 0.4)
    assert answers(service.health_url)
    assert fleet.active_faults() == [f"the link to execgo is still under {kind}"]
    injection.heal()
    assert answers(through)
    assert fleet.active_faults() == []


def test_a_partition_holds_data_back_and_loses_none(fleet: Fleet) -> None:
    address = urlsplit(fleet.url("execgo"))
    with socket.create_connection((address.hostname, address.port), timeout=0.3) as line:
        injection = inject(fleet, "network", "execgo", kind="partition")
        line.sendall(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(TimeoutError):
            line.recv(1)
        injection.heal()
        line.settimeout(10)
        assert line.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("name", "target", "params"),
    [
        ("pause", "runtime", {}),
        ("limit", "runtime", {"resource": "memory", "amount": 512}),
        ("limit", "runtime", {"resource": "cpu", "amount": 0.5}),
        ("network", "execgo", {"kind": "reset"}),
    ],
    ids=readable,
)
def test_the_same_fault_twice_is_refused_and_the_first_can_be_healed(
    fleet: Fleet, name: str, target: str, params: dict[str, Any]
) -> None:
    first = inject(fleet, name, target, **params)
    with pytest.raises(RuntimeError, match="already"):
        inject(fleet, name, target, **params)
    first.heal()
    assert fleet.active_faults() == []
    assert answers(fleet.services[target].health_url)


def test_a_paused_service_can_be_restarted(fleet: Fleet) -> None:
    service = fleet.services["runtime"]
    inject(fleet, "pause", "runtime")
    restart = inject(fleet, "restart", "runtime")
    assert restart.detail == "stopped runtime (exit status 0)"
    restart.heal()
    assert fleet.active_faults() == []
    assert answers(service.health_url)


def test_a_limit_ends_with_its_process(fleet: Fleet) -> None:
    limit = inject(fleet, "limit", "runtime", resource="cpu", amount=0.5)
    kill = inject(fleet, "kill", "runtime")
    kill.heal()
    assert fleet.active_faults() == []
    limit.heal()
    assert answers(fleet.services["runtime"].health_url)


def test_latency_is_added_each_way(fleet: Fleet) -> None:
    through = fleet.url("execgo") + "/health"
    inject(fleet, "network", "execgo", kind="latency", latency_ms=150)
    began = monotonic()
    assert answers(through)
    assert monotonic() - began >= 0.3


def advisories(fleet: Fleet, scope: str = "trial") -> requests.Response:
    url = f"{fleet.url('fixtures')}/t/{scope}/advisories/quickserial"
    return request("GET", url, timeout=10)


def test_fixtures_can_answer_late(fleet: Fleet) -> None:
    injection = inject(fleet, "latency", "fixtures", delay_ms=200)
    assert injection.injected_at is not None
    assert injection.injected_at() is None, "it waits for a request"
    good = advisories(fleet, "another").content
    began = monotonic()
    assert advisories(fleet).content == good
    assert monotonic() - began >= 0.2
    assert injection.injected_at() is not None


def test_fixtures_can_send_garbage(fleet: Fleet) -> None:
    injection = inject(fleet, "garbage", "fixtures", times=1)
    reply = advisories(fleet)
    assert reply.status_code == 200
    with pytest.raises(ValueError, match=r".*"):
        reply.json()
    assert advisories(fleet).json()["package"] == "quickserial", "once was asked for"
    injection.heal()


def test_a_wrong_value_keeps_the_shape(fleet: Fleet) -> None:
    good = advisories(fleet).json()
    inject(fleet, "wrong_value", "fixtures")
    false = advisories(fleet).json()
    assert false != good
    assert shape(false) == shape(good)


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(found) for key, found in value.items()}
    if isinstance(value, list):
        return [shape(found) for found in value]
    return type(value)


def test_the_access_log_survives_a_restart_of_the_server(fleet: Fleet) -> None:
    advisories(fleet)
    inject(fleet, "kill", "fixtures").heal()
    log = f"{fleet.services['fixtures'].url}/__control/access"
    token = fleet.headers("fixtures")
    found = request("GET", log, params={"scope": "trial"}, headers=token, timeout=5).json()
    (entry,) = found["requests"]
    assert entry["path"] == "/advisories/quickserial"


@pytest.mark.parametrize("name", ["kill", "restart", "pause", "limit"])
def test_an_external_service_does_not_support_process_faults(fleet: Fleet, name: str) -> None:
    choices = (("execgo", f"external:{fleet.url('execgo')}"),)
    with Fleet(
        FleetSpec(choices=choices, links=frozenset({"runtime"})), REGISTRY.launchers
    ) as other:
        params = {"resource": "cpu", "amount": 0.5} if name == "limit" else {}
        action = REGISTRY.actions[name](**params)
        expected = f"execgo does not support {name}"
        assert action.unsupported(other.services["execgo"]) == expected
        reason = Network(kind="reset").unsupported(other.services["runtime"])
        assert reason == "no fault proxy is on the connection from execgo to runtime"


@pytest.mark.parametrize(
    ("name", "params", "complaint"),
    [
        ("limit", {"resource": "cpu", "amount": 2}, "cpu is a share of the time"),
        ("limit", {"resource": "disk", "amount": 2}, "resource"),
        ("network", {"kind": "slow"}, "kind"),
        ("bad_dependency", {"kind": "twice"}, "kind"),
        ("exhaust_timeout", {"left_ms": 0}, "left_ms"),
        ("latency", {"delay": 3}, "delay: unknown key"),
    ],
    ids=readable,
)
def test_parameters_are_checked_when_a_profile_is_loaded(
    tmp_path: Path, name: str, params: dict[str, Any], complaint: str
) -> None:
    action = REGISTRY.actions[name]
    target = sorted(action.targets)[0]
    path = tmp_path / "p.yaml"
    path.write_text(
        f"schema_version: '1'\nid: p\nexpectation: measure\nfaults:\n"
        f"  - {{ action: {name}, target: {target}, params: {params}, "
        f"when: {{ phase: {sorted(action.phases)[0]} }} }}\n"
    )
    with pytest.raises(UsageError) as error:
        REGISTRY.load_profile(path)
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)
