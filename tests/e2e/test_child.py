"""Processes of ours start in the same state, whatever their parent and the user's folder are like."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
from freezegun import freeze_time

from pytest_execgo.errors import HarnessError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from pytest_execgo.harness.reaper import Reaper
from pytest_execgo.scenario.matching import Matcher
from pytest_execgo.system import child
from tests.processes import await_, processes_with

# A parent with everything that a child can inherit. It prints what its child found.
PARENT = """
import os, signal, subprocess, sys
from pathlib import Path
from pytest_execgo.system import child
for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1):
    signal.signal(number, signal.SIG_IGN)
signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGTERM, signal.SIGUSR2, signal.SIGALRM))
os.umask(0o777)
os.set_inheritable(os.open(os.devnull, os.O_RDONLY), True)
command = child.of_program([sys.executable, "-I", "-c", sys.argv[1]], os.environ)
started = child.start(command, folder=Path(sys.argv[2]), environment=os.environ, stdout=subprocess.PIPE)
print(started.communicate()[0].decode())
sys.exit(started.returncode)
"""
# SIGPIPE and SIGXFSZ are ignored by Python itself.
CHILD = """
import json, os, signal, sys
own = (signal.SIGPIPE, getattr(signal, "SIGXFSZ", None))
known = [n for n in signal.valid_signals() if n not in own]
umask = os.umask(0)
print(json.dumps({
    "ignored": [n for n in known if signal.getsignal(n) is signal.SIG_IGN],
    "blocked": [int(n) for n in signal.pthread_sigmask(signal.SIG_BLOCK, ())],
    "umask": umask,
    "open": [n for n in range(3, 64) if os.path.exists(f"/dev/fd/{n}")],
    "folder": os.getcwd(),
    "session": os.getsid(0) == os.getpid(),
}))
sys.exit(3)
"""


@pytest.fixture
def from_a_strange_parent(tmp_path: Path) -> dict[str, Any]:
    words = [sys.executable, "-c", PARENT, CHILD, str(tmp_path)]
    done = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    out, _ = done.communicate(timeout=60)
    return {**json.loads(out), "status": done.returncode}


def test_child_inherits_no_signals_and_no_files(from_a_strange_parent: dict[str, Any]) -> None:
    found = from_a_strange_parent
    assert (found["ignored"], found["blocked"], found["open"]) == ([], [], [])


def test_exit_status_of_a_child_is_seen_although_sigchld_was_ignored(
    from_a_strange_parent: dict[str, Any],
) -> None:
    assert from_a_strange_parent["status"] == 3


def test_child_has_its_own_folder_and_session(
    from_a_strange_parent: dict[str, Any], tmp_path: Path
) -> None:
    found = from_a_strange_parent
    assert (found["folder"], found["session"]) == (str(tmp_path), True)


def test_child_can_use_the_files_it_makes(from_a_strange_parent: dict[str, Any]) -> None:
    assert from_a_strange_parent["umask"] == 0o077


@pytest.mark.parametrize("locale", [None, "C", "de_DE.UTF-8"])
def test_program_gets_the_environment_that_it_was_given(locale: str | None, tmp_path: Path) -> None:
    """Python sets LC_CTYPE where the locale is C."""
    given = {"LANG": "C", "A": "1", **({"LC_CTYPE": locale} if locale else {})}
    started = child.start(
        child.of_program(["/usr/bin/env"], given), environment=given, stdout=subprocess.PIPE
    )
    out, _ = started.communicate()
    assert dict(line.split("=", 1) for line in out.decode().splitlines()) == given


def test_program_that_cannot_run_leaves_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF no program")
    broken.chmod(0o755)
    command = child.of_program([str(broken)], {})
    started = child.start(command, stderr=subprocess.PIPE)
    _, text = started.communicate()
    assert text.decode().strip() == f"{broken}: Exec format error"
    assert started.returncode == 1


def test_sigchld_that_a_thread_cannot_reset_is_named() -> None:
    before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    errors: list[Exception] = []

    def work() -> None:
        try:
            child.start(["true"])
        except HarnessError as error:
            errors.append(error)

    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        signal.signal(signal.SIGCHLD, before)
    assert "SIGCHLD is ignored" in str(errors[0])


# -- files of the user that have the names of modules

SHADOWED = (
    "psutil", "signal", "json", "socketserver", "http", "argparse", "runpy", "sitecustomize",
    "usercustomize", "pytest_execgo", "fixtures_server",
)  # fmt: skip


@pytest.fixture(params=["working-folder", "PYTHONPATH"])
def shadowed(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    folder = tmp_path / "user"
    folder.mkdir()
    for name in SHADOWED:
        (folder / f"{name}.py").write_text("raise SystemExit('not the module you want')\n")
    monkeypatch.chdir(folder if request.param == "working-folder" else tmp_path)
    if request.param == "PYTHONPATH":
        monkeypatch.setenv("PYTHONPATH", str(folder))
    return folder


SETTINGS = {
    "PYTHONOPTIMIZE": "2", "PYTHONWARNINGS": "error", "PYTHONUTF8": "0", "LC_ALL": "C",
    "PYTHONCOERCECLOCALE": "0", "PYTHONINSPECT": "1", "PYTHONSTARTUP": "/none", "PYTHONVERBOSE": "1",
    "PYTHONWARNDEFAULTENCODING": "1", "PYTHONSAFEPATH": "1", "PYTHONBREAKPOINT": "none.none",
    "PYTHONIOENCODING": "ascii", "PYTHONPROFILEIMPORTTIME": "1", "COVERAGE_PROCESS_START": "/none",
}  # fmt: skip


def assert_reaper_cleans_up(tmp_path: Path) -> None:
    folder = tmp_path / "fleet"
    folder.mkdir()
    reaper = Reaper("token-of-no-fleet", folder, containers=False)
    # As if this process was killed: the pipe closes.
    assert reaper._process.stdin is not None
    reaper._process.stdin.close()
    assert reaper._process.wait() == 0
    assert not folder.exists()


def test_reaper_does_not_import_from_the_users_folder(shadowed: Path, tmp_path: Path) -> None:
    assert_reaper_cleans_up(tmp_path)


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_of_python_do_not_reach_the_reaper(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, SETTINGS[name])
    assert_reaper_cleans_up(tmp_path)


def test_services_do_not_import_from_the_users_folder(shadowed: Path) -> None:
    with Fleet(FleetSpec(), Registry.build().launchers) as fleet:
        assert fleet.unready() == []


def test_settings_of_python_do_not_reach_the_services(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in SETTINGS.items():
        monkeypatch.setenv(name, value)
    spec = FleetSpec(variables=frozenset(SETTINGS))
    with Fleet(spec, Registry.build().launchers) as fleet:
        assert fleet.unready() == []


def test_matches_do_not_import_from_the_users_folder(shadowed: Path) -> None:
    with Matcher() as matcher:
        assert matcher.found("(a+)+$", "aaa")


def test_package_that_is_only_on_pythonpath_is_found(tmp_path: Path) -> None:
    """Without the site module, nothing is installed: no .pth file of an editable install counts."""
    code = """
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
with Fleet(FleetSpec(), Registry.build().launchers) as fleet:
    print(fleet.unready(), fleet._root)
"""
    root, packages = Path(__file__).parents[2], Path(psutil.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-S", "-c", code],
        cwd=tmp_path, env={**os.environ, "PYTHONPATH": f"{root}{os.pathsep}{packages}"},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    unready, folder = done.stdout.split()
    assert unready == "[]"
    await_(lambda: not Path(folder).exists())


@pytest.fixture
def bytecode() -> Iterator[None]:
    before = sys.dont_write_bytecode, sys.pycache_prefix
    yield
    sys.dont_write_bytecode, sys.pycache_prefix = before


def test_children_write_bytecode_only_where_the_user_wants_it(
    bytecode: None, tmp_path: Path
) -> None:
    sys.dont_write_bytecode, sys.pycache_prefix = True, str(tmp_path)
    code = "import sys; print(sys.dont_write_bytecode, sys.pycache_prefix)"
    assert child.output_of([*child.python(), "-c", code], tmp_path) == f"True {tmp_path}\n"


# -- short programs


def test_commit_is_that_of_the_folder_also_inside_a_hook_of_git(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """git runs hooks with GIT_DIR and GIT_INDEX_FILE of the repository of the hook."""
    commits = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        for words in (("init", "-q"), ("commit", "-qm", name, "--allow-empty")):
            identity = ("-c", "user.name=x", "-c", "user.email=x@example.org")
            subprocess.run(["git", *identity, *words], cwd=folder, check=True)
        commits.append(child.git_commit(folder))
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "two/.git"))
    monkeypatch.setenv("GIT_WORK_TREE", str(tmp_path / "two"))
    assert child.git_commit(tmp_path / "one") == commits[0] != commits[1]


def test_folder_without_a_repository_has_no_commit(tmp_path: Path) -> None:
    assert child.git_commit(tmp_path) is None


@pytest.mark.parametrize(
    "command", [["no-such-program"], ["false"], ["sleep", "60"]], ids=["missing", "fails", "slow"]
)
def test_short_program_without_an_answer_has_none_in_frozen_time(
    command: list[str], tmp_path: Path
) -> None:
    with freeze_time("2001-01-01", ignore=["testcontainers"]):
        assert child.output_of(command, tmp_path, seconds=0.2) is None


# -- the end of services


def test_service_that_ignores_sigterm_is_killed_in_frozen_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("pytest_execgo.harness.processes.service.STOP_TIMEOUT_SECONDS", 0.2)
    with Fleet(FleetSpec(), Registry.build().launchers) as fleet:
        service = fleet.services["runtime"]
        process = psutil.Process(service.pid)
        # A stopped process receives SIGTERM only when it continues.
        process.suspend()
        with freeze_time("2001-01-01", ignore=["testcontainers"]):
            service.stop()
        await_(lambda: not process.is_running() or process.status() == psutil.STATUS_ZOMBIE)


def test_killed_run_leaves_nothing_although_the_users_folder_has_a_psutil(
    pytester: pytest.Pytester,
) -> None:
    pytester.makepyfile(psutil="raise RuntimeError('not the module you want')")
    code = """
import sys
sys.path.remove("") if "" in sys.path else None
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
with Fleet(FleetSpec(), Registry.build().launchers) as fleet:
    fleet.services["execgo"].pause()
    print(fleet._token, fleet._root, flush=True)
    sys.stdin.read()
"""
    running = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert running.stdout is not None
    token, root = running.stdout.readline().split()
    assert processes_with(token)
    running.kill()
    running.communicate()
    await_(lambda: not processes_with(token) and not Path(root).exists())
