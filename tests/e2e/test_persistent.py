"""Persistent fleets by the commands of a user: start, show, use in a run, remove."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.harness.containers import leftovers
from pytest_execgo.harness.containers import persistent as kept
from pytest_execgo.harness.containers.engine import engine
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from pytest_execgo.transport.client import request
from tests import containers
from tests.containers import PYTHON_IMAGE
from tests.ids import readable

NAME = f"test-{os.getpid()}"


def harness(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest_execgo", "harness", *words]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def up(*words: str) -> subprocess.CompletedProcess[str]:
    return harness("up", NAME, "--python-image", PYTHON_IMAGE, *words)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """The loopback port of ExecGo in a persistent fleet that all tests of this file share."""
    containers.need_engine()
    chosen = free_port()
    done = up("--publish", f"execgo={chosen}")
    assert done.returncode == 0, done.stderr
    assert f"--execgo-fleet {NAME}" in done.stdout
    yield chosen
    done = harness("down", NAME)
    assert (done.returncode, done.stdout) == (0, f"fleet {NAME} is down\n")
    assert not [one for one in containers.ours() if NAME in one]


def status() -> dict[str, Any]:
    done = harness("status", NAME, "--json")
    return {row["service"]: row for row in json.loads(done.stdout)}


def attached(**options: Any) -> Fleet:
    return Fleet(FleetSpec(f"persistent:{NAME}"), containers.LAUNCHERS, **options)


def test_status_shows_health_addresses_and_versions(port: int) -> None:
    shown = status()
    assert {row["state"] for row in shown.values()} == {"ready"}
    assert shown["execgo"]["published"] == f"http://127.0.0.1:{port}"
    assert "speaks v1.0.0" in shown["execgo"]["version"]
    assert request("GET", f"http://127.0.0.1:{port}/health", timeout=5).json()["status"] == "ok"
    assert request("GET", f"{shown['fixtures']['url']}/healthz", timeout=5).ok


def test_a_second_fleet_with_the_same_name_or_port_is_refused(port: int) -> None:
    assert f"fleet {NAME} is up already" in up().stderr
    done = harness("up", f"{NAME}-b", "--python-image", PYTHON_IMAGE, "--publish", f"execgo={port}")
    assert done.returncode == 2
    assert f"port {port} of 127.0.0.1, for execgo, is taken" in done.stderr
    assert f"{NAME}-b" not in kept.names()


def test_a_run_uses_the_fleet_and_leaves_it_running(port: int, pytester: pytest.Pytester) -> None:
    before = engine().containers.get(f"execgo-persistent-{NAME}-fixtures").attrs["State"]["Pid"]
    words = ("--execgo-matrix", "--execgo-scenario=vuln_scan", f"--execgo-fleet={NAME}")
    result = pytester.runpytest_subprocess(
        *words, "--execgo-chaos=none", "--execgo-chaos=runtime_kill"
    )
    result.assert_outcomes(passed=2)
    report = json.loads((pytester.path / "reports/latest/benchmark.json").read_text())
    assert report["environment"]["services"]["execgo"]["image"].startswith("pytest-execgo/execgo:")
    assert f"persistent:{NAME}" in report["trials"][0]["rerun"]
    assert {row["state"] for row in status().values()} == {"ready"}
    after = engine().containers.get(f"execgo-persistent-{NAME}-fixtures").attrs["State"]["Pid"]
    assert before == after


def test_faults_of_an_earlier_run_are_healed_at_the_next_use(port: int) -> None:
    client = engine()
    client.containers.get(f"execgo-persistent-{NAME}-execgo").pause()
    client.containers.get(f"execgo-persistent-{NAME}-runtime").kill()
    found = client.containers.get(f"execgo-persistent-{NAME}-fixtures")
    found.update(mem_limit="512m", memswap_limit="512m")
    client.networks.get(f"execgo-persistent-{NAME}").disconnect(found)
    shown = status()
    assert (shown["execgo"]["state"], shown["runtime"]["state"]) == ("paused", "exited with 137")
    assert harness("status", NAME).returncode == 1
    with attached() as fleet:
        assert (fleet.unready(), fleet.active_faults()) == ([], [])
        assert fleet.services["fixtures"].state()[1]["memory"] == "unlimited"


def test_only_one_run_at_a_time_can_use_a_fleet(port: int) -> None:
    with attached():
        with pytest.raises(Exception, match=rf"fleet {NAME} is in use by process {os.getpid()}"):
            attached().start()
        done = harness("down", NAME)
        assert (done.returncode, "is in use" in done.stderr) == (2, True)


def test_services_restart_after_a_run_that_was_killed(port: int) -> None:
    client = engine()
    script = (
        "import sys\nfrom tests.containers import LAUNCHERS\n"
        "from pytest_execgo.harness.fleet import Fleet, FleetSpec\n"
        f"Fleet(FleetSpec('persistent:{NAME}'), LAUNCHERS).start()\n"
        "print('up', flush=True)\nsys.stdin.read()\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    child.kill()
    child.communicate()
    before = client.containers.get(f"execgo-persistent-{NAME}-runtime").attrs["State"]["Pid"]
    with attached() as fleet:
        assert fleet.services["runtime"].pid != before
    with attached() as fleet:
        steady = fleet.services["runtime"].pid
    with attached(renew=True) as fleet:
        assert fleet.services["runtime"].pid != steady


def test_a_persistent_fleet_must_provide_all_services(port: int) -> None:
    for choices in ((("runtime", "embedded"),), (("runtime", "persistent:other"),)):
        with pytest.raises(UsageError, match=r"provides all services|two networks"):
            FleetSpec(f"persistent:{NAME}", choices).resolve(containers.LAUNCHERS, names_only=True)


def test_a_fleet_without_its_network_is_shown_and_can_be_removed() -> None:
    containers.need_engine()
    name = f"{NAME}-cut"
    kept.up(name, containers.spec(), containers.LAUNCHERS, {}, lambda line: None)
    client = engine()
    for container in client.containers.list(filters={"label": f"{leftovers.PERSISTENT}={name}"}):
        container.kill()
    for network in client.networks.list(filters={"label": f"{leftovers.PERSISTENT}={name}"}):
        for container in client.containers.list(
            all=True, filters={"label": f"{leftovers.PERSISTENT}={name}"}
        ):
            network.disconnect(container, force=True)
        network.remove()
    shown = {row.service: row.state for row in kept.status(name)}
    assert set(shown.values()) == {"without its network"}
    kept.down(name)
    assert name not in kept.names()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("status", "missing"), "unknown fleet 'missing'"),
        (("down", "missing"), "start one: python -m pytest_execgo harness up NAME"),
        (("down",), "give a NAME"),
        (("down", "x", "--all"), "a NAME or --all, not both"),
        (("up", "Not A Name"), "a name has 1 to 41 of the characters a-z, 0-9, - and _"),
        (("up", "x", "--publish", "execgo=0"), "expected a port from 1 to 65535"),
        (
            ("up", "x", "--publish", "execgo=81", "--publish", "runtime=81"),
            "give each service one port, and each port to one service",
        ),
        (("up", "x", "--publish", "exgo=80"), "did you mean 'execgo'?"),
        (("up", "x", "--service", "execgo=embedded"), "a persistent fleet consists of containers"),
    ],
    ids=readable,
)
def test_mistakes_are_one_line(words: tuple[str, ...], message: str) -> None:
    containers.need_engine()
    done = harness(*words)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert message in done.stderr


def test_a_failed_start_leaves_no_container(request: pytest.FixtureRequest, tmp_path: Path) -> None:
    containers.need_engine()
    request.addfinalizer(lambda: containers.remove_images_of(tmp_path))
    target = containers.write_image(tmp_path, 'CMD ["sh", "-c", "exit 7"]')
    name = f"{NAME}-broken"
    done = harness("up", name, "--python-image", PYTHON_IMAGE, "--service", f"execgo={target}")
    assert done.returncode == 1
    assert "its process ended with 7" in done.stderr
    assert not [one for one in containers.ours() if name in one]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_an_interrupted_start_leaves_no_container(number: int) -> None:
    containers.need_engine()
    name = f"{NAME}-off{number}"
    command = [sys.executable, "-m", "pytest_execgo", "harness", "up", name]
    child = subprocess.Popen(
        [*command, "--python-image", PYTHON_IMAGE], stderr=subprocess.PIPE, text=True
    )
    assert child.stderr is not None
    containers.await_(lambda: any(name in one for one in containers.ours()))
    child.send_signal(number)
    _, errors = child.communicate()
    assert child.returncode == 130, errors
    assert errors.splitlines()[-1] == "interrupted"
    assert not [one for one in containers.ours() if name in one]
    assert not list(Path(tempfile.gettempdir()).glob(f"execgo-persistent-{name}-*"))


def test_the_error_for_a_missing_folder_names_the_next_step() -> None:
    containers.need_engine()
    name = f"{NAME}-lost"
    kept.up(name, containers.spec(), containers.LAUNCHERS, {}, lambda line: None)
    shutil.rmtree(kept._labels_of(name)[leftovers.ROOT])
    fleet = Fleet(FleetSpec(f"persistent:{name}"), containers.LAUNCHERS)
    with pytest.raises(Exception, match=f"harness down {name}"):
        fleet.start()
    kept.down(name)
    assert name not in kept.names()
