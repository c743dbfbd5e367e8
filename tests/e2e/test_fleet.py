"""Services start, a failed start explains itself, and no service outlives its run."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pytest_execgo.emulators.httpd import json_response
from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from tests.endpoints import serving
from tests.processes import await_, own_program, processes_with

LAUNCHERS = Registry.build().launchers


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with Fleet(FleetSpec(), LAUNCHERS) as running:
        yield running


def test_every_service_has_launcher_version_and_digest(fleet: Fleet) -> None:
    infos = fleet.infos()
    assert set(infos) == {"execgo", "runtime", "fixtures"}
    for info in infos.values():
        assert info.launcher == "embedded"
        assert info.version
        assert info.digest
        assert len(info.digest) == 64


def test_a_killed_service_is_revived_on_the_same_address(fleet: Fleet) -> None:
    runtime = fleet.services["runtime"]
    url = runtime.url
    assert runtime.kill() == -signal.SIGKILL  # type: ignore[attr-defined]
    assert fleet.unready() == ["runtime"]
    runtime.revive()  # type: ignore[attr-defined]
    assert not fleet.unready()
    assert runtime.url == url


def test_no_process_and_no_folder_remain_after_stop() -> None:
    fleet = Fleet(FleetSpec(), LAUNCHERS)
    fleet.start()
    root = fleet.work_root.parent
    token = root.name.rpartition("-")[0]
    assert len(processes_with(token)) >= 4
    fleet.stop()
    assert not processes_with(token)
    assert not root.exists()


def test_no_process_remains_of_a_killed_run_and_its_finished_trials_are_complete(
    tmp_path: Path,
) -> None:
    """After SIGKILL the run itself cannot clean up."""
    script = "sleep 60"
    subprocess.run(
        [sys.executable, "-m", "pytest_execgo", "scenario", "new", "quick"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    slow = tmp_path / "scenarios" / "slow"
    slow.mkdir()
    (slow / "scenario.yaml").write_text(
        "schema_version: '1'\nid: slow\nreference_plan: plan.yaml\n"
        "checks: [{kind: task, task: wait, status: success}]\n"
    )
    (slow / "plan.yaml").write_text(
        "schema_version: '1'\nplan_id: slow\nscenario_id: slow\nstages:\n- stage_id: one\n"
        "  task_graph: {tasks: [{id: wait, type: runtime,\n"
        f"    input: {{execution: {{kind: script, script: {script}}}}}}}]}}\n"
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--execgo-matrix", "-q", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    trials = tmp_path / "reports" / "latest" / "trials"
    timeline = trials / "slow-reference-replay-none-r0" / "timeline.jsonl"
    token = f"execgo-fleet-{child.pid}-"
    try:
        await_(lambda: timeline.exists() and '"status":"running"' in timeline.read_text())
        # Three services, the reaper, the task.
        await_(lambda: len(processes_with(token)) >= 5)
    finally:
        child.kill()
        child.wait()
    await_(lambda: not processes_with(token))
    finished = trials / "quick-reference-replay-none-r0"
    result = json.loads((finished / "result.json").read_text())
    assert result["verdict"]["status"] == "passed"


@pytest.mark.parametrize(
    ("service", "choice", "complaint"),
    [
        ("execgo", "binary:/no/such/file", "no such file"),
        ("execgo", "binary", "needs a target"),
        ("execgo", "embedded:x", "takes no target"),
        ("execgo", "rocket:x", "unknown launcher 'rocket'"),
        ("fixtures", "binary:/bin/true", "cannot be launched as binary"),
        ("exego", "embedded", "did you mean 'execgo'?"),
    ],
)
def test_an_impossible_choice_is_refused_before_any_service_starts(
    service: str, choice: str, complaint: str
) -> None:
    with pytest.raises(UsageError) as error:
        Fleet(FleetSpec(choices=((service, choice),)), LAUNCHERS)
    assert complaint in str(error.value)


def test_a_file_without_execute_permission_is_refused(tmp_path: Path) -> None:
    plain = tmp_path / "execgo"
    plain.write_text("hello")
    with pytest.raises(UsageError, match="not executable; try: chmod"):
        Fleet(FleetSpec(choices=(("execgo", f"binary:{plain}"),)), LAUNCHERS)


# -- arguments for binaries


def spec_with(program: Path, *arguments: str) -> FleetSpec:
    choices = ((program.name, f"binary:{program}"),)
    return FleetSpec(choices=choices, arguments={program.name: arguments})


@pytest.mark.parametrize(
    ("service", "arguments"),
    [
        ("execgo", ("-max-concurrency", "20")),
        ("runtime", ("--max-running-tasks=1", "--termination-grace-ms", "500")),
    ],
)
def test_arguments_reach_a_binary_and_are_recorded_with_its_digest(
    service: str, arguments: tuple[str, ...], tmp_path: Path
) -> None:
    program = own_program(tmp_path, service)
    with Fleet(spec_with(program, *arguments), LAUNCHERS) as fleet:
        info = fleet.infos()[service]
        assert info.arguments == arguments
        assert info.digest == hashlib.sha256(program.read_bytes()).hexdigest()
        log = fleet.log_paths()[service].read_text().splitlines()
        got = [line.removeprefix("got:") for line in log if line.startswith("got:")]
        assert got[-len(arguments) :] == list(arguments)
        assert all(not one.arguments for name, one in fleet.infos().items() if name != service)


@pytest.mark.parametrize(
    ("service", "argument", "complaint"),
    [
        ("runtime", "--listen-addr", "--listen-addr is set by the launcher, which chooses a free"),
        ("runtime", "--listen-addr=0.0.0.0:1", "--listen-addr is set by the launcher"),
        ("runtime", "--data-dir", "--data-dir is set by the launcher, which gives each fleet"),
        ("execgo", "-addr", "-addr is set by the launcher"),
        ("execgo", "--addr=:1", "--addr is set by the launcher"),
        ("execgo", "-data-dir", "-data-dir is set by the launcher"),
        ("execgo", "-grpc-addr=:0", "-grpc-addr is set by the launcher"),
        ("execgo", "a\0b", "'a\\x00b' holds a character that no command line can hold"),
        ("execgo", "\ud800", "'\\ud800' holds a character that no command line can hold"),
    ],
)
def test_arguments_that_cannot_be_given_are_refused_in_one_line(
    service: str, argument: str, complaint: str, tmp_path: Path
) -> None:
    spec = spec_with(own_program(tmp_path, service), "-x", argument)
    with pytest.raises(UsageError) as error:
        Fleet(spec, LAUNCHERS)
    assert str(error.value).startswith(f"--execgo-service-args {service}: ")
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("choice", ["embedded", "external:http://127.0.0.1:9"])
def test_only_binaries_take_arguments(choice: str) -> None:
    spec = FleetSpec(choices=(("runtime", choice),), arguments={"runtime": ("-x",)})
    with pytest.raises(UsageError, match="takes no arguments; only a binary does"):
        spec.resolve(LAUNCHERS)


def test_an_argument_that_a_binary_does_not_know_is_one_line_with_its_words(tmp_path: Path) -> None:
    fleet = Fleet(spec_with(own_program(tmp_path, "runtime"), "--no-such-thing"), LAUNCHERS)
    with pytest.raises(HarnessError) as error:
        fleet.start()
    assert "--no-such-thing" in str(error.value)
    assert not fleet.services


def test_the_error_of_a_program_that_ends_at_once_has_status_and_log(tmp_path: Path) -> None:
    program = tmp_path / "execgo"
    program.write_text("#!/bin/sh\necho the disk is on fire >&2\nexit 3\n")
    program.chmod(0o755)
    fleet = Fleet(FleetSpec(choices=(("execgo", f"binary:{program}"),)), LAUNCHERS)
    with pytest.raises(HarnessError) as error:
        fleet.start()
    message = str(error.value)
    assert "its process ended with 3" in message
    assert "the disk is on fire" in message
    assert "try it alone" in message
    assert not fleet.services


@pytest.mark.parametrize("signal_", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize(
    "module",
    ["pytest_execgo.emulators.execgo", "pytest_execgo.emulators.runtime", "fixtures_server"],
)
def test_a_service_runs_standalone_and_ends_after_a_signal(
    module: str, signal_: signal.Signals, tmp_path: Path
) -> None:
    environment = {**os.environ, "EXECGO_ADDR": "127.0.0.1:0", "EXECGO_DATA_DIR": str(tmp_path)}
    flags = ["--listen-addr", "127.0.0.1:0"] if module.endswith("runtime") else []
    child = subprocess.Popen(
        [sys.executable, "-m", module, *flags],
        stdout=subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
    )
    assert child.stdout is not None
    assert json.loads(child.stdout.readline())["ready"] is True
    child.send_signal(signal_)
    assert child.wait(10) == 0
    child.stdout.close()


def test_a_taken_port_is_one_line() -> None:
    with Fleet(FleetSpec(), LAUNCHERS) as fleet:
        port = fleet.url("fixtures").rpartition(":")[2]
        done = subprocess.run(
            [sys.executable, "-m", "fixtures_server", "--port", port],
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 1
    assert done.stderr.startswith("fixtures: cannot start on 127.0.0.1:")
    assert done.stderr.count("\n") == 1


def test_services_do_not_use_a_proxy_of_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with Fleet(FleetSpec(), LAUNCHERS) as fleet:
        assert not fleet.unready()


@pytest.mark.parametrize("victim", ["controller", "worker"])
def test_services_and_tasks_end_when_their_process_is_killed(tmp_path: Path, victim: str) -> None:
    """Without our watch, xdist lets each worker of a dead controller finish its test first."""
    subprocess.run(
        [sys.executable, "-m", "pytest_execgo", "scenario", "new", "slow"],
        cwd=tmp_path,
        check=True,
        capture_output=True,
    )
    plan = tmp_path / "scenarios" / "slow" / "plan.yaml"
    plan.write_text(
        plan.read_text().replace("import json, os", "import json, os, time; time.sleep(60)")
    )
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--execgo-matrix", "--execgo-repetitions=2", "-n2", "-q"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.STDOUT,
    )
    trials = tmp_path / "reports" / "latest" / "trials"
    try:
        await_(lambda: sum(map(_in_the_long_task, trials.glob("*/timeline.jsonl"))) == 2)
        workers = [worker.pid for worker in psutil.Process(child.pid).children()]
        tokens = [f"execgo-fleet-{pid}-" for pid in workers]
        assert len(tokens) >= 2
        assert sum(bool(processes_with(token)) for token in tokens) == 2
        if victim == "worker":
            # While the controller goes on.
            for worker in workers:
                os.kill(worker, signal.SIGKILL)
            await_(lambda: not any(processes_with(token) for token in tokens))
    finally:
        child.kill()
        child.wait()
    await_(lambda: not any(processes_with(token) for token in tokens))


def _in_the_long_task(timeline: Path) -> bool:
    """Whether ExecGo reported that the sleeping task runs."""
    lines = timeline.read_text().splitlines()
    return any('"task_id":"count"' in line and '"status":"running"' in line for line in lines)


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("http://127.0.0.1:9", "does not answer"),
        ("ftp://x", "expected a URL"),
        ("127.0.0.1:8080", "expected a URL"),
    ],
)
def test_a_missing_external_service_is_one_line(url: str, complaint: str) -> None:
    with pytest.raises((UsageError, HarnessError)) as error:
        Fleet(FleetSpec(choices=(("execgo", f"external:{url}"),)), LAUNCHERS).start()
    assert complaint in str(error.value)
    assert "\n" not in str(error.value)


def test_an_external_service_is_used_and_keeps_running() -> None:
    with Fleet(FleetSpec(), LAUNCHERS) as own:
        choices = (("execgo", f"external:{own.url('execgo')}"),)
        with Fleet(FleetSpec(choices=choices), LAUNCHERS) as borrowed:
            assert borrowed.infos()["execgo"].launcher == "external"
            assert borrowed.infos()["execgo"].version == "v1.0.0"
        assert not own.unready()


def test_another_program_at_the_url_is_refused() -> None:
    with Fleet(FleetSpec(), LAUNCHERS) as own:
        choices = (("execgo", f"external:{own.url('fixtures')}"),)
        with pytest.raises(HarnessError, match="answered 401"):
            Fleet(FleetSpec(choices=choices), LAUNCHERS).start()


@pytest.fixture
def newer_engine() -> Iterator[str]:
    """The URL of a server that reports another major version of ExecGo."""
    with serving(lambda request: json_response({"version": "v2.3.0"})) as url:
        yield url


def test_another_major_version_is_one_line(newer_engine: str) -> None:
    choices = (("execgo", f"external:{newer_engine}"),)
    with pytest.raises(HarnessError, match=r"reports version v2\.3\.0, .* 1\.x") as error:
        Fleet(FleetSpec(choices=choices), LAUNCHERS).start()
    assert "\n" not in str(error.value)


def test_the_header_of_a_binary_has_path_version_and_digest(tmp_path: Path) -> None:
    script = tmp_path / "execgo"
    script.write_text(f"#!/bin/sh\nexec {sys.executable} -m pytest_execgo.emulators.execgo\n")
    script.chmod(0o755)
    digest = hashlib.sha256(script.read_bytes()).hexdigest()
    described = LAUNCHERS["binary"].describe("execgo", str(script))
    assert described == f"binary v1.0.0 {script} sha256 {digest[:12]}"
    script.write_text("#!/bin/sh\nexit 3\n")
    assert LAUNCHERS["binary"].describe("execgo", str(script)).startswith(f"binary {script}")
