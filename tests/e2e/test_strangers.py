"""A running fleet against clients that are not part of it: other users, and web pages."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import psutil
import pytest
import requests

from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from pytest_execgo.harness.service import SERVICE_NAMES
from tests.processes import await_, own_program

PAGE = {"Origin": "http://evil.example", "Content-Type": "text/plain"}
REBOUND = {"Host": "evil.example"}


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(FleetSpec(links=frozenset(SERVICE_NAMES)), Registry.build().launchers) as fleet:
        yield fleet


def addresses(fleet: Fleet) -> list[tuple[str, str]]:
    """Each service and its base URL, directly and through its link."""
    found = [(name, service.url) for name, service in fleet.services.items()]
    return found + [(name, fleet.url(name)) for name in fleet.services]


def harmful(name: str, marker: Path) -> tuple[str, dict[str, object]]:
    """Path and body of a request that runs a command, or changes what fixtures answers."""
    if name == "execgo":
        task = {"id": "t", "type": "shell", "params": {"script": f"touch {marker}"}}
        return "/tasks", {"tasks": [task]}
    if name == "runtime":
        execution = {"kind": "command", "program": "touch", "args": [str(marker)]}
        return "/api/v1/tasks", {"task_id": "t", "execution": execution}
    return "/__control/faults", {"scope": "x", "effect": "error"}


@pytest.mark.parametrize("headers", [{}, {"X-Execgo-Token": "guess"}, PAGE, REBOUND])
def test_a_stranger_runs_and_changes_nothing(
    fleet: Fleet, tmp_path: Path, headers: dict[str, str]
) -> None:
    for name, base in addresses(fleet):
        path, body = harmful(name, tmp_path / "executed")
        reply = requests.post(base + path, json=body, headers=headers, timeout=10)
        assert reply.status_code in (401, 403), (name, reply.text)
    tasks = f"{fleet.url('execgo')}/tasks"
    assert requests.get(tasks, headers=fleet.headers("execgo"), timeout=10).json() == []
    faults = f"{fleet.url('fixtures')}/__control/faults"
    found = requests.get(faults, headers=fleet.headers("fixtures"), timeout=10).json()
    assert found == {"faults": []}
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize("headers", [PAGE, REBOUND])
def test_a_web_page_is_refused_even_with_the_token(fleet: Fleet, headers: dict[str, str]) -> None:
    for name, base in addresses(fleet):
        token = fleet.headers(name)
        reply = requests.get(base + "/", headers={**token, **headers}, timeout=10)
        assert reply.status_code == 403
        assert "Access-Control-Allow-Origin" not in reply.headers


def test_a_stranger_reads_nothing_but_health_and_fixture_content(fleet: Fleet) -> None:
    for path in ("/tasks", "/metrics", "/__control/access", "/api/v1/tasks/t"):
        for name, base in addresses(fleet):
            assert requests.get(base + path, timeout=10).status_code == 401, (name, path)
    for service in fleet.services.values():
        assert requests.get(service.health_url, timeout=10).status_code == 200
    content = f"{fleet.url('fixtures')}/t/x/advisories"
    assert requests.get(content, timeout=10).status_code == 200


# -- services that take no token


@pytest.fixture(scope="module", params=["execgo", "both"])
def open_fleet(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """A fleet whose ExecGo, or whose ExecGo and runtime, are binaries, which know no token."""
    names = ("execgo", "runtime") if request.param == "both" else ("execgo",)
    folder = tmp_path_factory.mktemp("programs")
    choices = tuple((name, f"binary:{own_program(folder, name)}") for name in names)
    spec = FleetSpec(choices=choices, links=frozenset(SERVICE_NAMES))
    with Fleet(spec, Registry.build().launchers) as fleet:
        yield fleet


def test_a_runtime_task_reaches_the_runtime_of_an_execgo_without_token(open_fleet: Fleet) -> None:
    execution = {"kind": "command", "program": "true"}
    task = {"id": "t", "type": "runtime", "input": {"execution": execution}}
    base = open_fleet.url("execgo")
    assert requests.post(f"{base}/tasks", json={"tasks": [task]}, timeout=10).status_code == 202
    await_(lambda: requests.get(f"{base}/tasks/t", timeout=10).json()["status"] != "running")
    await_(lambda: requests.get(f"{base}/tasks/t", timeout=10).json()["status"] == "success")


def test_a_service_without_token_listens_where_no_page_can_find_it(open_fleet: Fleet) -> None:
    for name, base in addresses(open_fleet):
        host, token = urlsplit(base).hostname, open_fleet.headers(name)
        assert (host == "127.0.0.1") == bool(token), name
    for service in open_fleet.services.values():
        if not open_fleet.headers(service.name):
            assert service.pid is not None
            found = psutil.Process(service.pid).net_connections()
            hosts = {one.laddr.ip for one in found if one.status == psutil.CONN_LISTEN}
            assert hosts == {urlsplit(service.url).hostname}


def test_the_token_in_the_path_is_as_good_as_in_the_header(fleet: Fleet) -> None:
    (token,) = fleet.headers("runtime").values()
    base = fleet.url("runtime")
    assert requests.get(f"{base}/{token}/api/v1/runtime/info", timeout=10).status_code == 200
    for wrong in (token[:-1], token + "x", f"x/{token}", ""):
        reply = requests.get(f"{base}/{wrong}/api/v1/runtime/info", timeout=10)
        assert reply.status_code == 401
