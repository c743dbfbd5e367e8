"""The built parts of the desktop client that tests need, and how a machine says that it has them."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

DESKTOP = Path(__file__).parents[2] / "desktop-client"
REQUIRED = "EXECGO_TEST_DESKTOP"
"""``required`` in CI: then a part that is absent fails a test."""


def mock_page() -> Path:
    """The app in a plain browser: ``npm run build:mock`` in ``desktop-client/ui``."""
    page = DESKTOP / "ui/dist-mock/index.html"
    return _present(page, "npm run build:mock, in desktop-client/ui")


def application() -> Path:
    """The program, built by ``cargo build`` in ``desktop-client/src-tauri``."""
    target = Path(os.environ.get("CARGO_TARGET_DIR", DESKTOP / "src-tauri/target"))
    program = target / "debug/pytest-execgo-desktop"
    return _present(program, "npx tauri build --debug --no-bundle, in desktop-client/ui")


def program(name: str, package: str) -> str:
    """A program of the machine."""
    found = shutil.which(name) or ""
    return str(_present(Path(found or f"/{name}"), package))


def _present(path: Path, how: str) -> Path:
    if not path.exists():
        reason = f"{path} is not there; build it with: {how}"
        if os.environ.get(REQUIRED) == "required":
            pytest.fail(reason, pytrace=False)
        pytest.skip(reason)
    return path
