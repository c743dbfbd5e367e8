"""``index.html`` of real runs in a real browser: from the heat map to the reason of a failure."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pytest_execgo.benchmark.attempts import earlier_attempts
from pytest_execgo.benchmark.viewer.page import index_html
from tests.browsers import chromium
from tests.conftest import ScenarioMaker
from tests.hostile_text import HOSTILE
from tests.results import result, trial

VIEWS = ("overview", "trials", "causes", "compare")
RED = "exit_code-reference-replay-none-r0"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run with failures of five kinds, and with faults."""
    folder = tmp_path_factory.mktemp("project")
    make = ScenarioMaker(folder / "scenarios")
    make("good")
    failing = {
        "exit_code": "import sys\nsys.exit('cannot open names.txt')\n",
        "no_file": "open('orders.csv')\n",
        "too_slow": "import time\ntime.sleep(60)\n",
        "no_json": "print('hello')\n",
    }
    for name, program in failing.items():
        (make(name, plan=_limited) / "workspace/greet.py").write_text(program)
    (make("wrong_output") / "expected/greetings.txt").write_text("Bye\n")
    base = ("--execgo-run-id=base", "--execgo-scenario=good", "--execgo-scenario=exit_code")
    (folder / "scenarios/exit_code/workspace/greet.py").rename(folder / "greet.py")
    make_good = (folder / "scenarios/good/workspace/greet.py").read_text()
    (folder / "scenarios/exit_code/workspace/greet.py").write_text(make_good)
    _pytest(folder, *base)
    (folder / "greet.py").replace(folder / "scenarios/exit_code/workspace/greet.py")
    _pytest(folder, "--execgo-run-id=run", "--execgo-compare=reports/base", "--execgo-chaos=none",
            "--execgo-chaos=runtime_kill")  # fmt: skip
    return folder / "reports/run"


def _limited(plan: dict[str, Any]) -> None:
    for stage in plan["stages"]:
        stage["submit_policy"] = {"max_resubmits": 0}
        for task in stage["task_graph"]["tasks"]:
            task["input"]["limits"] = {"wall_time_ms": 1500}


def _pytest(folder: Path, *words: str) -> None:
    command = [sys.executable, "-m", "pytest", "-q", "--execgo-matrix", "-n2", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stdout + done.stderr


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        yield (found := playwright.chromium.launch(executable_path=path, args=["--no-sandbox"]))
        found.close()


class Viewer:
    """A page, and everything that must not happen in it."""

    def __init__(self, browser: Browser, page: Path, **options: Any) -> None:
        self._context = browser.new_context(**options)
        self.address = page.as_uri()
        self.page: Page = self._context.new_page()
        self.problems: list[str] = []
        self.page.on("console", lambda message: self.problems.append(message.text))
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))
        self.page.on("dialog", lambda dialog: self.problems.append(dialog.message))
        self.page.on("request", lambda request: self._request(request.url))

    def _request(self, url: str) -> None:
        if url.partition("#")[0] != self.address:
            self.problems.append(url)

    def open(self, place: str = "") -> Page:
        self.page.goto(f"{self.address}#/{place}")
        self.page.wait_for_selector("main h2, main table, main .note")
        return self.page

    def close(self) -> None:
        self._context.close()
        assert self.problems == []


@pytest.fixture
def viewer(browser: Browser, run: Path) -> Iterator[Viewer]:
    found = Viewer(browser, run / "index.html")
    yield found
    found.close()


def test_from_the_heat_map_to_the_reason_and_its_event(viewer: Viewer) -> None:
    page = viewer.open()
    expect(page.locator(".trust")).to_contain_text("of 12 trials passed")
    page.get_by_role("link", name="exit_code-reference-replay-none: 0 of 1 passed").click()
    expect(page.get_by_role("status")).to_have_text("1 of 12 trials")
    page.get_by_role("link", name="r0").click()
    expect(page.locator("h2.id")).to_have_text(RED)
    expect(page.locator(".headline")).to_contain_text("cannot open names.txt")
    step = page.locator(".chain li").filter(has_text="task greet failed")
    event = step.get_by_role("button").first
    number = event.inner_text()
    event.click()
    expect(page.locator(".window tr.current td").first).to_have_text(number)
    expect(page.locator("#events pre")).to_contain_text('"event_type": "task_')
    page.evaluate("navigator.clipboard.writeText = async (text) => { window.copied = text }")
    page.get_by_role("button", name="Copy the rerun command").click()
    expect(page.get_by_role("button", name="Copied")).to_be_visible()
    rerun = "pytest scenarios/exit_code/scenario.yaml::reference-replay-none-r0"
    assert page.evaluate("window.copied").startswith(rerun)


def test_search_sort_and_keyboard(viewer: Viewer) -> None:
    page = viewer.open("trials")
    page.keyboard.press("/")
    page.keyboard.type("verdict:failed chaos:none -scenario:exit_*")
    expect(page.get_by_role("status")).to_have_text("4 of 12 trials")
    assert "q=verdict" in page.url
    page.keyboard.press("Escape")
    page.get_by_role("button", name="wall time").click()
    page.get_by_role("button", name="wall time").click()
    expect(page.locator(".window tbody tr").first).to_contain_text("too_slow")
    page.keyboard.press("j")
    page.keyboard.press("k")
    page.keyboard.press("?")
    expect(page.get_by_text("Keys: / search")).to_be_visible()
    page.locator(".window").press("Enter")
    expect(page.locator("h2.id")).to_have_text("too_slow-reference-replay-none-r0")
    page.go_back()
    expect(page.get_by_role("status")).to_have_text("4 of 12 trials")
    page.get_by_label("Search").fill("scenaro:x")
    expect(page.get_by_role("alert")).to_contain_text("scenaro is not a field")


def test_a_window_of_time_filters_the_events(viewer: Viewer) -> None:
    page = viewer.open("trial/good-reference-replay-runtime_kill-r0")
    chart = page.locator(".gantt svg")
    expect(page.locator(".gantt .names")).to_contain_text("faults")
    expect(page.locator(".gantt .labels")).to_contain_text("recovered after")
    chart.scroll_into_view_if_needed()
    box = chart.bounding_box()
    assert box is not None
    all_events = page.locator("#events > p").inner_text()
    page.mouse.move(box["x"] + box["width"] * 0.1, box["y"] + 40)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.4, box["y"] + 40)
    page.mouse.up()
    expect(page.locator("#events > p")).not_to_have_text(all_events)
    assert "time=" in page.url
    page.get_by_role("button", name="whole trial").click()
    expect(page.locator("#events > p")).to_have_text(all_events)


def test_what_changed_and_which_causes_were_named(viewer: Viewer) -> None:
    page = viewer.open("compare")
    expect(page.locator("dd").first).to_contain_text("exit_code-reference-replay-none")
    expect(page.get_by_role("row", name="success_rate")).to_be_visible()
    page = viewer.open("causes")
    number = page.locator("tbody tr").filter(has_text="runtime").get_by_role("link").first
    count = number.inner_text()
    number.click()
    expect(page.get_by_role("status")).to_have_text(f"{count} of 12 trials")
    assert "injected" in page.url


def test_the_attempts_of_a_trial_are_side_by_side(browser: Browser, tmp_path: Path) -> None:
    now = trial(0).model_copy(update={"attempt": 2})
    record = tmp_path / "trials" / now.trial_id / "attempts/1"
    record.mkdir(parents=True)
    cause = {"layer": "task", "code": "x", "confidence": "certain", "evidence": [], "message": "m"}
    earlier = trial(0, "failed", attribution=[cause])
    (record / "result.json").write_text(earlier.model_dump_json())
    run = result([now], []).model_copy(update={"attempts": tuple(earlier_attempts(tmp_path))})
    page_file = tmp_path / "index.html"
    page_file.write_text(index_html(tmp_path, run), encoding="utf-8")
    viewer = Viewer(browser, page_file)
    page = viewer.open(f"trial/{now.trial_id}")
    sides = page.locator("section", has=page.get_by_role("heading", name="Attempts"))
    expect(sides.locator("h3")).to_have_text(["Attempt 1", "Attempt 2"])
    expect(sides.locator(".columns .verdict")).to_have_text(["✗ failed", "● passed"])
    viewer.close()


def test_a_page_of_two_runs_shows_a_trial_side_by_side(browser: Browser, run: Path) -> None:
    project = run.parents[1]
    command = [sys.executable, "-m", "pytest_execgo", "compare", "reports/base", "reports/run"]
    done = subprocess.run(
        [*command, "--html", "both.html"], cwd=project, capture_output=True, text=True, check=False
    )
    assert done.returncode in (0, 11), done.stderr
    viewer = Viewer(browser, project / "both.html")
    page = viewer.open(f"trial/{RED}")
    sides = page.locator("section", has=page.get_by_role("heading", name="Before and now"))
    expect(sides.locator("h3")).to_have_text(["base", "run"])
    expect(sides.locator(".verdict")).to_have_text(["● passed", "✗ failed"])
    viewer.close()


def test_the_details_of_the_base_are_in_the_page_of_a_compared_run(viewer: Viewer) -> None:
    page = viewer.open(f"trial/{RED}")
    sides = page.locator("section", has=page.get_by_role("heading", name="Before and now"))
    expect(sides.locator("h3")).to_have_text(["base", "run"])


def test_a_page_of_three_runs_shows_the_cells_that_differ(browser: Browser, run: Path) -> None:
    project = run.parents[1]
    shutil.copytree(project / "reports/base", project / "copies/third")
    runs = ["reports/base", "reports/run", "copies/third"]
    command = [sys.executable, "-m", "pytest_execgo", "report", "html", *runs, "-o", "three.html"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "three.html: 3 runs\n"), done.stderr
    viewer = Viewer(browser, project / "three.html")
    page = viewer.open("compare")
    row = page.get_by_role("row", name="exit_code-reference-replay-none")
    expect(row.locator("td")).to_have_text(["✓ 1/1", "✗ 0/1", "✓ 1/1"])
    expect(page.get_by_role("heading", name="Changes since")).to_have_count(2)
    viewer.close()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["html", "reports/run"], "report html needs runs and a file"),
        (["html", "-o", "x.html"], "report html needs runs and a file"),
        (["reports/run", "-o", "x.html"], "-o is for one page of several runs"),
        (["html", "reports/run", "reports/run", "-o", "x.html"], "run run is given twice"),
        (["html", "reports/run", "-o", "x.html", "--summary", "s.md"], "--summary is for"),
    ],
    ids=["no-file", "no-run", "no-html", "twice", "summary"],
)
def test_a_page_of_runs_needs_runs_and_a_file(run: Path, words: list[str], message: str) -> None:
    command = [sys.executable, "-m", "pytest_execgo", "report", *words]
    done = subprocess.run(command, cwd=run.parents[1], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert message in done.stderr


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("view", [*VIEWS, f"trial/{RED}"])
def test_every_view_is_accessible(browser: Browser, run: Path, view: str, scheme: Any) -> None:
    viewer = Viewer(browser, run / "index.html", color_scheme=scheme)
    page = viewer.open(view)
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    viewer.close()


@pytest.mark.parametrize("width", [320, 3840])
@pytest.mark.parametrize("view", [*VIEWS, f"trial/{RED}"])
def test_no_view_is_wider_than_the_window(
    browser: Browser, run: Path, view: str, width: int
) -> None:
    viewer = Viewer(browser, run / "index.html", viewport={"width": width, "height": 800})
    page = viewer.open(view)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    viewer.close()


def test_no_column_of_the_heat_map_is_hidden_while_there_is_room(
    browser: Browser, run: Path
) -> None:
    viewer = Viewer(browser, run / "index.html", viewport={"width": 1280, "height": 800})
    page = viewer.open("overview")
    # As wide as the map of four scenarios with long names.
    page.evaluate("document.querySelector('.heat table').style.minWidth = '776px'")
    assert page.evaluate("document.querySelector('.heat').clientWidth") >= 776
    viewer.close()


def test_readers_of_chinese_get_chinese_and_may_change(browser: Browser, run: Path) -> None:
    viewer = Viewer(browser, run / "index.html", locale="zh-CN", color_scheme="dark")
    page = viewer.open()
    expect(page.get_by_role("link", name="总览")).to_be_visible()
    assert page.evaluate("document.documentElement.lang") == "zh-CN"
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("button", name="English").click()
    expect(page.get_by_role("link", name="Overview")).to_be_visible()
    page.get_by_role("button", name="Light or dark").click()
    assert page.evaluate("document.documentElement.dataset.theme") == "light"
    viewer.close()


def test_without_a_script_the_facts_are_readable(browser: Browser, run: Path) -> None:
    viewer = Viewer(browser, run / "index.html", java_script_enabled=False)
    viewer.page.goto(viewer.address)
    expect(viewer.page.locator("#plain")).to_contain_text("of 12 trials passed")
    expect(viewer.page.locator("#plain details").first).to_contain_text("cannot open names.txt")
    viewer.close()


def test_hostile_texts_are_shown_as_text(browser: Browser, tmp_path: Path) -> None:
    trials = []
    for number, text in enumerate(HOSTILE.values()):
        cause = {
            "layer": "task", "code": "x", "confidence": "certain", "evidence": ["e1"], "message": text,
        }  # fmt: skip
        check = {
            "kind": "file",
            "ok": False,
            "message": text,
            "expected": text,
            "got": text,
            "diff": [f"+{text}"],
        }
        words = {"task_id": text[:80], "stderr": [text]}
        trials.append(
            trial(
                number, "failed", outcome=text, attribution=[cause], checks=[check],
                failed_task=words, next_step=text,
                explanation=[{"at_ms": 1, "text": text, "events": ["e1"]}],
            )
        )  # fmt: skip
        folder = tmp_path / "trials" / trials[-1].trial_id
        folder.mkdir(parents=True)
        event = {"event_id": "e1", "event_type": "task_output", "at_ms": 1, "text": text}
        (folder / "timeline.jsonl").write_text(json.dumps(event) + "\n")
        (folder / "plan.json").write_text(
            json.dumps({"stages": [{"stage_id": text, "bindings": text}]})
        )
    page_file = tmp_path / "index.html"
    page_file.write_text(index_html(tmp_path, result(trials, [])), encoding="utf-8")
    viewer = Viewer(browser, page_file)
    page = viewer.open("trials")
    for one in trials:
        page = viewer.open(f"trial/{one.trial_id}")
        page.wait_for_selector(".headline")
        assert page.locator("script:not([data-piece])").count() == 2
        assert page.locator("main img, main iframe, main a[href^=javascript]").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    viewer.close()


def test_a_trial_without_its_record_says_so(browser: Browser, tmp_path: Path) -> None:
    page_file = tmp_path / "index.html"
    page_file.write_text(index_html(tmp_path, result([trial(0)], [])), encoding="utf-8")
    viewer = Viewer(browser, page_file)
    page = viewer.open("trial/s-f-replay-none-r0")
    expect(page.get_by_text("timeline.jsonl: No such file or directory")).to_be_visible()
    page = viewer.open()
    expect(page.get_by_text("s-f-replay-none-r0: timeline.jsonl")).to_be_visible()
    page = viewer.open("trial/other")
    expect(page.get_by_text("There is no trial other in this run.")).to_be_visible()
    viewer.close()


def test_a_damaged_run_shows_what_is_there_and_names_what_is_not(
    browser: Browser, run: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "damaged"
    shutil.copytree(run, copy)
    (copy / "index.html").unlink()
    trials = copy / "trials"
    shutil.rmtree(trials / "no_json-reference-replay-none-r0")
    newer = trials / "no_file-reference-replay-none-r0/result.json"
    newer.write_text(newer.read_text().replace('"schema_version": "1"', '"schema_version": "9"', 1))
    cut = trials / RED / "timeline.jsonl"
    cut.write_bytes(cut.read_bytes()[:-40])
    command = [sys.executable, "-m", "pytest_execgo", "report", "damaged"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "no_file-reference-replay-none-r0/result.json" in done.stderr
    viewer = Viewer(browser, copy / "index.html")
    page = viewer.open()
    expect(page.locator(".trust")).to_contain_text("of 11 trials passed")
    expect(page.get_by_text(f"{RED}: timeline.jsonl, line")).to_be_visible()
    page = viewer.open("trial/no_file-reference-replay-none-r0")
    expect(page.locator("h2.id + p")).to_contain_text("schema_version")
    page = viewer.open("trial/no_json-reference-replay-none-r0")
    expect(page.locator("h2.id + p")).to_contain_text("not run")
    viewer.close()
