"""Writes the files of a record. A failure, as on a full disk, is one :class:`HarnessError`.

A whole file is written atomically: a reader sees the old or the new content, never a part.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pytest_execgo.errors import HarnessError

_FULL = {errno.ENOSPC, errno.EDQUOT}


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Raise errors of the operating system inside the block as one :class:`HarnessError`."""
    try:
        yield
    except OSError as error:
        raise HarnessError(_problem(path, error)) from None


def _problem(path: Path, error: OSError) -> str:
    reason = error.strerror or type(error).__name__
    advice = "; free space on this disk, then repeat the run" if error.errno in _FULL else ""
    return f"{path}: cannot be written: {reason}{advice}"


def make_folder(path: Path) -> None:
    """Make a folder and those above it; raises :class:`HarnessError`."""
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


def make_new_folder(path: Path) -> bool:
    """Make a folder in one that exists; false if it exists already. Raises :class:`HarnessError`."""
    with writing(path):
        try:
            path.mkdir()
        except FileExistsError:
            return False
    return True


def write_text(path: Path, text: str) -> None:
    """:func:`write_bytes` for ``text`` in UTF-8; lone surrogates become U+FFFD."""
    write_bytes(path, text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode())


def append_text(path: Path, text: str) -> None:
    """Append ``text`` in UTF-8 to a file, which need not exist. Raises :class:`HarnessError`."""
    with writing(path), path.open("a", encoding="utf-8", errors="replace") as file:
        file.write(text)


def write_bytes(path: Path, content: bytes) -> None:
    """Replace ``path`` by a file with ``content``.

    Raises :class:`HarnessError`. The old file is then as before, and no temporary file is left.
    """
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    with writing(path):
        try:
            temporary.write_bytes(content)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                temporary.unlink()
            raise


def write_model(path: Path, model: BaseModel) -> None:
    """Write a document as indented JSON; raises :class:`HarnessError`."""
    write_text(path, model.model_dump_json(indent=2) + "\n")


def write_json(path: Path, value: Any) -> None:
    """Write any JSON value, indented; raises :class:`HarnessError`."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")


class LineFile:
    """Appends lines to a file, each at once.

    The first failure ends the writing: ``problem`` says why, and later lines are dropped. So a full disk
    stops no thread that records something, and the owner reports the problem when it is ready.
    """

    def __init__(self, path: Path, *, append: bool = False) -> None:
        """Open the file, empty unless ``append`` is set; raises :class:`HarnessError`."""
        self._path = path
        self.problem: str | None = None
        with writing(path):
            # Without a buffer: what cannot be written is not tried again when the file is closed.
            self._file = path.open("ab" if append else "wb", buffering=0)

    def add(self, line: str) -> None:
        """Write ``line`` and a line break; lone surrogates become question marks."""
        if self.problem is not None or self._file.closed:
            return
        rest = memoryview((line + "\n").encode("utf-8", "replace"))
        try:
            while rest:
                rest = rest[self._file.write(rest) or 0 :]
        except OSError as error:
            self.problem = _problem(self._path, error)

    def lock(self) -> bool:
        """Mark the file as in use until it is closed; false if another process uses it. Where the file
        system has no locks, it is never in use."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError:
            pass
        return True

    def check(self) -> None:
        """Raise :class:`HarnessError` if a line could not be written."""
        if self.problem is not None:
            raise HarnessError(self.problem)

    def close(self) -> None:
        with suppress(OSError):
            self._file.close()
