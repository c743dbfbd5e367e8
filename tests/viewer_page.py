"""Takes the pictures of docs/viewer.md: python -m tests.viewer_page reports/RUN TRIAL"""

from __future__ import annotations

import sys
from pathlib import Path

from playwright.sync_api import ViewportSize, sync_playwright

from tests.browsers import chromium

IMAGES = Path(__file__).parents[1] / "docs/images"
SIZE: ViewportSize = {"width": 1280, "height": 800}


def main(run: Path, trial: str) -> None:
    """Write one picture for each view and theme."""
    address = (run / "index.html").resolve().as_uri()
    views = {
        "overview": "", "trials": "trials", "trial": f"trial/{trial}", "causes": "causes",
        "compare": "compare",
    }  # fmt: skip
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        for scheme in ("light", "dark"):
            context = browser.new_context(viewport=SIZE, color_scheme=scheme)
            for name, place in views.items():
                page = context.new_page()
                page.goto(f"{address}#/{place}")
                page.wait_for_selector(".gantt" if name == "trial" else "main h2, main table")
                page.screenshot(path=IMAGES / f"viewer-{name}-{scheme}.png", full_page=True)
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
