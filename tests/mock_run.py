"""Documents for the desktop client in a plain browser, from a real run.

    python -m tests.mock_run

Writes ``desktop-client/ui/src/mock/run.json``: the description of a small project, its estimate, and the
documents of the viewer of a run with a red trial and a fault.
"""

from __future__ import annotations

import base64
import gzip
import json
import platform
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

from pytest_execgo.scenario.library import builtin_folder
from tests.conftest import ScenarioMaker

TARGET = Path(__file__).parent.parent / "desktop-client/ui/src/mock/run.json"
SHOWN_FOLDER = "/home/user/project"
_PIECE = re.compile(r'<script type="text/plain" data-piece="([^"]+)">([^<]+)</script>')


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name).resolve()
        text = json.dumps(documents(folder), ensure_ascii=False, indent=1)
    for own, shown in (
        (str(folder), SHOWN_FOLDER),
        (str(builtin_folder()), f"{SHOWN_FOLDER}/.venv/lib/pytest_execgo/builtin_scenarios"),
        (sys.prefix, f"{SHOWN_FOLDER}/.venv"),
        (platform.node(), "computer"),
    ):
        text = text.replace(own, shown)
    TARGET.write_text(text + "\n", encoding="utf-8")


def documents(folder: Path) -> dict[str, Any]:
    """What ``describe``, ``estimate`` and ``doctor`` print in a project, and the pieces of a page."""
    make = ScenarioMaker(folder / "scenarios")
    make("greeting")
    broken = make("broken_input") / "workspace/greet.py"
    broken.write_text("import sys\nsys.exit('cannot open names.txt: no such file')\n")
    chosen = ("--chaos=none", "--chaos=runtime_kill")
    _cli(folder, "run", "--run-id=monday", *chosen, accepted=(0, 1))
    page = (folder / "reports/monday/index.html").read_text(encoding="utf-8")
    pieces = {
        name: json.loads(gzip.decompress(base64.b64decode(packed)))
        for name, packed in _PIECE.findall(page)
    }
    return {
        "description": json.loads(_cli(folder, "describe", "--json")),
        "estimate": json.loads(_cli(folder, "estimate", "--json", *chosen)),
        "events": (folder / "reports/monday/events.ndjson").read_text().splitlines(),
        "pieces": pieces,
    }


def _cli(folder: Path, *words: str, accepted: tuple[int, ...] = (0,)) -> str:
    command = [sys.executable, "-m", "pytest_execgo", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode not in accepted:
        raise SystemExit(done.stderr)
    return done.stdout


if __name__ == "__main__":
    main()
