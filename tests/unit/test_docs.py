"""The documentation is correct: options and links exist, every figure is listed, CI jobs can be read."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from pytest_execgo.benchmark.figures import FIGURES
from pytest_execgo.options.table import OPTIONS

ROOT = Path(__file__).parent.parent.parent
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
FLAGS = {"--execgo-matrix", *(option.flag for option in OPTIONS)}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_option_that_a_page_names_exists(page: Path) -> None:
    named = set(re.findall(r"--execgo-[a-z]+(?:-[a-z]+)*", page.read_text()))
    # `--execgo-NAME` stands for any of them.
    assert named <= FLAGS


def test_every_option_is_documented() -> None:
    text = (ROOT / "docs/options.md").read_text()
    assert [flag for flag in FLAGS if f"`{flag}" not in text] == []


def test_every_figure_of_fail_if_is_documented() -> None:
    text = (ROOT / "docs/options.md").read_text()
    assert [figure for figure in FIGURES if f"`{figure}`" not in text] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_file_has_a_target(page: Path) -> None:
    links = re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert missing == []


def anchors(page: Path) -> set[str]:
    """The anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(
        r"^#+ (.*)$", re.sub(r"```.*?```", "", page.read_text(), flags=re.S), re.M
    )
    return {re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-") for text in headings}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_heading_has_a_target(page: Path) -> None:
    links = re.findall(r"\]\(([^):#]*)#([^)]*)\)", page.read_text())
    found = [(page.parent / name if name else page, anchor) for name, anchor in links]
    assert [(at.name, anchor) for at, anchor in found if anchor not in anchors(at)] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_no_page_holds_a_placeholder(page: Path) -> None:
    # A word in capitals, alone on its line.
    assert not re.search(r"^(TODO|TBD|[A-Z]{5,})$", page.read_text(), re.MULTILINE)


def test_ci_jobs_in_the_documentation_are_valid_yaml() -> None:
    text = (ROOT / "docs/harness.md").read_text()
    (block,) = re.findall(r"```yaml\n(.*?)```", text, re.DOTALL)
    jobs = yaml.safe_load(block)["jobs"]
    commands = [step["run"] for job in jobs.values() for step in job["steps"] if "run" in step]
    assert any("--execgo-service execgo=container:" in command for command in commands)
    assert all("\n\n" not in command for command in commands)
