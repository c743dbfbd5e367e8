"""Without selenium, the tests of the real window cannot even be imported."""

import os
from importlib.util import find_spec

from tests.desktop.artefacts import REQUIRED

if find_spec("selenium") is None or find_spec("Xlib") is None:
    if os.environ.get(REQUIRED) == "required":
        raise RuntimeError("the desktop client is to be tested: pip install -e '.[desktop-test]'")
    collect_ignore = ["test_app.py"]
