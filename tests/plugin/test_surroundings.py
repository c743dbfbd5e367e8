"""Runs in unusual surroundings: signals, flags of Python, locales, tests that replace what we use."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.plugin import invoke
from tests.conftest import ScenarioMaker
from tests.plugin.conftest import latest

Done = subprocess.CompletedProcess[str]

# A parent that ignores SIGCHLD, as "trap '' CHLD" does in a shell.
IGNORING = """
import os, signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""


def python(path: Path, *words: str, **variables: str) -> Done:
    environment = {**os.environ, "PYTHONUTF8": "1", **variables}
    environment.pop("PYTEST_ADDOPTS", None)
    return subprocess.run(
        [sys.executable, *words],
        cwd=path, env=environment, capture_output=True, encoding="utf-8", check=False,
    )  # fmt: skip


def run_matrix(path: Path, *words: str, **variables: str) -> Done:
    command = ("-m", "pytest", "--execgo-matrix", "-q", "-p", "no:cacheprovider")
    return python(path, *command, *words, **variables)


def failing(plan: dict[str, Any]) -> None:
    task = plan["stages"][0]["task_graph"]["tasks"][0]
    task["input"]["execution"] = {"kind": "command", "program": "/bin/sh", "args": ["-c", "exit 3"]}


# -- signals


@pytest.mark.parametrize("workers", [(), ("-n", "1")], ids=["alone", "worker"])
def test_failed_task_fails_the_trial_although_sigchld_is_ignored(
    pytester: pytest.Pytester, project: ScenarioMaker, workers: tuple[str, ...]
) -> None:
    project("demo", plan=failing)
    words = ("-m", "pytest", "--execgo-matrix", "-q", *workers)
    done = python(pytester.path, "-c", IGNORING, *words)
    assert done.returncode == 1, done.stdout
    (trial,) = latest(pytester.path)["trials"]
    assert trial["verdict"]["status"] == "failed"


def test_service_of_its_own_sees_the_end_of_tasks_although_sigchld_is_ignored(
    tmp_path: Path,
) -> None:
    words = (
        "-m",
        "pytest_execgo.emulators.runtime",
        "--exit-with-stdin",
        "--listen-addr",
        "127.0.0.1:0",
    )
    service = subprocess.Popen(
        [sys.executable, "-c", IGNORING, *words, "--data-dir", str(tmp_path)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert service.stdout is not None
    pid = json.loads(service.stdout.readline())["pid"]
    ignored = next(
        int(line.split()[1], 16)
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("SigIgn")
    )
    service.communicate()
    assert not ignored & 1 << 16


# -- flags of Python


CHECKS = "def never(view):\n    assert False, 'never holds'\n"
DEBUG = "def never(view):\n    return not __debug__\n"


@pytest.mark.parametrize("flag", ["-O", "-OO"])
@pytest.mark.parametrize("checks", [CHECKS, DEBUG], ids=["assert", "debug"])
def test_asserts_of_checks_hold_under_python_o(
    pytester: pytest.Pytester, project: ScenarioMaker, flag: str, checks: str
) -> None:
    def manifest(data: dict[str, Any]) -> None:
        data["checks"] = [{"kind": "python", "callable": "checks:never"}]

    folder = project("demo", manifest=manifest)
    (folder / "checks.py").write_text(checks)
    done = python(pytester.path, flag, "-m", "pytest", "--execgo-matrix", "-q")
    assert done.returncode == 1, done.stdout
    (trial,) = latest(pytester.path)["trials"]
    assert trial["verdict"]["status"] == "failed"


def test_python_oo_is_refused_where_a_model_would_get_half_a_prompt(
    pytester: pytest.Pytester, tiny: Path
) -> None:
    words = ("--execgo-matrix", "-q", "--execgo-framework=tiny")
    done = python(pytester.path, "-OO", "-m", "pytest", *words)
    assert done.returncode == 4
    assert "python -OO removes docstrings" in done.stderr + done.stdout
    assert "Traceback" not in done.stderr + done.stdout


# -- encodings


def accented(data: dict[str, Any]) -> None:
    data["description"] = "Grüße an alle × 3"


ASCII = {"LC_ALL": "C", "PYTHONCOERCECLOCALE": "0", "PYTHONUTF8": "0"}


def test_run_depends_on_no_default_encoding(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    """EncodingWarning as an error, PEP 597; also while a limit of a service is read."""
    project("demo", manifest=accented)
    words = ("-W", "error", "-m", "pytest", "--execgo-matrix", "-q")
    done = python(pytester.path, *words, PYTHONWARNDEFAULTENCODING="1")
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize(
    "words",
    [
        ("scenario", "list"),
        ("doctor",),
        ("run",),
        ("run", "--scenario", "Grüße"),
    ],
    ids=" ".join,
)
def test_commands_work_on_an_ascii_terminal(
    pytester: pytest.Pytester, project: ScenarioMaker, words: tuple[str, ...]
) -> None:
    project("demo", manifest=accented)
    done = python(pytester.path, "-m", "pytest_execgo", *words, **ASCII)
    assert "Traceback" not in done.stderr
    assert "UnicodeEncodeError" not in done.stdout + done.stderr
    assert done.returncode == (4 if "Grüße" in words else 0), done.stderr


def test_json_on_an_ascii_terminal_is_valid(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo", manifest=accented)
    done = python(pytester.path, "-m", "pytest_execgo", "scenario", "list", "--json", **ASCII)
    assert "Grüße an alle × 3" in json.dumps(json.loads(done.stdout), ensure_ascii=False)


# -- plugins that are not loaded


OFF = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


@pytest.mark.parametrize("words", [(), ("-n", "1")], ids=["alone", "worker"])
def test_run_loads_its_plugin_where_pytest_loads_none(
    pytester: pytest.Pytester, project: ScenarioMaker, words: tuple[str, ...]
) -> None:
    project("demo")
    done = python(pytester.path, "-m", "pytest_execgo", "run", *words, **OFF)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(latest(pytester.path)["trials"]) == 1


def test_run_loads_its_plugin_where_the_ini_file_blocks_it(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo")
    pytester.makeini("[pytest]\naddopts = -p no:execgo\n")
    done = python(pytester.path, "-m", "pytest_execgo", "run")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("words", [("-p", "no:execgo"), ("-pno:execgo",)], ids=" ".join)
def test_run_with_its_plugin_blocked_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(UsageError, match="-p no:execgo blocks the plugin that runs the matrix"):
        invoke._loading(list(words))


def test_plugin_of_a_checkout_is_loaded_by_its_module(monkeypatch: pytest.MonkeyPatch) -> None:
    """On PYTHONPATH alone, the package has no entry points."""
    monkeypatch.setattr(invoke, "entry_points", lambda **which: ())
    assert invoke._loading(["-n", "2"]) == ["-p", "pytest_execgo.plugin", "-p", "xdist"]


@pytest.mark.parametrize("plugin", ["capture", "logging", "xdist"])
def test_run_needs_no_other_plugin(
    pytester: pytest.Pytester, project: ScenarioMaker, plugin: str
) -> None:
    project("demo")
    done = run_matrix(pytester.path, "-p", f"no:{plugin}")
    assert done.returncode == 0, done.stdout


# -- what tests replace


FIXTURE = """
import pytest

@pytest.fixture(autouse=True)
def replaced(monkeypatch):
    {0}
"""
REPLACED = {
    "requests": FIXTURE.format('monkeypatch.delattr("requests.sessions.Session.request"); yield'),
    "responses": FIXTURE.format("import responses\n    with responses.RequestsMock(): yield"),
    "httpretty": FIXTURE.format(
        "import httpretty\n    with httpretty.enabled(allow_net_connect=False): yield"
    ),
    "pytest-socket": FIXTURE.format(
        "import pytest_socket\n    pytest_socket.disable_socket(); yield; pytest_socket.enable_socket()"
    ),
    "Popen": FIXTURE.format('monkeypatch.setattr("subprocess.Popen", None); yield'),
    "sleep": FIXTURE.format('monkeypatch.setattr("time.sleep", lambda s: None); yield'),
    "freezegun": FIXTURE.format(
        "import freezegun\n    with freezegun.freeze_time('2001-01-01'): yield"
    ),
    "time-machine": FIXTURE.format(
        "import time_machine\n    with time_machine.travel('2001-01-01', tick=False): yield"
    ),
    "freezegun-at-import": "import freezegun\nfreezegun.freeze_time('2001-01-01').start()\n",
    "time-machine-at-import": (
        "import time_machine\ntime_machine.travel('2001-01-01', tick=False).start()\n"
    ),
}


@pytest.mark.parametrize("tool", REPLACED)
def test_trial_runs_while_a_test_replaces(
    pytester: pytest.Pytester, project: ScenarioMaker, tool: str
) -> None:
    """A service is killed and started again, and a connection is slow, while it is replaced."""

    project("demo")
    link = {
        "action": "network", "target": "runtime", "params": {"kind": "latency", "latency_ms": 30},
        "when": {"phase": "submit"},
    }  # fmt: skip
    kill = {"action": "kill", "target": "execgo", "when": {"phase": "verify"}}
    project.chaos("both", expectation="measure", faults=[link, kill])
    pytester.makeconftest(REPLACED[tool])
    done = run_matrix(pytester.path, "--execgo-chaos=both")
    assert done.returncode == 0, done.stdout + done.stderr
    (trial,) = latest(pytester.path)["trials"]
    assert [fault["status"] for fault in trial["faults"]] == ["fired", "fired"], trial["faults"]
    assert 30 < trial["metrics"]["engine_time_ms"] < trial["metrics"]["wall_time_ms"] < 60_000
    assert trial["started_at"] > "2024"
    lines = (pytester.path / "reports/latest/events.ndjson").read_text().splitlines()
    assert all(json.loads(line)["at"] > "2024" for line in lines)
