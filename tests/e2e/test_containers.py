"""A fleet of containers: what a process can do, a container can; and nothing of it is left."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import docker
import pytest
import requests

from pytest_execgo.chaos.action import Injection, ServiceAction
from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.containers import engine as docker_engine
from pytest_execgo.harness.containers import leftovers
from pytest_execgo.harness.containers.images.sources import Own
from pytest_execgo.harness.containers.network import ContainerNetwork
from pytest_execgo.harness.containers.service import ContainerService
from pytest_execgo.harness.fleet import Fleet
from pytest_execgo.harness.service import SERVICE_NAMES
from pytest_execgo.transport.local import request
from tests import containers
from tests.containers import ALL_LINKS, PYTHON_IMAGE, await_

REGISTRY = Registry.build()
clean = pytest.fixture(autouse=True)(containers.nothing_left)


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    """One fleet for tests that leave it as it was."""
    containers.need_engine()
    with containers.fleet(links=ALL_LINKS) as running:
        yield running


@pytest.fixture(autouse=True)
def well(request: pytest.FixtureRequest) -> Iterator[None]:
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
    """What a Python script prints inside of a service's container."""
    found = fleet.services[service]
    assert isinstance(found, ContainerService)
    container = docker_engine.engine().containers.get(found.container_id)
    done = container.exec_run(["python3", "-c", script])
    assert done.exit_code == 0, done.output
    return str(done.output.decode())


def fetched_inside(fleet: Fleet, service: str, url: str) -> str:
    """The status of a GET from inside of a service's container."""
    return in_container(
        fleet, service, f"import urllib.request as r; print(r.urlopen({url!r}).status)"
    )


def reached_inside(fleet: Fleet, service: str, url: str) -> str:
    """The status of a GET from inside, or the error that came instead of it."""
    script = (
        "import urllib.request as r\n"
        f"try: print(r.urlopen({url!r}, timeout=1).status)\n"
        "except Exception as error: print(type(error).__name__)"
    )
    return in_container(fleet, service, script)


def test_every_service_says_what_image_it_is(fleet: Fleet) -> None:
    for name, info in fleet.infos().items():
        assert info.launcher == "container"
        assert info.image == Own(name, PYTHON_IMAGE).tag
        assert info.digest == docker_engine.engine().images.get(info.image).id[7:]
        assert info.path
    assert "speaks v1.0.0" in fleet.infos()["execgo"].version


def test_an_address_means_the_same_inside_and_outside(fleet: Fleet) -> None:
    for url in (fleet.url("fixtures"), fleet.services["fixtures"].url):
        assert answers(f"{url}/healthz")
        assert fetched_inside(fleet, "runtime", f"{url}/healthz") == "200\n"


@pytest.mark.parametrize("target", SERVICE_NAMES)
@pytest.mark.parametrize("name", ["kill", "restart"])
def test_a_service_that_was_taken_away_is_back_on_its_address(
    fleet: Fleet, name: str, target: str
) -> None:
    service = fleet.services[target]
    before, url = service.pid, service.url
    injection = inject(fleet, name, target)
    assert not service.running()
    injection.heal()
    assert (service.url, fleet.unready()) == (url, [])
    assert service.pid != before


def test_our_services_end_at_sigterm_as_the_first_process(fleet: Fleet) -> None:
    runtime = fleet.services["runtime"]
    assert isinstance(runtime, ContainerService)
    assert runtime.end() == 0
    runtime.revive()


def test_the_end_of_a_container_is_told_with_its_status(fleet: Fleet) -> None:
    told: list[tuple[str, int | None]] = []

    class Watcher:
        def service_exited(self, service: str, pid: int, exit_status: int) -> None:
            told.append((service, exit_status))

        def service_ready(self, service: str, pid: int | None) -> None:
            told.append((service, None))

    watcher = Watcher()
    fleet.watch(watcher)
    injection = inject(fleet, "kill", "fixtures")
    injection.heal()
    fleet.unwatch(watcher)
    assert told == [("fixtures", 128 + signal.SIGKILL), ("fixtures", None)]


def test_a_paused_container_is_there_and_silent(fleet: Fleet) -> None:
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
def test_a_limit_is_seen_from_outside_and_lifted(
    fleet: Fleet, resource: str, amount: float, shown: str
) -> None:
    service = fleet.services["runtime"]
    injection = inject(fleet, "limit", "runtime", resource=resource, amount=amount)
    assert service.state()[1][resource] == shown
    injection.heal()
    assert service.state()[1][resource] == "unlimited"


def test_a_limit_of_memory_below_what_is_held_means_no_more(fleet: Fleet) -> None:
    service = fleet.services["runtime"]
    injection = inject(fleet, "limit", "runtime", resource="memory", amount=1)
    assert service.running()
    assert int(service.state()[1]["memory"].removesuffix(" MB")) >= 6
    injection.heal()


def test_without_another_process_nothing_is_answered(fleet: Fleet) -> None:
    service = fleet.services["runtime"]
    injection = inject(fleet, "limit", "runtime", resource="pids", amount=0)
    # A connection needs a thread of the runtime's, and there is none to be had.
    assert not answers(service.health_url, 0.4)
    injection.heal()
    assert answers(service.health_url)


def test_a_service_that_dies_of_a_limit_is_brought_back_when_it_is_healed(fleet: Fleet) -> None:
    service = fleet.services["runtime"]
    assert isinstance(service, ContainerService)
    injection = inject(fleet, "limit", "runtime", resource="memory", amount=16)
    service.kill()
    assert "is back" in injection.heal()


def test_a_partition_takes_the_container_off_its_network_and_it_is_still_seen(
    fleet: Fleet,
) -> None:
    service = fleet.services["runtime"]
    injection = inject(fleet, "network", "runtime", kind="partition")
    assert not answers(f"{service.url}/readyz", 0.4)
    assert not answers(f"{fleet.url('runtime')}/readyz", 0.4)
    assert answers(service.health_url)
    assert len(fleet.active_faults()) == 2
    # Nor does it reach anybody: not fixtures, by no way there is, and not this machine.
    fixtures = fleet.services["fixtures"]
    for url in (fleet.url("fixtures"), fixtures.url, fixtures.health_url):
        assert "200" not in reached_inside(fleet, "runtime", url)
    injection.heal()
    assert "200" in reached_inside(fleet, "runtime", f"{fleet.url('fixtures')}/healthz")
    assert answers(f"{service.url}/readyz")
    assert answers(f"{fleet.url('runtime')}/readyz")


def test_nobody_else_is_let_through_to_a_service_that_runs_commands(fleet: Fleet) -> None:
    """Proxies listen where every container of the machine can try."""
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


def test_a_pause_of_what_has_died_meanwhile_is_lifted(fleet: Fleet) -> None:
    service = fleet.services["fixtures"]
    pause, kill = inject(fleet, "pause", "fixtures"), inject(fleet, "kill", "fixtures")
    kill.heal()
    pause.heal()
    assert service.running()


def test_files_made_inside_belong_to_the_user_outside(fleet: Fleet) -> None:
    path = fleet.work_root / "made-inside"
    in_container(fleet, "runtime", f"open({str(path)!r}, 'w').write('hello')")
    assert (path.read_text(), path.stat().st_uid) == ("hello", os.getuid())
    logs = fleet.log_paths()
    assert all('"ready": true' in logs[name].read_text() for name in SERVICE_NAMES)


def test_tasks_find_the_python_of_the_image_and_the_libraries_of_ours(fleet: Fleet) -> None:
    assert fleet.python
    command = [fleet.python, "-I", "-c", "import packaging; print(packaging.__name__)"]
    script = f"import subprocess; print(subprocess.check_output({command!r}, text=True))"
    assert "packaging" in in_container(fleet, "runtime", script)


# -- fleets of their own


def test_without_faults_one_network_is_enough_and_all_of_it_goes() -> None:
    before = containers.mine()
    with containers.fleet() as own:
        made = containers.mine() - before
        assert own.services["runtime"].health_url.startswith(own.services["runtime"].url)
        # Three containers, one network.
        assert len(made) == 4
    assert containers.mine() == before


def test_a_checkout_is_built_with_its_own_dockerfile_and_only_once(tmp_path: Path) -> None:
    target = containers.write_tiny_engine(tmp_path / "My Engine")
    spoken: list[str] = []
    spec = containers.spec(("execgo", target))
    spec.prepare(containers.LAUNCHERS, spoken.append)
    assert any("building execgo from" in line for line in spoken)
    assert any(line.startswith("built pytest-execgo/execgo-my-engine:") for line in spoken)
    again: list[str] = []
    spec.prepare(containers.LAUNCHERS, again.append)
    assert again == []
    with Fleet(spec, containers.LAUNCHERS) as own:
        info = own.infos()["execgo"]
        assert (info.version, info.path) == ("v1.0.0", str(tmp_path / "My Engine"))
        told = request("GET", f"{own.url('execgo')}/health", timeout=5).json()
        assert told["runtime"] == own.services["runtime"].url
    (tmp_path / "My Engine/engine.py").write_text(containers.TINY_ENGINE + "# changed\n")
    containers.spec(("execgo", target)).prepare(containers.LAUNCHERS, again.append)
    assert any(line.startswith("built") for line in again)
    label = {"label": f"pytest-execgo.of=execgo {tmp_path / 'My Engine'}"}
    assert len(docker_engine.engine().images.list(filters=label)) == 1


def test_a_local_image_is_taken_by_its_name(tmp_path: Path) -> None:
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


def test_a_container_beside_processes_reaches_them_through_the_gateway() -> None:
    choices = (("execgo", "container"), ("runtime", "embedded"), ("fixtures", "embedded"))
    with containers.fleet(*choices) as own:
        assert own.url("runtime") != own.services["runtime"].url
        assert fetched_inside(own, "execgo", f"{own.url('runtime')}/readyz") == "200\n"
        assert own.infos()["runtime"].proxied
        # Tasks are beside fixtures: there is nothing in between.
        assert own.url("fixtures") == own.services["fixtures"].url


def test_all_fleets_of_a_run_are_made_of_the_same_image(tmp_path: Path) -> None:
    target = containers.write_tiny_engine(tmp_path)
    spec = containers.spec(("execgo", target))
    spec.prepare(containers.LAUNCHERS, lambda line: None)
    (tmp_path / "engine.py").write_text(containers.TINY_ENGINE + "# edited while the run went on\n")
    with Fleet(spec, containers.LAUNCHERS) as own:
        assert own.infos()["execgo"].digest == spec.settings.images["execgo"].removeprefix(
            "sha256:"
        )


def test_what_docker_does_not_let_go_is_told_to_the_reaper() -> None:
    """Somebody looks at the fleet's network: it cannot be removed, and the rest goes all the same."""
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


# -- what goes wrong is said in one line


def test_an_image_that_is_not_there_and_cannot_be_pulled() -> None:
    spec = containers.spec(("execgo", "container:localhost:9/no/such:1"))
    with pytest.raises(UsageError, match=r"execgo: the image .* is not here, and cannot be pulled"):
        spec.prepare(containers.LAUNCHERS, lambda line: None)


@pytest.mark.parametrize(
    ("target", "said"),
    [
        ("container:Not/AName::x", "the image 'Not/AName::x'"),
        ("container:build:/", "no Dockerfile there"),
        ("container:build:~nobody-here/x", "home directory"),
    ],
)
def test_a_target_that_cannot_work_is_refused_before_anything_starts(
    target: str, said: str
) -> None:
    with pytest.raises(UsageError, match=said):
        containers.spec(("execgo", target)).resolve(containers.LAUNCHERS)


def test_a_build_that_fails_is_told_on_one_screen(tmp_path: Path) -> None:
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
    ("command", "said"),
    [
        ("echo my last words; exit 3", r"its process ended with 3; its last words: my last words"),
        ("echo I sleep; exec sleep 1000", r"waited \d.* for 200 from /health .* I sleep"),
    ],
)
def test_a_container_that_does_not_become_ready_says_why(
    tmp_path: Path, command: str, said: str
) -> None:
    target = containers.write_image(tmp_path, f'CMD ["sh", "-c", "{command}"]')
    with pytest.raises(HarnessError, match=said):
        containers.fleet(("execgo", target), ready_within_seconds=1.5).start()


def test_a_release_of_another_contract_is_refused(tmp_path: Path) -> None:
    containers.write_tiny_engine(tmp_path)
    (tmp_path / "engine.py").write_text(containers.TINY_ENGINE.replace("v1.0.0", "v2.0.0"))
    with pytest.raises(HarnessError, match=r"says that it is version v2\.0\.0"):
        containers.fleet(("execgo", f"container:build:{tmp_path}")).start()


HIDE_PYTHON = (
    "import os, shutil; p = shutil.which('python3'); "
    "os.symlink(os.path.realpath(p), '/py'); os.unlink(p)"
)


def test_an_image_without_python_says_so_to_tasks(tmp_path: Path) -> None:
    target = containers.write_image(
        tmp_path,
        "COPY engine.py /engine.py",
        f"RUN {json.dumps(['python3', '-c', HIDE_PYTHON])}",
        'CMD ["/py", "/engine.py"]',
    )
    (tmp_path / "engine.py").write_text(containers.TINY_ENGINE)
    with containers.fleet(("runtime", target)) as own:
        assert own.python is None


# -- what dead runs leave


DYING_RUN = """\
import os, sys
from tests import containers
fleet = containers.fleet(links=containers.ALL_LINKS)
fleet.start()
print("up", flush=True)
sys.stdin.read()
"""


@pytest.mark.parametrize("reaper_too", [False, True])
def test_nothing_is_left_of_a_run_that_is_killed(reaper_too: bool) -> None:
    """By the reaper at once; where that was killed as well, by the next start."""
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


def test_what_belongs_to_a_living_run_is_left_alone(fleet: Fleet) -> None:
    leftovers.remove_orphans()
    assert fleet.unready() == []


def test_a_network_whose_subnet_is_taken_in_between_is_made_on_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Two fleets are given the same free subnet; the second to ask for it tries again."""
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


def test_what_is_in_the_making_when_somebody_breaks_it_off_goes_as_well(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Ctrl-C while Docker makes a container: it is there, and nobody has heard of it."""
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
    target = containers.write_tiny_engine(tmp_path / "odd")
    break_it(tmp_path / "odd")
    with pytest.raises(UsageError, match=message):
        containers.spec(("execgo", target)).prepare(containers.LAUNCHERS, lambda line: None)


def test_a_checkout_with_names_of_any_kind_is_built(tmp_path: Path) -> None:
    folder = tmp_path / "café 引擎"
    target = containers.write_tiny_engine(folder)
    Path(os.fsdecode(os.fsencode(folder) + b"/not-utf8-\xff")).write_text("x")
    (folder / "dangling").symlink_to("nowhere")
    containers.spec(("execgo", target)).prepare(containers.LAUNCHERS, lambda line: None)


def test_layers_of_a_build_that_was_killed_are_cleared_away(tmp_path: Path) -> None:
    client = docker.from_env()
    (tmp_path / "Dockerfile").write_text(
        f'FROM {PYTHON_IMAGE}\nLABEL pytest-execgo.image=service test="{tmp_path}"\n'
    )
    image, _ = client.images.build(path=str(tmp_path), rm=True)

    def gone() -> bool:
        # While anybody builds, another worker perhaps, such layers are left alone.
        leftovers.remove_orphans()
        return not [one for one in client.images.list(all=True) if one.id == image.id]

    await_(gone)
    client.close()


@pytest.mark.skipif(
    os.getuid() != 0 or not shutil.which("iptables"), reason="needs iptables as root"
)
def test_a_firewall_between_containers_and_this_machine_is_named() -> None:
    """The default of some desktops: what comes from Docker's bridges is dropped."""
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
                HarnessError, match=r"a firewall is in the way; .* on br-[0-9a-f]{12}"
            ):
                own.start()
        finally:
            subprocess.run(["iptables", "-D", *rule], check=True)
