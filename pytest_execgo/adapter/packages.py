"""Whether a framework is installed, asked without importing it."""

from __future__ import annotations

from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version


def missing(extra: str, packages: Sequence[str]) -> str | None:
    """``None`` if all packages are installed, else the command that installs them."""
    return (
        None
        if len(versions(packages)) == len(packages)
        else f"pip install 'pytest-execgo[{extra}]'"
    )


def versions(packages: Sequence[str]) -> dict[str, str]:
    """The versions of those that are installed."""
    found = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found
