"""What the agent frameworks cost: to install, to import, and to ask for one plan.

    python benchmarks/frameworks.py > table.md

Installs each extra of this checkout into a fresh environment with pip, beyond what pytest-execgo
itself needs, imports it twice (the second time counts), and replays one recording. Prints Markdown.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path
from time import monotonic

from tabulate import tabulate

from pytest_execgo.extensions.registry import Registry

ROOT = Path(__file__).parent.parent
IMPORTS = {
    "langgraph": "import langgraph.graph, langchain_openai",
    "crewai": "import crewai",
    "autogen": "import autogen_agentchat.teams, autogen_ext.models.openai",
    "pydantic-ai": "import pydantic_ai.models.openai",
    "agent-framework": "import agent_framework.openai",
}


def main() -> int:
    """Print one row per framework."""
    rows = []
    for name, adapter in Registry.build().adapters.items():
        if name in IMPORTS:
            print(name, file=sys.stderr)
            with tempfile.TemporaryDirectory(prefix="framework-") as folder:
                rows.append([name, *_measure(name, adapter.packages[0], Path(folder))])
    headers = ["framework", "version", "packages", "MB", "install s", "import s", "requests"]
    print(tabulate(rows, headers, tablefmt="github", floatfmt=".1f"))
    return 0


def _measure(name: str, package: str, folder: Path) -> list[object]:
    python = folder / "bin/python"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    _pip(python, "install", "-q", "-e", str(ROOT))
    packages, megabytes = _packages(python), _megabytes(folder)
    began = monotonic()
    _pip(python, "install", "-q", "-e", f"{ROOT}[{name}]")
    installed = monotonic() - began
    version = next(one["version"] for one in _packages(python) if one["name"] == package)
    more = len(_packages(python)) - len(packages)
    return [version, more, round(_megabytes(folder) - megabytes), installed, _import(python, name),
            _requests(python, name, folder)]  # fmt: skip


def _pip(python: Path, *words: str) -> str:
    command = [str(python), "-m", "pip", "--disable-pip-version-check", *words]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def _packages(python: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(_pip(python, "list", "--format", "json"))
    return found


def _megabytes(folder: Path) -> float:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file()) / 1e6


def _import(python: Path, name: str) -> float:
    command = [str(python), "-c", IMPORTS[name]]
    for _ in range(2):
        began = monotonic()
        subprocess.run(command, check=True, capture_output=True)
    return monotonic() - began


def _requests(python: Path, name: str, folder: Path) -> int:
    """How often one plan asks the model, counted by replaying a recording."""
    reports = folder / "reports"
    command = [
        str(python), "-m", "pytest", "--execgo-matrix", "-c", "/dev/null", "--rootdir", str(folder),
        "--execgo-framework", name, "--execgo-scenario", "codegen_exec",
        "--execgo-reports", str(reports),
    ]  # fmt: skip
    subprocess.run(command, check=True, capture_output=True, cwd=folder)
    report = json.loads((reports / "latest/benchmark.json").read_text())
    return int(report["trials"][0]["metrics"]["model_requests"])


if __name__ == "__main__":
    sys.exit(main())
