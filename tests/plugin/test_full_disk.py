"""A disk that is full, or a folder that cannot be used: one line for each trial, and no traceback."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ScenarioMaker

_OWN_MOUNTS = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "-r", "--mount"]


def _on_small_disk(folder: Path, kilobytes: int, *options: str) -> tuple[int, str]:
    """Exit code and output of pytest in ``folder``, whose ``reports`` are on a small disk. At the end,
    names of temporary files that were left follow the output."""
    if shutil.which("unshare") is None:
        pytest.skip("a small disk needs unshare of util-linux")
    (folder / "reports").mkdir()
    command = (
        f"mount -t tmpfs -o size={kilobytes}k tmpfs reports || exit 99; "
        '"$@"; code=$?; find reports -name "*.tmp"; exit $code'
    )
    done = subprocess.run(
        [*_OWN_MOUNTS, "sh", "-c", command, "sh", sys.executable, "-m", "pytest", *options],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize("kilobytes", [4, 16, 40])
@pytest.mark.parametrize("workers", [(), ("-n", "2")], ids=["one_process", "two_workers"])
def test_a_full_disk_is_one_line_per_trial(
    pytester: pytest.Pytester, project: ScenarioMaker, kilobytes: int, workers: tuple[str, ...]
) -> None:
    for name in ("one", "two", "three"):
        project(name)
    code, output = _on_small_disk(pytester.path, kilobytes, "--execgo-matrix", *workers)
    assert "Traceback" not in output
    assert "Exception ignored" not in output
    assert ".tmp" not in output
    assert "cannot be written: No space left on device; free space on this disk" in output
    assert code == (4 if "no tests ran" in output else 1)


def test_reports_that_do_not_fit_are_named_and_the_run_fails(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("one")
    # A file of the user that leaves room for the trial, but not for the reports.
    pytester.makeconftest(
        """
        from pathlib import Path
        import pytest

        @pytest.hookimpl(tryfirst=True)
        def pytest_sessionfinish(session):
            try:
                Path("reports/fill").write_bytes(bytes(10_000_000))
            except OSError:
                pass
        """
    )
    code, output = _on_small_disk(pytester.path, 400, "--execgo-matrix")
    assert "1 passed" in output
    assert "report failed: " in output
    assert "benchmark.json: cannot be written: No space left on device" in output
    assert "Traceback" not in output
    assert code == 3


@pytest.mark.parametrize("below", ["", "/deeper"])
def test_a_reports_folder_that_is_a_dangling_link_is_refused(
    pytester: pytest.Pytester, project: ScenarioMaker, below: str
) -> None:
    project("one")
    link = pytester.path / "link"
    link.symlink_to("/no/such/folder")
    result = pytester.runpytest("--execgo-matrix", f"--execgo-reports={link}{below}")
    assert result.ret == 4
    result.stderr.fnmatch_lines([f"ERROR: *: {link} is a link to a folder that does not exist; *"])


def test_a_run_folder_that_cannot_be_made_is_one_line(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("one")
    pytester.makeconftest(
        """
        from pathlib import Path

        def pytest_collection_finish(session):
            Path("reports").write_text("a file where the folder should be")
        """
    )
    result = pytester.runpytest("--execgo-matrix")
    assert result.ret == 4
    result.stderr.fnmatch_lines(["ERROR: execgo: *: cannot be written: *"])
    assert "INTERNALERROR" not in result.stdout.str() + result.stderr.str()
