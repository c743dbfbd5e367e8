"""Whether a framework is installed, asked without importing it; what its environment tells it."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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


@contextmanager
def environment(**values: str) -> Iterator[None]:
    """Environment variables of this process for a while; those of the user come back."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
