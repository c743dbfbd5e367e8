"""How fast the viewer shows runs of many trials, and a trial of many events.

    python -m benchmarks.viewer reports/RUN

Makes runs of 5,000 and 50,000 trials from the trials of a real one, and a trial of 5,000 events.
Measures in headless Chromium and prints a Markdown table. Needs the packages of ``[test]`` and Chromium.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright
from tabulate import tabulate

from pytest_execgo.benchmark.aggregate import RunFacts, aggregate
from pytest_execgo.benchmark.rebuild import rebuild
from pytest_execgo.benchmark.viewer.page import index_html
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.trial_result import TrialResult

PAINTED = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
FILTER = """async (text) => {
  const input = document.querySelector("input[type=search]");
  const begin = performance.now();
  input.value = text;
  input.dispatchEvent(new Event("input", { bubbles: true }));
  await new Promise(requestAnimationFrame);
  await new Promise(requestAnimationFrame);
  return performance.now() - begin;
}"""
SCROLL = """async (name) => {
  const box = [...document.querySelectorAll(".window")].at(-1);
  const frames = [];
  let last = performance.now();
  for (let k = 0; k < 120; k += 1) {
    box.scrollTop += 200;
    await new Promise(requestAnimationFrame);
    frames.push(performance.now() - last);
    last = performance.now();
  }
  return frames.sort((a, b) => a - b)[Math.floor(frames.length * 0.95)];
}"""


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, help="the folder of a real run")
    options = parser.parse_args()
    real = options.run.resolve()
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    rows = []
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for count in (5000, 50_000):
            page = _page(real, Path(folder) / str(count), count)
            rows.append(_run_row(browser, page, count))
        rows.append(_trial_row(browser, real, Path(folder) / "events"))
        browser.close()
    print(
        tabulate(
            rows,
            ("what", "size of the page", "first paint", "filter", "frame, p95"),
            tablefmt="github",
        )
    )
    return 0


def _page(real: Path, folder: Path, count: int) -> Path:
    """The page of a run with the trials of the real one, again and again."""
    result = rebuild(real).result
    trials = list(_copies(result.trials, count))
    (folder / "trials").mkdir(parents=True)
    for copy, original in trials:
        (folder / "trials" / copy.trial_id).symlink_to(real / "trials" / original.trial_id)
    return _written(folder, result, [copy for copy, _ in trials])


def _copies(
    trials: tuple[TrialResult, ...], count: int
) -> Iterator[tuple[TrialResult, TrialResult]]:
    for number in range(count):
        original = trials[number % len(trials)]
        repetition = number // len(trials)
        update = {"trial_id": f"{original.cell_id}-r{repetition}", "repetition": repetition}
        yield original.model_copy(update=update), original


def _written(folder: Path, result: BenchmarkResult, trials: list[TrialResult]) -> Path:
    whole = aggregate(RunFacts(result.run_id, result.request, result.environment, trials))
    path = folder / "index.html"
    path.write_text(index_html(folder, whole), encoding="utf-8")
    return path


def _run_row(browser: Browser, path: Path, count: int) -> list[str]:
    page = browser.new_page()
    page.goto(f"{path.as_uri()}#/trials")
    page.wait_for_selector(".window tbody td")
    painted = page.evaluate(PAINTED)
    texts = ("verdict:failed", "chaos:none", "scenario:*a*", "kill", "")
    times = [page.evaluate(FILTER, text) for text in texts]
    frame = page.evaluate(SCROLL)
    page.close()
    size = path.stat().st_size / 1024 / 1024
    return [
        f"{count:,} trials",
        f"{size:.1f} MiB",
        f"{painted:.0f} ms",
        f"{median(times):.0f} ms",
        f"{frame:.0f} ms",
    ]


def _trial_row(browser: Browser, real: Path, folder: Path) -> list[str]:
    result = rebuild(real).result
    original = max(result.trials, key=lambda one: len(one.faults))
    place = folder / "trials" / original.trial_id
    shutil.copytree(real / "trials" / original.trial_id, place)
    timeline = place / "timeline.jsonl"
    events = [json.loads(line) for line in timeline.read_text().splitlines()]
    many = [
        {**events[k % len(events)], "event_id": f"e{k}", "at_ms": float(k)} for k in range(5000)
    ]
    timeline.write_text("".join(json.dumps(event) + "\n" for event in many))
    path = _written(folder, result, [original])
    page = browser.new_page()
    page.goto(f"{path.as_uri()}#/trial/{original.trial_id}")
    page.wait_for_selector("#events .window tbody td")
    painted = page.evaluate(PAINTED)
    frame = page.evaluate(SCROLL)
    page.close()
    size = path.stat().st_size / 1024 / 1024
    return [
        "a trial of 5,000 events",
        f"{size:.1f} MiB",
        f"{painted:.0f} ms",
        "–",
        f"{frame:.0f} ms",
    ]


if __name__ == "__main__":
    sys.exit(main())
