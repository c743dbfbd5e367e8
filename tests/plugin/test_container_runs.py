"""``--execgo-harness=container`` for pytest's users: the same verdicts, and mistakes in one line."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.harness.containers import leftovers
from tests import containers
from tests.conftest import ScenarioMaker
from tests.containers import PYTHON_IMAGE
from tests.ids import readable
from tests.plugin.conftest import latest
from tests.verdicts import verdicts

CONTAINER = ("--execgo-harness=container", f"--execgo-python-image={PYTHON_IMAGE}")
# One of each kind: a plan, a process that dies or hangs, a limit, a network, fixtures.
PROFILES = (
    "none", "missing_binding", "execgo_kill", "runtime_restart", "runtime_pause", "runtime_memory",
    "runtime_cpu", "runtime_partition", "fixtures_unreachable", "fixture_wrong_value",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nothing_of_dead_runs() -> Iterator[None]:
    """Runs of these tests are processes of their own: nothing of one may outlive it."""
    yield
    if containers.why_not() is None:
        containers.await_(lambda: not leftovers.orphans())


def test_verdicts_equal_those_of_the_embedded_fleet(pytester: pytest.Pytester) -> None:
    containers.need_engine()
    chosen = [f"--execgo-chaos={name}" for name in PROFILES]
    words = ("--execgo-matrix", "--execgo-scenario=vuln_scan", "-n2", *chosen)
    pytester.runpytest_subprocess(*words).assert_outcomes(passed=len(PROFILES))
    embedded = verdicts(latest(pytester.path))
    pytester.runpytest_subprocess(*words, *CONTAINER).assert_outcomes(passed=len(PROFILES))
    report = latest(pytester.path)
    assert verdicts(report) == embedded
    assert {one["launcher"] for one in report["environment"]["services"].values()} == {"container"}
    assert report["trustworthy"]


def test_the_header_names_the_images_and_the_rerun_command_repeats_them(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    containers.need_engine()
    project("demo")
    result = pytester.runpytest_subprocess("--execgo-matrix", *CONTAINER)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*execgo   container embedded * pytest-execgo/execgo:*"])
    result.stdout.fnmatch_lines(["execgo: fleet ready in *"])
    (trial,) = latest(pytester.path)["trials"]
    assert f"--execgo-harness container --execgo-python-image {PYTHON_IMAGE}" in trial["rerun"]
    folder = Path("reports/latest/trials") / trial["trial_id"]
    assert (pytester.path / folder / "logs/runtime.log").exists()
    again = pytester.runpytest_subprocess("--execgo-replay", str(folder))
    again.stdout.fnmatch_lines(["replay of *: equal: *"])
    (repeated,) = latest(pytester.path)["trials"]
    assert repeated["rerun"] == trial["rerun"]


def test_ones_own_tests_run_on_containers(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    containers.need_engine()
    project("demo")
    pytester.makeini(
        f"[pytest]\nexecgo_harness = container\nexecgo_python_image = {PYTHON_IMAGE}\n"
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.execgo(scenario="demo", chaos=["runtime_partition"])
        def test_it(execgo_run, execgo_fleet):
            assert execgo_run().verdict.status == "passed"
            assert execgo_fleet.services["runtime"].info.launcher == "container"
        """
    )
    pytester.runpytest_subprocess().assert_outcomes(passed=1)


def test_paths_of_the_ini_file_are_relative_to_the_root_folder(
    pytester: pytest.Pytester, project: ScenarioMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever pytest is called, and wherever a test goes."""
    containers.need_engine()
    project("demo")
    containers.write_tiny_engine(pytester.path / "engine")
    pytester.makeini(
        "[pytest]\nexecgo_service =\n  execgo=container:build:engine\n  fixtures=embedded\n"
        "  runtime=embedded\n"
    )
    pytester.makepyfile(
        """
        import pytest

        @pytest.fixture(autouse=True)
        def elsewhere(monkeypatch, tmp_path):
            monkeypatch.chdir(tmp_path)

        def test_it(elsewhere, execgo_fleet):
            assert execgo_fleet.services["execgo"].info.path.endswith("/engine")
        """
    )
    monkeypatch.chdir(pytester.mkdir("below"))
    try:
        pytester.runpytest_subprocess("..").assert_outcomes(passed=1)
    finally:
        containers.remove_images_of(pytester.path)


def test_ctrl_c_while_a_container_is_paused_leaves_nothing(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    containers.need_engine()

    def linger(plan: dict[str, Any]) -> None:
        task = plan["stages"][0]["task_graph"]["tasks"][0]
        task["input"]["execution"] = {"kind": "command", "program": "/bin/sleep", "args": ["30"]}

    project("demo", plan=linger)
    fault = {
        "action": "pause", "target": "runtime", "params": {"heal_after_ms": None},
        "when": {"phase": "runtime", "after": "task_running"},
    }  # fmt: skip
    project.chaos("hang", expectation="measure", faults=[fault])
    child = subprocess.Popen(
        [sys.executable, "-m", "pytest", "--execgo-matrix", "--execgo-chaos=hang", *CONTAINER],
        stdout=subprocess.PIPE,
        text=True,
    )
    timeline = pytester.path / "reports/latest/trials/demo-reference-replay-hang-r0/timeline.jsonl"
    containers.await_(lambda: timeline.exists() and "chaos_fired" in timeline.read_text())
    os.kill(child.pid, signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 2, out
    assert "chaos_healed" in timeline.read_text()
    token = f"execgo-fleet-{child.pid}-"
    assert not [name for name in containers.ours() if name.startswith(token)]


@pytest.mark.parametrize(
    ("host", "message"),
    [
        ("unix:///tmp/no-such-socket", "no Docker engine at unix:///tmp/no-such-socket: start one"),
        ("tcp://127.0.0.1:9", "no Docker engine at tcp://127.0.0.1:9: start one"),
    ],
)
def test_without_an_engine_one_line_and_exit_4(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, host: str, message: str
) -> None:
    monkeypatch.setenv("DOCKER_HOST", host)
    result = pytester.runpytest_subprocess("--execgo-matrix", *CONTAINER)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: execgo: {message}*"])
    assert "Traceback" not in result.stderr.str() + result.stdout.str()
    assert not (pytester.path / "reports").exists()


def test_a_build_that_fails_ends_the_run_before_it_begins(
    request: pytest.FixtureRequest, pytester: pytest.Pytester, tmp_path: Path
) -> None:
    containers.need_engine()
    request.addfinalizer(lambda: containers.remove_images_of(tmp_path))
    target = containers.write_image(tmp_path / "broken", "RUN no-such-command")
    result = pytester.runpytest_subprocess(
        "--execgo-matrix", *CONTAINER, f"--execgo-service=execgo={target}"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: execgo: execgo from * could not be built; Step 3/*"])


def test_a_container_that_ends_at_once_is_an_error_with_its_last_log_lines(
    request: pytest.FixtureRequest,
    pytester: pytest.Pytester,
    project: ScenarioMaker,
    tmp_path: Path,
) -> None:
    containers.need_engine()
    project("demo")
    request.addfinalizer(lambda: containers.remove_images_of(tmp_path))
    target = containers.write_image(tmp_path / "short", 'CMD ["sh", "-c", "echo so long; exit 3"]')
    result = pytester.runpytest_subprocess(
        "--execgo-matrix", *CONTAINER, f"--execgo-service=execgo={target}"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["execgo did not become ready: *ended with 3*so long*"])
    assert "Traceback" not in result.stdout.str()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--execgo-ready-timeout=soon",), "expected a number of seconds"),
        (("--execgo-ready-timeout=0",), "expected more than 0 seconds"),
        (("--execgo-fleet=x", "--execgo-harness=embedded"), "leave out --execgo-harness"),
        (("--execgo-fleet=absent",), "unknown fleet 'absent'"),
        (
            ("--execgo-harness=persistent:x", "--execgo-service=execgo=embedded", "--collect-only"),
            "a persistent fleet provides all services",
        ),
        (
            ("--execgo-harness=persistent:x", "-n2", "--collect-only"),
            "every worker needs a fleet of its own",
        ),
    ],
    ids=readable,
)
def test_options_that_cannot_work_are_refused(
    pytester: pytest.Pytester, words: tuple[str, ...], message: str
) -> None:
    containers.need_engine()
    result = pytester.runpytest_subprocess("--execgo-matrix", *words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert message in result.stderr.str()


def test_a_run_without_containers_does_not_load_docker(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeconftest(
        """
        import sys

        def pytest_unconfigure():
            loaded = {name.partition(".")[0] for name in sys.modules}
            print("loaded", sorted(loaded & {"docker", "testcontainers"}))
        """
    )
    result = pytester.runpytest_subprocess("--execgo-matrix", "-s")
    result.assert_outcomes(passed=1)
    assert "loaded []" in result.stdout.str()
    assert (
        json.loads((pytester.path / "reports/latest/request.json").read_text())["harness"]
        == "embedded"
    )
