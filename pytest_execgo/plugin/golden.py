"""``--execgo-update-expected``: rewrites the files that ``equals_file`` names, after asking."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest

from pytest_execgo.benchmark.golden import read_golden
from pytest_execgo.errors import ExecgoError
from pytest_execgo.files.reading import FileProblem, read_bounded
from pytest_execgo.files.workspace import LARGEST_FILE
from pytest_execgo.files.writing import write_bytes
from pytest_execgo.models.safe_text import for_terminal, indented
from pytest_execgo.plugin import options
from pytest_execgo.plugin.places import places
from pytest_execgo.plugin.state import PluginState
from pytest_execgo.scenario.differences import of_files


def update_expected(reporter: pytest.TerminalReporter, state: PluginState) -> None:
    """Show what would change, ask, and write the files."""
    changes = _changes(reporter, state)
    if not changes:
        reporter.write_line("execgo: no expected file to rewrite")
        return
    shown = places(state.config).shown
    for path, (before, after) in changes.items():
        reporter.write_line(f"execgo: {for_terminal(shown(path))}", bold=True)
        for line in of_files(before, after, len(after)):
            reporter.write_line(f"    {indented(line)}")
    count = f"{len(changes)} expected file{'s' if len(changes) > 1 else ''}"
    if not _agreed(state.config, f"execgo: rewrite {count}? [y/N] "):
        reporter.write_line(
            f"execgo: {count} not rewritten; answer y, or add --execgo-yes", yellow=True
        )
        return
    for path, (_, after) in changes.items():
        try:
            write_bytes(path, after)
        except ExecgoError as error:
            reporter.write_line(f"execgo: {for_terminal(error)}", red=True)
        else:
            reporter.write_line(f"execgo: {for_terminal(shown(path))} rewritten")


def _changes(
    reporter: pytest.TerminalReporter, state: PluginState
) -> dict[Path, tuple[bytes, bytes]]:
    """The files that would change, with the content before and after."""
    found: dict[Path, dict[bytes, str]] = defaultdict(dict)
    for trial_id in dict.fromkeys(state.planned.values()):
        for path, content in read_golden(state.run.trial_folder(trial_id)):
            found[path].setdefault(content, trial_id)
    changes = {}
    for path, contents in sorted(found.items()):
        if len(contents) > 1:
            first, second, *_ = contents.values()
            text = f"{path.name}: not rewritten, because {first} and {second} differ"
            reporter.write_line(f"execgo: {for_terminal(text)}", red=True)
            continue
        (after,) = contents
        try:
            before = read_bounded(path, LARGEST_FILE)
        except (FileNotFoundError, FileProblem):
            before = b""
        if before != after:
            changes[path] = before, after
    return changes


def _agreed(config: pytest.Config, question: str) -> bool:
    """The answer of the user; without a terminal, what ``--execgo-yes`` says."""
    if options.value(config, "yes"):
        return True
    capture = config.pluginmanager.get_plugin("capturemanager")
    if capture is not None:
        capture.suspend_global_capture(in_=True)
    try:
        if not sys.stdin.isatty():
            return False
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False
    finally:
        if capture is not None:
            capture.resume_global_capture()
