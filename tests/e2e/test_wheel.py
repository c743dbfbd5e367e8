"""The wheel is complete: its scenarios run in an empty folder, and type checkers read its types."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_built_in_scenarios_run_from_an_installed_wheel(tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "build", "--wheel", "--outdir", str(tmp_path), str(ROOT)],
        check=True,
        capture_output=True,
    )
    (wheel,) = tmp_path.glob("*.whl")
    site = tmp_path / "site"
    with zipfile.ZipFile(wheel) as archive:
        assert "pytest_execgo/py.typed" in archive.namelist(), "type checkers need this marker file"
        archive.extractall(site)
    empty = tmp_path / "empty"
    empty.mkdir()
    # The unpacked wheel goes before the checkout; its dependencies come from this environment.
    script = (
        f"import sys; sys.path.insert(0, {str(site)!r}); import pytest, pytest_execgo;"
        f"assert pytest_execgo.__file__.startswith({str(site)!r});"
        "chaos = ['--execgo-chaos=none', '--execgo-chaos=self_dependency'];"
        "known = ['--execgo-known-findings=runtime-tasks-stay-running=seen'];"
        "sys.exit(pytest.main(['--execgo-matrix', '-q', '-p', 'no:cacheprovider', *chaos, *known]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=empty,
        env={**_environment(), "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "8 passed" in done.stdout
    assert "controls 3/3" in done.stdout, "the control scenarios are in the wheel, too"
    (empty / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\n")
    wrapped = subprocess.run(
        [sys.executable, "-m", "pytest_execgo", "run", "--scenario", "multi_step_agent"],
        cwd=empty,
        env={**_environment(), "PYTHONPATH": str(site)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert wrapped.returncode == 0, wrapped.stdout + wrapped.stderr
    assert "1 passed" in wrapped.stdout


def _environment() -> dict[str, str]:
    import os

    return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
