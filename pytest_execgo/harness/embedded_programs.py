"""Modules, versions and digests of the services that are part of this package."""

from __future__ import annotations

import hashlib
from functools import lru_cache
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

MODULES = {
    "execgo": "pytest_execgo.emulators.execgo",
    "runtime": "pytest_execgo.emulators.runtime",
    "fixtures": "fixtures_server",
}


def version(service: str) -> str:
    """The version of an embedded service, and of the HTTP contract that it speaks."""
    module = import_module(MODULES[service])
    spoken = f" (speaks {module.SPEAKS})" if hasattr(module, "SPEAKS") else ""
    return f"{module.VERSION}{spoken}"


def folder(module: str) -> Path:
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@lru_cache
def digest(module: str) -> str:
    """The sha256 (hex) of a module's folder, see :func:`digest_of`."""
    return digest_of(folder(module))


def digest_of(root: Path) -> str:
    """The sha256 (hex) over paths and contents of the Python and JSON files in a folder, sorted by
    path."""
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix in (".py", ".json"):
            total.update(path.relative_to(root).as_posix().encode() + b"\0")
            total.update(path.read_bytes())
    return total.hexdigest()
