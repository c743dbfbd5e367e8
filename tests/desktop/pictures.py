"""Pictures of every view of the real desktop client, for docs/desktop.md.

    python -m tests.desktop.pictures FOLDER

Needs the built client, Xvfb, tauri-driver and WebKitWebDriver, see ``.ci/desktop``, and ``import`` of
ImageMagick.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.conftest import ScenarioMaker
from tests.desktop.application import Application, display, settings, started

RED = "broken_input-reference-replay-runtime_kill-r0"


def main() -> None:
    target = Path(sys.argv[1])
    target.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as name, display() as screen:
        home = Path(name)
        project = home / "greetings"
        make = ScenarioMaker(project / "scenarios")
        make("greeting")
        (project / "pytest.ini").write_text("[pytest]\n")
        (project / ".venv").symlink_to(sys.prefix)
        broken = make("broken_input") / "workspace/greet.py"
        good = broken.read_text()
        command = [sys.executable, "-m", "pytest_execgo", "run", "--run-id=sunday"]
        subprocess.run([*command, "--chaos=none", "--chaos=runtime_kill"], cwd=project, check=False)
        broken.write_text("import sys\nsys.exit('cannot open names.txt: no such file')\n")
        settings(home, project)
        with started(home, screen, EXECGO_PYTHON="") as app:
            _english(app, target)
        broken.write_text(good)
        settings(home, project, language="zh", theme="dark")
        with started(home, screen, EXECGO_PYTHON="") as app:
            _chinese(app, target)


def _english(app: Application, target: Path) -> None:
    app.text("2 scenarios")
    app.find("//tr[contains(., 'sunday')]")
    app.picture(target / "home.png")
    app.view("Compose")
    app.check("runtime_kill")
    app.text("4 trials")
    app.picture(target / "compose.png")
    app.click("Start the run")
    app.find("//*[contains(@class, 'fault')][contains(., 'kill runtime')]")
    app.picture(target / "live.png")
    app.text("A trial did not pass")
    app.click("Open the report")
    app.find("//ul[@class='trust']")
    app.picture(target / "report.png")
    app.click(RED, "a")
    app.find("//p[@class='headline']")
    app.picture(target / "trial.png")
    app.view("Runs")
    for box in app.driver.find_elements("css selector", "table.runs input")[:2]:
        box.click()
    app.picture(target / "runs.png")
    app.click("Compare the chosen runs")
    app.find("//h2[contains(., 'Cells that differ')]")
    app.picture(target / "compare.png")


def _chinese(app: Application, target: Path) -> None:
    app.text("2 个场景")
    app.picture(target / "home-zh.png")
    app.view("场景与配置")
    app.click("greeting")
    app.find("//section[@class='source']//pre")
    app.picture(target / "library-zh.png")
    app.view("诊断")
    app.find("//table[contains(@class, 'grid')]")
    app.picture(target / "doctor-zh.png")
    app.view("设置")
    app.find("//input[@type='password']")
    app.picture(target / "settings-zh.png")


if __name__ == "__main__":
    main()
