"""Folders and files of a run."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from pytest_execgo.errors import HarnessError
from pytest_execgo.files.workspace import copy_tree, make_writable
from pytest_execgo.files.writing import make_folder, write_text, writing

_MAX_LOG_BYTES = 2_000_000
_MAX_WORKSPACE_BYTES = 50_000_000


def point_latest(reports: Path, run_id: str) -> Path | None:
    """Point the link ``reports/latest`` to the run; without permission for links, write
    ``latest.txt``.

    A real folder of that name, as a copy without links has it, is renamed; returns its new path.
    """
    renamed = None
    latest = reports / "latest"
    temporary = reports / f".latest.{os.getpid()}"
    try:
        temporary.symlink_to(run_id, target_is_directory=True)
        if latest.is_dir() and not latest.is_symlink():
            renamed = latest.rename(_free_name(reports))
        os.replace(temporary, latest)
    except OSError:
        with suppress(OSError):
            temporary.unlink()
        write_text(reports / "latest.txt", run_id + "\n")
    return renamed


def _free_name(reports: Path) -> Path:
    names = (reports / f"latest-{number}" for number in itertools.count(1))
    return next(path for path in names if not os.path.lexists(path))


def keep_workspace(source: Path, target: Path, is_secret: Callable[[str], bool]) -> None:
    """Copy the workspace of a trial, at most 50 MB. Links stay links; ``NOT_COPIED.txt`` names what is
    left out, such as what contains a secret. Raises :class:`HarnessError`."""
    try:
        left = copy_tree(source, target, _MAX_WORKSPACE_BYTES)
        left += _without_secrets(target, is_secret)
    except OSError as error:
        make_folder(target)
        left = [str(error)]
    if left:
        write_text(target / "NOT_COPIED.txt", "\n".join(left) + "\n")


class LogSlices:
    """The parts of the services' logs that were written after this object was made."""

    def __init__(self, logs: Mapping[str, Path]) -> None:
        self._logs = dict(logs)
        self._offsets = {name: _size(path) for name, path in self._logs.items()}

    def save(self, folder: Path, hide: Callable[[str], str] = lambda text: text) -> None:
        """Write ``<service>.log`` for each service, the last 2 MB of a longer slice, as ``hide`` returns
        it.

        Raises :class:`HarnessError`.
        """
        make_folder(folder)
        for name, path in self._logs.items():
            start = max(self._offsets[name], _size(path) - _MAX_LOG_BYTES)
            data = b""
            if path.exists():
                with path.open("rb") as log:
                    log.seek(start)
                    data = log.read()
            target = folder / f"{name}.log"
            with writing(target):
                target.write_bytes(_hidden(data, hide))


def _hidden(data: bytes, hide: Callable[[str], str]) -> bytes:
    # Each byte is one character: other text stays the same, whatever its encoding.
    return hide(data.decode("latin-1")).encode("latin-1")


def _without_secrets(folder: Path, is_secret: Callable[[str], bool]) -> list[str]:
    """Remove the entries of a copy that contain a secret in their name, content or target of a link;
    returns one line for each."""
    left = []
    for path in sorted(folder.rglob("*"), reverse=True):
        name = str(path.relative_to(folder))
        if path.is_symlink():
            found = is_secret(os.readlink(path))
        else:
            found = path.is_file() and is_secret(path.read_bytes().decode("latin-1"))
        if is_secret(name):
            name, found = "an entry with the key in its name", True
        if found:
            _remove(path)
            left.append(f"{name}: contains the key of OPENAI_API_KEY")
    return left


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def copy_workspace(source: Path | None, target: Path) -> None:
    """Copy a scenario's workspace, or make an empty folder; raises :class:`HarnessError`.

    The copy is writable, also if the source is not: tasks change it, and it is removed at the end.
    """
    if source is None:
        target.mkdir(parents=True)
    else:
        ignore = shutil.ignore_patterns("__pycache__", "*.pyc")
        try:
            shutil.copytree(source, target, ignore=ignore, symlinks=True)
        except (OSError, shutil.Error) as error:
            raise HarnessError(f"the workspace {source} cannot be copied: {error}") from None
        make_writable(target)
