"""The browser of the tests, and how a machine says that it must have one."""

from __future__ import annotations

import os
import shutil

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")


def chromium() -> str:
    """Its path. Without one the test is skipped, or fails where ``EXECGO_TEST_BROWSER=required``."""
    if CHROMIUM is None:
        if os.environ.get("EXECGO_TEST_BROWSER") == "required":
            pytest.fail("chromium is required here: apt-get install chromium", pytrace=False)
        pytest.skip("chromium is not installed")
    return CHROMIUM
