"""Fleets of containers: they have the capabilities of processes, and leave nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from random import Random
from typing import Any

import docker
import pytest
import requests
from docker.errors import APIError

from pytest_execgo.chaos.action import Injection, ServiceAction
from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.containers import engine as docker_engine
from pytest_execgo.harness.containers import leftovers, limits
from pytest_execgo.harness.containers.images.sources import Own
from pytest_execgo.harness.containers.network import ContainerNetwork
from pytest_execgo.harness.containers.service import ContainerService
from pytest_execgo.harness.fleet import Fleet
from pytest_execgo.harness.service import SERVICE_NAMES
from pytest_execgo.models.events import ServiceExited
from pytest_execgo.system.clock import wall
from pytest_execgo.transport.client import request
from tests import containers
from tests.containers import ALL_LINKS, PYTHON_IMAGE, await_

REGISTRY = Registry.build()
clean = pytest.fixture(autouse=True)(containers.nothing_left)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """One fleet for all tests that heal their faults."""
    containers.need_engine()
    with containers.fleet(links=ALL_LINKS) as running:
        yield running


@pytest.fixture(autouse=True)
def healthy_afterwards(request: pytest.FixtureRequest) -> Iterator[None]:
    yield
    if "fleet" in request.fixturenames:
        shared: Fleet = request.getfixturevalue("fleet")
        assert (shared.unready(), shared.active_faults()) == ([], [])


def inject(fleet: Fleet, name: str, target: str, **params: Any) -> Injection:
    action = REGISTRY.actions[name](**params)
    assert isinstance(action, ServiceAction)
    assert action.unsupported(fleet.services[target]) is None
    return action.inject(fleet.services[target], "trial", Random(1))


def answers(url: str, timeout: float = 10) -> bool:
    try:
        return request("GET", url, timeout=timeout).ok
    except requests.RequestException:
        return False


def in_container(fleet: Fleet, service: str, script: str) -> str:
    """The output of a Python script in a service's container."""
    found = fleet.services[service]
    assert isinstance(found, ContainerService)
    container = docker_engine.engine().containers.get(found.container_id)
    done = container.exec_run(["python3", "-c", script])
    assert done.exit_code == 0, done.output
    return str(done.output.decode())


def fetched_inside(fleet: Fleet, service: str, url: str) -> str:
    """The status of a GET from a service's container."""
    return in_container(
        fleet, service, f"import urllib.request as r; print(r.urlopen({url!r}).status)"
    )


def reached_inside(fleet: Fleet, service: str, url: str) -> str:
    """The status of a GET from a service's container, or the class of the error."""
    script = (
        "import urllib.request as r\n"
        f"try: print(r.urlopen({url!r}, timeout=1).status)\n"
        "except Exception as error: print(type(error).__name__)"
    )
    return in_container(fleet, service, script)


class Ends:
    """What the fleet reports: each end with its time, and the services that became ready."""

    def __init__(self) -> None:
        self.ends: list[tuple[ServiceExited, float | None]] = []
        self.ready: list[str] = []

    def service_exited(self, end: ServiceExited, at: float | None = None) -> None:
        self.ends.append((end, at))

    def service_ready(self, service: str, pid: int | None) -> None:
        self.ready.append(service)


def test_every_service_has_image_digest_and_version(fleet: Fleet) -> None:
    for name, info in fleet.infos().items():
        assert info.launcher == "container"
        assert info.image == Own(name, PYTHON_IMAGE).tag
        assert info.digest == docker_engine.engine().images.get(info.image).id[7:]
        assert info.path
    assert "speaks v1.0.0" in fleet.infos()["execgo"].version


def test_an_address_is_the_same_for_containers_and_this_machine(fleet: Fleet) -> None:
    for url in (fleet.url("fixtures"), fleet.services["fixtures"].url):
        assert answers(f"{url}/healthz")
        assert fetched_inside(fleet, "runtime", f"{url}/healthz") == "200\n"


@pytest.mark.parametrize("target", SERVICE_NAMES)
@pytest.mark.parametrize("name", ["kill", "restart"])
def test_an_ended_service_is_healed_on_the_same_address(
    fleet: Fleet, name: str, target: str
) -> None:
    service = fleet.services[target]
    before, url = service.pid, service.url
    injection = inject(fleet, name, target)
    assert not service.running()
    injection.heal()
    assert (service.url, fleet.unready()) == (url, [])
    assert service.pid != before


def test_an_embedded_service_ends_after_sigterm_as_the_first_process(fleet: Fleet) -> None:
    runtime = fleet.services["runtime"]
    assert isinstance(runtime, ContainerService)
    assert runtime.end() == 0
    runtime.revive()


def test_the_end_of_a_container_is_reported_with_its_status(fleet: Fleet) -> None:
    watcher = Ends()
    fleet.watch(watcher)
    injection = inject(fleet, "kill", "fixtures")
    injection.heal()
    fleet.unwatch(watcher)
    ((end, at),) = watcher.ends
    assert (end.service, end.exit_status) == ("fixtures", 128 + signal.SIGKILL)
    assert (end.limits, end.out_of_memory) == ({}, False)
    assert at is not None
    assert watcher.ready == ["fixtures"]


def test_the_end_of_a_container_for_lack_of_memory_is_reported_with_its_limit_and_time(
    fleet: Fleet,
) -> None:
    """Docker reports such an end late, and the limit may last for less than a health check."""
    runtime = fleet.services["runtime"]
    assert isinstance(runtime, ContainerService)
    watcher = Ends()
    fleet.watch(watcher)
    injection = inject(fleet, "limit", "runtime", resource="memory", amount=64)
    began = wall()
    container = docker_engine.engine().containers.get(runtime.container_id)
    # The kernel kills the process with the highest score: the first one, not the one that takes memory.
    script = "open('/proc/1/oom_score_adj', 'w').write('1000'); taken = b'x' * 500_000_000"
    with suppress(APIError):
        container.exec_run(["python3", "-c", script])
    await_(lambda: not runtime.running())
    injection.heal()
    fleet.unwatch(watcher)
    ((end, at),) = watcher.ends
    assert (end.exit_status, end.out_of_memory) == (128 + signal.SIGKILL, True)
    assert end.limits == {"memory": "64 MB"}
    assert at is not None
    assert began <= at <= wall()


@pytest.mark.parametrize("dies", [True, False], ids=["dying", "alive"])
def test_a_limit_that_docker_cannot_remove_is_removed_once_the_container_has_ended(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch, dies: bool
) -> None:
    service = fleet.services["runtime"]
    injection = inject(fleet, "limit", "runtime", resource="memory", amount=512)
    remove = limits.remove
    refused: list[str] = []

    def refuse_once(container: Any, resource: str) -> None:
        if not refused:
            refused.append(resource)
            if dies:
                container.kill()
            raise APIError("cannot update a container that is dying")
        remove(container, resource)

    monkeypatch.setattr(limits, "remove", refuse_once)
    monkeypatch.setattr("pytest_execgo.harness.containers.service._DIES_WITHIN_SECONDS", 0.5)
    if dies:
        assert injection.heal() == "runtime had ended, and runs again"
    else:
        with pytest.raises(APIError, match="is dying"):
            injection.heal()
        injection.heal()
    assert service.ready()
    assert service.state()[1]["memory"] == "unlimited"


def test_a_paused_container_runs_and_does_not_answer(fleet: Fleet) -> None:
    service = fleet.services["runtime"]
    injection = inject(fleet, "pause", "runtime")
    assert service.running()
    assert service.state()[0]
    assert not answers(service.health_url, 0.4)
    assert fleet.active_faults() == ["runtime is still under pause"]
    injection.heal()
    assert not service.state()[0]
    assert answers(service.health_url)


@pytest.mark.parametrize(
    ("resource", "amount", "shown"),
    [("cpu", 0.25, "0.25 of a processor"), ("memory", 256, "256 MB")],
)
def test_a_limit_is_visible_until_it_is_healed(
    fleet: Fleet, resource: str, amount: float, shown: str
) -> None:
    service = fleet.services["runtime"]
    injection = inject(fleet, "limit", "runtime", resource=resource, amount=amount)
    assert service.state()[1][resource] == shown
    injection.heal()
    assert service.state()[1][resource] == "unlimited"


def test_a_memory_limit_below_the_memory_in_use_is_raised_to_it(fleet: Fleet) -> None:
    service = fleet.services["runtime"]
    injection = inject(fleet, "limit", "runtime", resource="memory", amount=1)
    assert service.running()
    assert int(service.state()[1]["memory"].removesuffix(" MB")) >= 6
    injection.heal()


def test_a_runtime_without_further_threads_does_not_answer(fleet: Fleet) -> None:
    service = fleet.services["runtime"]
    injection = inject(fleet, "limit", "runtime", resource="pids", amount=0)
    # The runtime needs a new thread for each connection.
    assert not answers(service.health_url, 0.4)
    injection.heal()
    assert answers(service.health_url)


def test_healing_a_limit_revives_a_service_that_died_of_it(fleet: Fleet) -> None:
    service = fleet.services["runtime"]
    assert isinstance(service, ContainerService)
    injection = inject(fleet, "limit", "runtime", resource="memory", amount=16)
    service.kill()
    assert injection.heal() == "runtime had ended, and runs again"


def test_a_partition_cuts_off_the_container_but_not_its_health_checks(
    fleet: Fleet,
) -> None:
    service = fleet.services["runtime"]
    injection = inject(fleet, "network", "runtime", kind="partition")
    assert not answers(f"{service.url}/readyz", 0.4)
    assert not answers(f"{fleet.url('runtime')}/readyz", 0.4)
    assert answers(service.health_url)
    assert len(fleet.active_faults()) == 2
    # It reaches neither fixtures, at any of its addresses, nor this machine.
    fixtures = fleet.services["fixtures"]
    for url in (fleet.url("fixtures"), fixtures.url, fixtures.health_url):
        assert "200" not in reached_inside(fleet, "runtime", url)
    injection.heal()
    assert "200" in reached_inside(fleet, "runtime", f"{fleet.url('fixtures')}/healthz")
    assert answers(f"{service.url}/readyz")
    assert answers(f"{fleet.url('runtime')}/readyz")


def test_a_foreign_container_cannot_reach_a_service_that_runs_commands(fleet: Fleet) -> None:
    """Every container of the machine can connect to the address of a proxy."""
    url = f"{fleet.url('runtime')}/readyz"
    assert fetched_inside(fleet, "execgo", url) == "200\n"
    script = f"import urllib.request as r; print(r.urlopen({url!r}, timeout=3).status)"
    stranger = docker_engine.engine().containers.run(
        PYTHON_IMAGE, ["python3", "-c", script], detach=True
    )
    try:
        assert stranger.wait()["StatusCode"] == 1
        assert b"ConnectionResetError" in stranger.logs()
    finally:
        stranger.remove(force=True)


def test_a_pause_is_healed_after_the_paused_container_was_killed(fleet: Fleet) -> None:
    service = fleet.services["fixtures"]
    pause, kill = inject(fleet, "pause", "fixtures"), inject(fleet, "kill", "fixtures")
    kill.heal()
    pause.heal()
    assert service.running()


def test_files_of_a_container_belong_to_the_user_of_pytest(fleet: Fleet) -> None:
    path = fleet.work_root / "made-inside"
    in_container(fleet, "runtime", f"open({str(path)!r}, 'w').write('hello')")
    assert (path.read_text(), path.stat().st_uid) == ("hello", os.getuid())
    logs = fleet.log_paths()
    assert all('"ready": true' in logs[name].read_text() for name in SERVICE_NAMES)


def test_tasks_find_the_python_and_the_libraries_of_the_image(fleet: Fleet) -> None:
    assert fleet.python
    command = [fleet.python, "-I", "-c", "import packaging; print(packaging.__name__)"]
    script = f"import subprocess; print(subprocess.check_output({command!r}, text=True))"
    assert "packaging" in in_container(fleet, "runtime", script)


# -- tests with their own fleet


def test_without_network_faults_a_fleet_has_one_network_and_removes_everything() -> None:
    before = containers.mine()
    with containers.fleet() as own:
        made = containers.mine() - before
        assert own.services["runtime"].health_url.startswith(own.services["runtime"].url)
        # Three containers, one network.
        assert len(made) == 4
    assert containers.mine() == before


def test_a_checkout_is_built_with_its_own_dockerfile_and_only_once(tmp_path: Path) -> None:
    target = containers.write_tiny_engine(tmp_path / "My Engine")
    lines: list[str] = []
    spec = containers.spec(("execgo", target))
    spec.prepare(containers.LAUNCHERS, lines.append)
    assert any("building execgo from" in line for line in lines)
    assert any(line.startswith("built pytest-execgo/execgo-my-engine:") for line in lines)
    again: list[str] = []
    spec.prepare(containers.LAUNCHERS, again.append)
    assert again == []
    with Fleet(spec, containers.LAUNCHERS) as own:
        info = own.infos()["execgo"]
        assert (info.version, info.path) == ("v1.0.0", str(tmp_path / "My Engine"))
        health = request("GET", f"{own.url('execgo')}/health", timeout=5).json()
        assert health["runtime"] == own.services["runtime"].url
    (tmp_path / "My Engine/engine.py").write_text(containers.TINY_ENGINE + "# changed\n")
    containers.spec(("execgo", target)).prepare(containers.LAUNCHERS, again.append)
    assert any(line.startswith("built") for line in again)
    label = {"label": f"pytest-execgo.of=execgo {tmp_path / 'My Engine'}"}
    assert len(docker_engine.engine().images.list(filters=label)) == 1


def test_a_local_image_is_used_by_its_name(tmp_path: Path) -> None:
    containers.write_tiny_engine(tmp_path)
    name = f"execgo-test/tiny:{os.getpid()}"
    docker_engine.engine().images.build(path=str(tmp_path), tag=name, rm=True)
    try:
        with containers.fleet(("execgo", f"container:{name}")) as own:
            assert own.infos()["execgo"].image == name
    finally:
        docker_engine.engine().images.remove(name)


def test_a_sibling_checkout_is_the_default_engine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    containers.write_tiny_engine(tmp_path / "execgo")
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path / "mine")
    launcher, target = containers.spec().resolve(containers.LAUNCHERS)["execgo"]
    assert launcher.describe("execgo", target) == f"container built from {tmp_path / 'execgo'}"
    own = containers.spec(("execgo", "container:embedded")).resolve(containers.LAUNCHERS)
    launcher, target = own["execgo"]
    assert "embedded 0.1.0" in launcher.describe("execgo", target)


def test_a_container_reaches_services_in_processes_through_the_gateway() -> None:
    choices = (("execgo", "container"), ("runtime", "embedded"), ("fixtures", "embedded"))
    with containers.fleet(*choices) as own:
        assert own.url("runtime") != own.services["runtime"].url
        assert fetched_inside(own, "execgo", f"{own.url('runtime')}/readyz") == "200\n"
        assert own.infos()["runtime"].proxied
        # Tasks and fixtures both run on this machine: no proxy is needed.
        assert own.url("fixtures") == own.services["fixtures"].url


def test_all_fleets_of_a_run_use_the_same_image(tmp_path: Path) -> None:
    target = containers.write_tiny_engine(tmp_path)
    spec = containers.spec(("execgo", target))
    spec.prepare(containers.LAUNCHERS, lambda line: None)
    (tmp_path / "engine.py").write_text(containers.TINY_ENGINE + "# edited while the run went on\n")
    with Fleet(spec, containers.LAUNCHERS) as own:
        assert own.infos()["execgo"].digest == spec.settings.images["execgo"].removeprefix(
            "sha256:"
        )


def test_the_rest_is_removed_if_the_network_is_still_in_use() -> None:
    """A foreign container on the fleet's network keeps Docker from removing the network."""
    own = containers.fleet()
    own.start()
    root, network = own.work_root.parent, own.services["runtime"]._network.name  # type: ignore[attr-defined]
    guest = docker_engine.engine().containers.run(
        PYTHON_IMAGE, ["sleep", "1000"], detach=True, network=network
    )
    try:
        own.stop()
        assert not root.exists()
        assert containers.mine() >= {network}
    finally:
        guest.remove(force=True)
    leftovers.remove_fleet(network)
    assert network not in containers.ours()


# -- errors are one line


def test_a_missing_image_that_cannot_be_pulled_is_one_line() -> None:
    spec = containers.spec(("execgo", "container:localhost:9/no/such:1"))
    with pytest.raises(UsageError, match=r"execgo: the image .* is missing and cannot be pulled"):
        spec.prepare(containers.LAUNCHERS, lambda line: None)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("container:Not/AName::x", "the image 'Not/AName::x'"),
        ("container:build:/", "no Dockerfile there"),
        ("container:build:~no-such-user/x", "home directory"),
    ],
)
def test_an_impossible_target_is_refused_before_any_service_starts(
    target: str, message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        containers.spec(("execgo", target)).resolve(containers.LAUNCHERS)


def test_the_error_of_a_failed_build_fits_a_screen(tmp_path: Path) -> None:
    digits = " ".join("123456789")
    loop = f"for i in {digits}; do for j in {digits}; do echo line $i$j; done; done"
    loud = f"RUN {loop}; no-such-command"
    target = containers.write_image(tmp_path / "broken", loud)
    with pytest.raises(UsageError) as caught:
        containers.spec(("execgo", target)).prepare(containers.LAUNCHERS, lambda line: None)
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(f"execgo from {tmp_path / 'broken'} could not be built; Step 3/")
    assert "  | line 99" in lines
    assert len(lines) < 25
    assert any("127" in line for line in lines)


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ("echo disk full; exit 3", r"its process ended with 3; last log lines: disk full"),
        ("echo I sleep; exec sleep 1000", r"waited \d.* for 200 from /health .* I sleep"),
    ],
)
def test_the_error_of_a_container_that_is_not_ready_has_status_and_log(
    tmp_path: Path, command: str, message: str
) -> None:
    target = containers.write_image(tmp_path, f'CMD ["sh", "-c", "{command}"]')
    with pytest.raises(HarnessError, match=message):
        containers.fleet(("execgo", target), ready_within_seconds=1.5).start()


def test_another_major_version_is_refused(tmp_path: Path) -> None:
    containers.write_tiny_engine(tmp_path)
    (tmp_path / "engine.py").write_text(containers.TINY_ENGINE.replace("v1.0.0", "v2.0.0"))
    with pytest.raises(HarnessError, match=r"reports version v2\.0\.0"):
        containers.fleet(("execgo", f"container:build:{tmp_path}")).start()


HIDE_PYTHON = (
    "import os, shutil; p = shutil.which('python3'); "
    "os.symlink(os.path.realpath(p), '/py'); os.unlink(p)"
)


def test_tasks_see_no_python_for_an_image_without_it(tmp_path: Path) -> None:
    target = containers.write_image(
        tmp_path,
        "COPY engine.py /engine.py",
        f"RUN {json.dumps(['python3', '-c', HIDE_PYTHON])}",
        'CMD ["/py", "/engine.py"]',
    )
    (tmp_path / "engine.py").write_text(containers.TINY_ENGINE)
    with containers.fleet(("runtime", target)) as own:
        assert own.python is None


# -- removal after killed runs


DYING_RUN = """\
import os, sys
from tests import containers
fleet = containers.fleet(links=containers.ALL_LINKS)
fleet.start()
print("up", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("reaper_too", [False, True])
def test_no_container_remains_of_a_killed_run(reaper_too: bool) -> None:
    """The reaper removes them at once; if it was killed too, the next start does."""
    import psutil

    child = subprocess.Popen(
        [sys.executable, "-c", DYING_RUN], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "up\n"
    token = f"execgo-fleet-{child.pid}-"
    left = [name for name in containers.ours() if name.startswith(token)]
    assert len(left) == 5
    if reaper_too:
        for process in psutil.Process(child.pid).children():
            process.kill()
    child.kill()
    child.communicate()
    if reaper_too:
        assert [name for name in containers.ours() if name.startswith(token)]
        assert any(one.startswith(token) for one in leftovers.remove_orphans())
    await_(lambda: not [name for name in containers.ours() if name.startswith(token)])


def test_containers_of_a_running_fleet_are_not_removed(fleet: Fleet) -> None:
    leftovers.remove_orphans()
    assert fleet.unready() == []


def test_a_network_uses_another_subnet_if_the_first_is_taken_meanwhile(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Docker offers the same free subnet to two fleets; the later one tries again."""
    from pytest_execgo.harness.containers import network as module

    labels = leftovers.owned(f"execgo-fleet-{os.getpid()}-twice", Path("/nowhere"))
    create = module._create
    taken: list[Any] = []

    def late(name: str, given: dict[str, str], **options: Any) -> Any:
        if options and not taken:
            taken.append(create(f"{name}-rival", given, **options))
        return create(name, given, **options)

    monkeypatch.setattr(module, "_create", late)
    made = ContainerNetwork.create(f"execgo-fleet-{os.getpid()}-twice", labels, partitionable=False)
    rival = taken[0].attrs["IPAM"]["Config"][0]["Subnet"]
    assert made.private.attrs["IPAM"]["Config"][0]["Subnet"] != rival
    made.close()
    taken[0].remove()


def test_a_container_is_removed_if_its_creation_is_interrupted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After Ctrl-C while Docker creates a container, the container exists but is not recorded."""
    from testcontainers.core.docker_client import DockerClient

    create, made = DockerClient.create, []

    def interrupted(self: Any, *words: Any, **options: Any) -> Any:
        made.append(create(self, *words, **options).name)
        if made[-1].endswith("execgo"):
            raise KeyboardInterrupt
        return docker_engine.engine().containers.get(made[-1])

    monkeypatch.setattr(DockerClient, "create", interrupted)
    with pytest.raises(KeyboardInterrupt):
        containers.fleet().start()
    assert made[-1] not in containers.ours()


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda folder: (folder / ".dockerignore").write_bytes(b"\xff\xfe"), "codec"),
        (lambda folder: (folder / ".dockerignore").mkdir(), "directory"),
    ],
    ids=["undecodable", "directory"],
)
def test_an_unusable_checkout_is_one_line(
    tmp_path: Path, break_it: Callable[[Path], object], message: str
) -> None:
    target = containers.write_tiny_engine(tmp_path / "broken")
    break_it(tmp_path / "broken")
    with pytest.raises(UsageError, match=message):
        containers.spec(("execgo", target)).prepare(containers.LAUNCHERS, lambda line: None)


def test_a_checkout_with_names_of_any_kind_is_built(tmp_path: Path) -> None:
    folder = tmp_path / "café 引擎"
    target = containers.write_tiny_engine(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/not-utf8-\xff")).write_text("x")
    (folder / "dangling").symlink_to("nowhere")
    containers.spec(("execgo", target)).prepare(containers.LAUNCHERS, lambda line: None)


def test_layers_of_a_killed_build_are_removed(tmp_path: Path) -> None:
    client = docker.from_env()
    (tmp_path / "Dockerfile").write_text(
        f'FROM {PYTHON_IMAGE}\nLABEL pytest-execgo.image=service test="{tmp_path}"\n'
    )
    image, _ = client.images.build(path=str(tmp_path), rm=True)

    def gone() -> bool:
        # They stay while another process, perhaps another worker, builds an image.
        leftovers.remove_orphans()
        return not [one for one in client.images.list(all=True) if one.id == image.id]

    await_(gone)
    client.close()


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("iptables"), reason="needs iptables as root"
)
def test_the_error_names_a_firewall_between_containers_and_this_machine() -> None:
    """By default, some desktops drop packets from Docker's bridges."""
    from pytest_execgo.harness.containers.service import ContainerService as Service

    own = containers.fleet(("fixtures", "embedded"))
    reaches = Service.reaches
    rule: list[str] = []

    def behind_a_firewall(self: Service, host: str, port: int) -> bool:
        rule[:] = ["INPUT", "-d", host, "-p", "tcp", "--dport", str(port), "-j", "DROP"]
        subprocess.run(["iptables", "-I", *rule], check=True)
        return reaches(self, host, port)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Service, "reaches", behind_a_firewall)
        try:
            with pytest.raises(
                HarnessError, match=r"a firewall blocks them; .* on br-[0-9a-f]{12}"
            ):
                own.start()
        finally:
            subprocess.run(["iptables", "-D", *rule], check=True)
