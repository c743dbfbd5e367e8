"""``show``: opens the page of a run in the browser."""

from __future__ import annotations

import argparse
import webbrowser
from pathlib import Path

from pytest_execgo.benchmark.viewer.page import PAGE
from pytest_execgo.cli.output import print_line
from pytest_execgo.errors import UsageError


def show_run(options: argparse.Namespace) -> int:
    """Open ``index.html`` of a run, a file that needs no server, and print its address. Exit 2 for a
    run without it."""
    place = Path(options.run)
    page = (place / PAGE if place.is_dir() else place).resolve()
    if not page.is_file() or page.name != PAGE:
        raise UsageError(
            f"{options.run}: no {PAGE} there; give the folder of a run (reports/RUN), or write it with: "
            f"python -m pytest_execgo report {options.run}"
        )
    address = page.as_uri()
    print_line(address)
    if not options.print and not webbrowser.open(address):
        print_line("no browser could be started: open this address in one")
    return 0
