"""Where scenarios and chaos profiles are found. Only looks at names; reads no file."""

from __future__ import annotations

from pathlib import Path

from pytest_execgo.errors import UsageError

MANIFEST = "scenario.yaml"
CHAOS_FOLDER = "chaos"


def builtin_folder() -> Path:
    """The built-in scenarios: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "builtin_scenarios"
    return shipped if shipped.is_dir() else package.parent / "scenarios"


def scenario_folder(explicit: Path | None, root: Path) -> Path:
    """The folder to take scenarios from: the one asked for, ``<root>/scenarios``, or the built-in."""
    if explicit:
        folder = explicit.resolve()
        if not folder.is_dir():
            raise UsageError(f"scenarios folder {explicit}: no such folder")
        if not list_scenarios(folder):
            raise UsageError(
                f"scenarios folder {explicit}: holds no */{MANIFEST}; make one with: "
                f"python -m pytest_execgo scenario new demo --scenarios {explicit}"
            )
        return folder
    local = root / "scenarios"
    return local if local.is_dir() and list_scenarios(local) else builtin_folder()


def list_scenarios(folder: Path) -> dict[str, Path]:
    """Names and manifests of the scenarios of a folder, sorted."""
    return {path.parent.name: path for path in sorted(folder.glob(f"*/{MANIFEST}"))}


def list_profiles(folder: Path) -> dict[str, Path]:
    """Names and files of the chaos profiles: the built-in ones, and those of ``folder`` over them."""
    found: dict[str, Path] = {}
    for base in (builtin_folder(), folder):
        found |= {path.stem: path for path in sorted((base / CHAOS_FOLDER).glob("*.yaml"))}
    return dict(sorted(found.items()))
