"""The services of this package: their modules, versions and digests, however they are launched."""

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
    """Its own version, and that of the contract it speaks."""
    module = import_module(MODULES[service])
    spoken = f" (speaks {module.SPEAKS})" if hasattr(module, "SPEAKS") else ""
    return f"{module.VERSION}{spoken}"


def folder(module: str) -> Path:
    """The folder of a module of ours."""
    spec = find_spec(module)
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent


@lru_cache
def digest(module: str) -> str:
    """The sha256 over all files of a module's folder, in order of their names."""
    return digest_of(folder(module))


def digest_of(root: Path) -> str:
    """The same of any folder: its Python and JSON files."""
    total = hashlib.sha256()
    for path in sorted(root.rglob("*")):
        if path.is_file() and path.suffix in (".py", ".json"):
            total.update(path.relative_to(root).as_posix().encode() + b"\0")
            total.update(path.read_bytes())
    return total.hexdigest()
