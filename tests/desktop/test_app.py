"""The real desktop client: compose, watch, stop, understand, run again; and nothing is left behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.conftest import ScenarioMaker
from tests.desktop.application import Application, display, settings, started
from tests.processes import await_, processes_with

RED = "broken_input-reference-replay-runtime_kill-r0"


@pytest.fixture(scope="module")
def screen() -> Iterator[str]:
    with display() as name:
        yield name


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project with a scenario that passes, one that fails, and one that does not end."""
    root = tmp_path / "project"
    make = ScenarioMaker(root / "scenarios")
    make("greeting")
    broken = make("broken_input") / "workspace/greet.py"
    broken.write_text("import sys\nsys.exit('cannot open names.txt: no such file')\n")
    (make("slow") / "workspace/greet.py").write_text("import time\ntime.sleep(600)\n")
    (root / "pytest.ini").write_text("[pytest]\n")
    settings(tmp_path, root)
    return root


@pytest.fixture
def app(tmp_path: Path, folder: Path, screen: str) -> Iterator[Application]:
    with started(tmp_path, screen) as found:
        yield found


def test_a_run_is_composed_watched_understood_and_repeated(app: Application, folder: Path) -> None:
    app.text("3 scenarios")
    app.view("Compose")
    for name in ("greeting", "broken_input", "runtime_kill"):
        app.check(name)
    app.text("4 trials")
    app.click("Start the run")
    app.text("4 of 4 trials")
    app.text("A trial did not pass")
    app.click("Open the report")
    app.click(RED, "a")
    headline = app.find("//p[@class='headline']")
    assert "cannot open names.txt" in headline.text
    app.click("Run again")
    app.text("1 of 1 trials")
    app.text("A trial did not pass")
    runs = [path for path in (folder / "reports").iterdir() if not path.is_symlink()]
    assert len(runs) == 2
    trials = [len(json.loads((run / "benchmark.json").read_text())["trials"]) for run in runs]
    assert sorted(trials) == [1, 4]


def start_slow(app: Application) -> None:
    app.text("3 scenarios")
    app.view("Compose")
    app.check("slow")
    app.text("1 trial")
    app.click("Start the run")
    app.find("//*[@class='tag'][contains(., 'stage')]")


def test_a_run_is_stopped_in_order_and_resumed(app: Application, folder: Path) -> None:
    start_slow(app)
    app.click("Stop the run")
    app.text("You stopped the run")
    (run,) = (path for path in (folder / "reports").iterdir() if not path.is_symlink())
    assert (run / "benchmark.json").is_file()
    await_(lambda: not processes_with(str(folder)))
    greet = (folder / "scenarios/greeting/workspace/greet.py").read_bytes()
    (folder / "scenarios/slow/workspace/greet.py").write_bytes(greet)
    app.click("Run the rest")
    app.text("Every trial passed.")
    assert len(json.loads((run / "benchmark.json").read_text())["trials"]) == 1


def test_closing_the_window_ends_its_runs_in_order(app: Application, folder: Path) -> None:
    start_slow(app)
    family = [app.process, *app.process.children(recursive=True)]
    app.close_window()
    await_(lambda: not any(map(_lives, family)))
    await_(lambda: not processes_with(str(folder)))
    (run,) = (path for path in (folder / "reports").iterdir() if not path.is_symlink())
    assert (run / "benchmark.json").is_file()


def test_a_killed_client_leaves_no_process_and_its_run_is_resumed_from_the_window(
    tmp_path: Path, folder: Path, screen: str
) -> None:
    with started(tmp_path, screen) as app:
        start_slow(app)
        family = [app.process, *app.process.children(recursive=True)]
        app.process.kill()
        await_(lambda: not any(map(_lives, family)))
        await_(lambda: not processes_with(str(folder)))
    greet = (folder / "scenarios/greeting/workspace/greet.py").read_bytes()
    (folder / "scenarios/slow/workspace/greet.py").write_bytes(greet)
    with started(tmp_path, screen) as app:
        app.text("3 scenarios")
        app.view("Runs")
        app.click("Run the rest")
        app.text("Every trial passed.")


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_a_run_that_something_else_started_appears(app: Application, folder: Path) -> None:
    app.text("3 scenarios")
    app.view("Runs")
    app.text("There is no run")
    command = [
        sys.executable,
        "-m",
        "pytest_execgo",
        "run",
        "--scenario=greeting",
        "--run-id=other",
    ]
    with psutil.Popen(command, cwd=folder) as run:
        app.find("//tr[contains(., 'other')]")
        run.wait()
    app.find("//tr[contains(., 'other')][contains(., 'finished')][contains(., '1 / 1')]")


def test_without_a_python_the_window_says_what_to_do(
    tmp_path: Path, folder: Path, screen: str
) -> None:
    with started(tmp_path, screen, EXECGO_PYTHON=str(tmp_path / "gone/python")) as app:
        app.text("This project cannot run anything yet")
        app.text("gone/python: no such file or directory")
        app.view("Runs")
        app.text("There is no run")


def test_a_keychain_that_is_not_there_is_one_clear_message(app: Application) -> None:
    app.view("Settings")
    app.find("//input[@placeholder='OPENAI_API_KEY']").send_keys("OPENAI_API_KEY")
    app.find("//input[@type='password']").send_keys("canary")
    app.click("Keep")
    app.text("the keychain cannot")


def test_the_window_is_in_chinese_and_dark_if_the_settings_say_so(
    tmp_path: Path, folder: Path, screen: str
) -> None:
    settings(tmp_path, folder, language="zh", theme="dark")
    with started(tmp_path, screen) as app:
        app.text("3 个场景")
        root = app.driver.find_element("tag name", "html")
        assert (root.get_attribute("data-theme"), root.get_attribute("lang")) == ("dark", "zh-CN")
