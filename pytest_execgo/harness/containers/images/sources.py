"""The source of an image, from the target of ``container:…``."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import tempfile
from dataclasses import dataclass
from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Protocol

from docker.utils import exclude_paths

from pytest_execgo.errors import UsageError
from pytest_execgo.harness import embedded_programs
from pytest_execgo.harness.containers.images import builder
from pytest_execgo.harness.containers.images.builder import Recipe
from pytest_execgo.harness.service import Progress
from pytest_execgo.system.child import git_commit

DEFAULT_PYTHON_IMAGE = "python:3.13-slim"
PORT = 8080
"""The port of every service inside its container."""
EMBEDDED = "embedded"
_HERE = Path(__file__).parent
# What tasks of the built-in scenarios import beyond the standard library.
_LIBRARIES = ("packaging",)


class ImageSource(Protocol):
    """An image that may have to be built or pulled first."""

    def check(self) -> None:
        """Raise :class:`UsageError` for an impossible image, before any build."""

    def image(self, progress: Progress) -> Any:
        """The image (an object of the Docker SDK), built or pulled if missing; raises
        :class:`UsageError`."""

    def describe(self) -> str:
        """A few words for the header."""

    @property
    def path(self) -> str | None:
        """The module or checkout inside the image, for the report; ``None`` if unknown."""


@dataclass(frozen=True)
class Own:
    """A service of this package, in its own image."""

    service: str
    python_image: str

    @property
    def path(self) -> str:
        return embedded_programs.MODULES[self.service]

    @property
    def tag(self) -> str:
        """Name, and the hash of everything in the image."""
        total = hashlib.sha256(self.python_image.encode())
        package = embedded_programs.folder("pytest_execgo")
        for path in (_HERE / "Dockerfile", _HERE / "install.py", package / "__init__.py"):
            total.update(path.read_bytes())
        for folder in _own_folders().values():
            total.update(embedded_programs.digest_of(folder).encode())
        for name in _LIBRARIES:
            total.update(distribution(name).version.encode())
        return f"pytest-execgo/{self.service}:{total.hexdigest()[:12]}"

    def check(self) -> None:
        builder.find(self.python_image)

    def describe(self) -> str:
        return f"embedded {embedded_programs.version(self.service)} {self.tag}"

    def image(self, progress: Progress) -> Any:
        tag = self.tag
        found = builder.find(tag)
        if found is not None:
            return found
        base = builder.fetch(self.python_image, f"{self.service} (its Python image)", progress)
        with tempfile.TemporaryDirectory(prefix="execgo-image-") as name:
            context = Path(name)
            _copy_own(context)
            recipe = Recipe(
                what=f"{self.service} (embedded, from {self.python_image})",
                tag=tag,
                context=context,
                of=f"{self.service} {_HERE} {self.python_image}",
                target=self.service,
                # The name under which it was found: it may have a registry prefix.
                arguments={"PYTHON_IMAGE": (base.tags or [base.id])[0]},
                network="none",
            )
            return builder.build(recipe, progress)


@dataclass(frozen=True)
class Checkout:
    """A folder with a Dockerfile."""

    service: str
    folder: Path

    @property
    def path(self) -> str:
        return str(self.folder)

    def check(self) -> None:
        """Raise :class:`UsageError` unless there is a Dockerfile."""
        if not (self.folder / "Dockerfile").is_file():
            raise UsageError(
                f"{self.service}=container:build:{self.folder}: no Dockerfile there; "
                "give the folder of a checkout that has one"
            )

    @property
    def tag(self) -> str:
        """Name of the folder, and the hash of its content."""
        name = re.sub(r"[^a-z0-9]+", "-", self.folder.name.lower()).strip("-")
        return f"pytest-execgo/{self.service}-{name or 'checkout'}:{_digest(self.folder)[:12]}"

    def describe(self) -> str:
        return f"built from {self.folder}"

    def image(self, progress: Progress) -> Any:
        return builder.build(
            Recipe(
                what=f"{self.service} from {self.folder}",
                tag=self.tag,
                context=self.folder,
                of=f"{self.service} {self.folder}",
            ),
            progress,
        )


@dataclass(frozen=True)
class Named:
    """An image by its name."""

    service: str
    name: str
    path = None

    def check(self) -> None:
        builder.find(self.name)

    def describe(self) -> str:
        """The name, and the digest if the engine has the image."""
        found = builder.find(self.name)
        return f"{self.name} sha256 {digest(found)[:12]}" if found else self.name

    def image(self, progress: Progress) -> Any:
        return builder.fetch(self.name, self.service, progress)


def digest(image: Any) -> str:
    """The sha256 (hex) of an image."""
    return str(image.id).removeprefix("sha256:")


def _own_folders() -> dict[str, Path]:
    """The folders that images contain, by their path in the image."""
    services = embedded_programs.folder("pytest_execgo.emulators")
    return {
        "pytest_execgo/emulators": services,
        "fixtures_server": embedded_programs.folder("fixtures_server"),
    }


def _copy_own(context: Path) -> None:
    for name, folder in _own_folders().items():
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(folder, context / name, ignore=ignored)
    package = embedded_programs.folder("pytest_execgo")
    for file, to in (
        (package / "__init__.py", "pytest_execgo/__init__.py"),
        (_HERE / "Dockerfile", "Dockerfile"),
        (_HERE / "install.py", "install.py"),
    ):
        shutil.copyfile(file, context / to)
    for name in _LIBRARIES:
        for entry in distribution(name).files or []:
            source = Path(str(entry.locate()))
            if entry.parts[0] != ".." and "__pycache__" not in entry.parts and source.is_file():
                target = context / entry
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


def _digest(folder: Path) -> str:
    """The sha256 (hex) over names, modes and content of the files in the build context.

    Of ``.git`` only the commit counts, because its other files change without a change of the checkout.
    """
    ignore = folder / ".dockerignore"
    lines = ignore.read_text(encoding="utf-8").splitlines() if ignore.is_file() else []
    patterns = [line.strip() for line in lines if line.strip() and not line.startswith("#")]
    total = hashlib.sha256()
    for name in sorted(exclude_paths(str(folder), patterns)):
        path = folder / name
        if name.split("/")[0] == ".git" or not (path.is_file() or path.is_symlink()):
            continue
        total.update(os.fsencode(name) + f"\0{path.lstat().st_mode}\0".encode())
        total.update(os.fsencode(path.readlink()) if path.is_symlink() else path.read_bytes())
    total.update(_commit(folder).encode())
    return total.hexdigest()


def _commit(folder: Path) -> str:
    """The commit of a checkout, or an empty string; a Dockerfile may build it into the program."""
    if not (folder / ".git").exists():
        return ""
    return git_commit(folder) or ""
