"""The window of the desktop client in a plain browser, over recorded documents."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.parse import urlencode

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browsers import chromium
from tests.desktop.artefacts import mock_page

VIEWS = ("Home", "Compose", "Runs", "Scenarios and profiles", "Doctor", "Settings")
RED = "broken_input-reference-replay-runtime_kill-r0"


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:
        pass

    def do_GET(self) -> None:
        if self.path == "/favicon.ico":
            self.send_response(204)
            self.end_headers()
            return
        super().do_GET()


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """The address of the app. A browser loads no modules from a file."""
    handler = partial(_QuietHandler, directory=str(mock_page().parent))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        yield (found := playwright.chromium.launch(executable_path=path, args=["--no-sandbox"]))
        found.close()


class Window:
    """The app in a page, and everything that must not happen in it."""

    def __init__(
        self, browser: Browser, address: str, choices: dict[str, str], **words: Any
    ) -> None:
        self._context = browser.new_context(**words)
        self.page: Page = self._context.new_page()
        self.problems: list[str] = []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.goto(f"{address}?{urlencode({'lang': 'en', **choices})}")

    def go(self, view: str) -> Page:
        self.page.get_by_role("navigation", name="Views").get_by_role("button", name=view).click()
        return self.page

    def asked(self) -> list[str]:
        found: list[str] = self.page.evaluate("window.mock.asked")
        return found

    def close(self) -> None:
        self._context.close()
        assert self.problems == []


@pytest.fixture
def opened(browser: Browser, address: str) -> Iterator[Any]:
    """Opens windows; each must end without a message of the browser."""
    windows: list[Window] = []

    def open_(words: dict[str, Any] | None = None, /, **choices: str) -> Window:
        windows.append(Window(browser, address, choices, **(words or {})))
        return windows[-1]

    yield open_
    for window in windows:
        window.close()


def test_three_clicks_from_the_start_to_the_first_report(opened: Any) -> None:
    window = opened(project="none")
    window.page.get_by_role("button", name="Open a project").first.click()
    window.page.get_by_role("button", name="Run every scenario once").click()
    window.page.get_by_role("button", name="Open the report").click()
    expect(window.page.locator(".trust")).to_contain_text("2 of 4 trials passed")


def test_compose_watch_read_the_cause_and_run_again(opened: Any) -> None:
    window = opened()
    page = window.go("Compose")
    page.get_by_label("runtime_kill").check()
    expect(page.locator(".estimate")).to_contain_text("4 trials")
    command = "pytest --execgo-matrix --execgo-chaos none --execgo-chaos runtime_kill"
    expect(page.locator("aside pre")).to_have_text(command)
    page.get_by_role("button", name="Start the run").click()
    expect(page.locator("h1")).to_have_text("tuesday")
    expect(page.locator(".note.bad")).to_contain_text("A trial did not pass")
    expect(page.get_by_role("status")).to_contain_text("4 of 4 trials")
    assert window.asked() == ["start --chaos=none --chaos=runtime_kill"]
    page.get_by_role("button", name="Open the report").click()
    page.get_by_role("link", name=RED).click()
    expect(page.locator(".headline")).to_contain_text("cannot open names.txt")
    page.get_by_role("button", name="Open its folder").click()
    page.get_by_role("button", name="Run again").click()
    expect(page.locator("h1")).to_have_text("rerun")
    opened_folder, rerun = window.asked()[1:]
    assert opened_folder == f"open /home/user/project/reports/tuesday/trials/{RED}"
    assert rerun.startswith("rerun pytest scenarios/broken_input/scenario.yaml::")


def test_a_running_trial_shows_its_stage_and_fault_and_can_be_stopped(opened: Any) -> None:
    window = opened(pace="500")
    page = window.page
    page.get_by_role("button", name="Run with the faults").click()
    expect(page.get_by_text("fault: kill runtime")).to_be_visible()
    expect(page.locator(".running .tag").first).to_contain_text("stage")
    page.get_by_role("button", name="Stop the run").click()
    expect(page.get_by_text("Stopping")).to_be_visible()
    expect(page.locator(".note.bad")).to_contain_text("You stopped the run")
    page.get_by_role("button", name="Run the rest").click()
    assert window.asked()[-1] == "resume tuesday"


def test_several_runs_go_on_at_once(opened: Any) -> None:
    window = opened(run="hangs")
    for _ in range(2):
        window.go("Home").get_by_role("button", name="Run every scenario once").click()
    live = window.page.get_by_role("navigation").get_by_role("button", name="Live")
    expect(live).to_have_count(2)
    window.page.get_by_role("button", name="Stop the run").click()
    expect(live).to_have_count(1)


def test_runs_are_filtered_compared_and_completed(opened: Any) -> None:
    window = opened()
    page = window.go("Runs")
    page.get_by_label("Filter").fill("day")
    expect(page.locator("table.runs tbody tr")).to_have_count(2)
    page.get_by_label("Filter").fill("")
    page.get_by_role("button", name="Write its report anew").click()
    expect(
        page.get_by_role("row", name="killed").get_by_role("button", name="Open")
    ).to_be_visible()
    page.get_by_label("choose monday").check()
    page.get_by_label("choose sunday").check()
    page.get_by_role("button", name="Compare the chosen runs").click()
    row = page.get_by_role("row", name="broken_input-reference-replay-none")
    expect(row.locator("td")).to_have_text(["✓ 1/1", "✗ 0/1"])
    assert window.asked() == ["report killed", "compare sunday monday"]


def test_choices_are_kept_as_presets(opened: Any) -> None:
    window = opened()
    page = window.go("Compose")
    page.get_by_label("greeting Greet").check()
    page.get_by_label("Name of the preset").fill("quick")
    page.get_by_role("button", name="Save these choices").click()
    page.get_by_label("greeting Greet").uncheck()
    page.get_by_role("button", name="quick", exact=True).click()
    expect(page.get_by_label("greeting Greet")).to_be_checked()
    page.get_by_role("button", name="Remove quick").click()
    expect(page.get_by_role("button", name="quick", exact=True)).to_have_count(0)


def test_another_project_has_choices_runs_and_a_python_of_its_own(opened: Any) -> None:
    window = opened()
    page = window.go("Compose")
    page.get_by_label("greeting Greet").check()
    window.go("Settings").get_by_label("Python").fill("/opt/python")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("button", name="Save")).to_be_disabled()
    window.go("Home").get_by_role("button", name="Run every scenario once").click()
    expect(page.get_by_role("status")).to_contain_text("4 of 4 trials")
    window.go("Home").get_by_role("button", name="/home/user/other").click()
    expect(page.get_by_text("1 scenarios")).to_be_visible()
    expect(page.locator("table.runs")).to_have_count(0)
    expect(window.go("Settings").get_by_label("Python")).to_have_value("")
    expect(window.go("Runs").get_by_role("heading", name="Runs of this session")).to_have_count(0)
    window.go("Compose")
    expect(page.locator("aside pre")).to_have_text("pytest --execgo-matrix")


def test_a_late_answer_of_another_project_is_dropped(opened: Any) -> None:
    window = opened()
    page = window.page
    page.get_by_role("button", name="/home/user/other").click()
    page.get_by_role("button", name="/home/user/project").click()
    expect(page.get_by_text("2 scenarios")).to_be_visible()
    page.wait_for_function("window.mock.asked.includes('describe other')")
    expect(page.get_by_text("2 scenarios")).to_be_visible()
    expect(page.locator("table.runs tbody tr")).to_have_count(3)


def test_an_option_takes_a_value_in_each_line(opened: Any) -> None:
    page = opened().go("Compose")
    page.get_by_text("Further options").click()
    page.get_by_label("--fail-if").fill("success_rate < 1\nfaults_not_fired > 0")
    command = page.locator("aside pre")
    expect(command).to_contain_text("--execgo-fail-if 'success_rate < 1'")
    expect(command).to_contain_text("--execgo-fail-if 'faults_not_fired > 0'")


def test_a_live_run_asks_for_provider_and_model(opened: Any) -> None:
    page = opened().go("Compose")
    page.get_by_label("live", exact=True).check()
    page.get_by_label("--provider").select_option("scripted")
    page.get_by_label("--model ").first.fill("repaired")
    expect(page.locator("aside pre")).to_contain_text("--execgo-provider scripted")


def test_scenarios_and_profiles_are_read_checked_and_opened(opened: Any) -> None:
    window = opened()
    page = window.go("Scenarios and profiles")
    page.get_by_role("button", name="greeting").click()
    expect(page.locator(".source pre")).to_contain_text("Greets everybody")
    page.get_by_role("button", name="Open in the editor").click()
    assert window.asked() == ["open /home/user/project/scenarios/greeting/scenario.yaml"]
    page.get_by_role("button", name="Check all files").click()
    expect(page.get_by_role("status")).to_contain_text("did you mean 'equals'?")


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"python": "missing"}, "no Python was found for /home/user/project"),
        ({"plugin": "missing"}, "/home/user/project/.venv/bin/python -m pip install pytest-execgo"),
    ],
    ids=["python", "plugin"],
)
def test_what_is_missing_is_one_clear_message(
    opened: Any, choices: dict[str, str], message: str
) -> None:
    window = opened(**choices)
    expect(window.page.get_by_role("alert")).to_contain_text(message)
    for view in ("Compose", "Scenarios and profiles"):
        expect(window.go(view).get_by_role("alert")).to_contain_text(message)
    expect(window.go("Runs").locator("table.runs")).to_be_visible()


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("crash", "the run was ended by signal 9"),
        ("protocol", "writes protocol 2; this client reads protocol 1"),
    ],
)
def test_a_run_that_breaks_is_one_clear_message(opened: Any, run: str, message: str) -> None:
    window = opened(run=run)
    window.page.get_by_role("button", name="Run every scenario once").click()
    expect(window.page.get_by_role("alert")).to_contain_text(message)


def test_a_report_that_is_half_written_is_one_clear_message(opened: Any) -> None:
    page = opened(page="damaged").page
    page.get_by_role("row", name="monday").get_by_role("button", name="Open").click()
    expect(page.locator(".note.bad")).to_contain_text("it does not hold index")


def test_settings_that_cannot_be_saved_stay_as_they_were(opened: Any) -> None:
    page = opened(disk="full").go("Settings")
    page.get_by_label("Theme").select_option("dark")
    expect(page.get_by_role("alert")).to_contain_text("no space left on device")
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("alert")).to_have_count(0)


def test_a_secret_is_given_away_once_and_never_shown(opened: Any) -> None:
    window = opened()
    page = window.go("Settings")
    page.get_by_label("Name").fill("OPENAI_API_KEY")
    page.get_by_label("Value").fill("canary")
    page.get_by_role("button", name="Keep").click()
    expect(page.get_by_role("button", name="Remove OPENAI_API_KEY")).to_be_visible()
    expect(page.get_by_label("Value")).to_have_value("")
    assert "canary" not in page.content()
    assert window.asked() == ["secret OPENAI_API_KEY"]


def test_five_thousand_trials_do_not_block_the_window(opened: Any) -> None:
    window = opened(trials="5000")
    page = window.page
    page.get_by_role("button", name="Run every scenario once").click()
    # The window answers while events arrive.
    window.go("Settings").get_by_label("Language").select_option("zh")
    expect(page.get_by_role("button", name="主页")).to_be_visible()
    page.get_by_role("button", name="运行记录").click()
    page.get_by_role("button", name="5000/5000").click()
    expect(page.get_by_role("status")).to_contain_text("5000/5000")
    expect(page.locator("main .plain li")).to_have_count(200)
    page.get_by_role("button", name="打开报告").click()
    page.get_by_role("link", name="试验").click()
    expect(page.get_by_role("status")).to_contain_text("5000")


def test_menu_and_keys_open_views(opened: Any) -> None:
    window = opened()
    page = window.page
    expect(page.get_by_role("heading", name="Quick start")).to_be_visible()
    page.evaluate("window.mock.tell('menu', 'doctor')")
    expect(page.get_by_role("cell", name="three services ready")).to_be_visible()
    page.keyboard.press("Control+3")
    expect(page.locator("table.runs")).to_be_visible()
    page.keyboard.press("Control+,")
    expect(page.get_by_label("Theme")).to_be_visible()
    page.evaluate("window.mock.tell('closing', 2)")
    expect(page.get_by_role("alert")).to_contain_text("2 runs are ended in order")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_accessible_and_fits(opened: Any, view: str, theme: str) -> None:
    window = opened({"viewport": {"width": 480, "height": 700}}, theme=theme)
    page = window.go(view)
    page.wait_for_selector("main h2, main legend, main .field")
    expect(page.get_by_text("Checking; this starts a fleet")).to_have_count(0)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    assert page.evaluate("document.documentElement.scrollWidth") <= 480


def test_a_live_run_is_accessible(opened: Any) -> None:
    window = opened(run="hangs")
    window.page.get_by_role("button", name="Run every scenario once").click()
    expect(window.page.locator(".running b")).to_be_visible()
    found = Axe().run(window.page)
    assert found.violations_count == 0, found.generate_report()


def test_the_page_needs_nothing_from_elsewhere() -> None:
    folder = mock_page().parent
    text = "".join(path.read_text(encoding="utf-8") for path in Path(folder).rglob("*.*s"))
    assert "https://" not in text.replace("https://www.w3.org", "").replace("https://github", "")
