"""Reads whole files within a limit."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path


class FileProblem(OSError):
    """A file that is not read; the message is one short line without the path."""


def read_bounded(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most ``limit`` bytes.

    Raises :class:`FileNotFoundError`, and :class:`FileProblem` for a larger file, for one that is not
    a regular file (a named pipe, a device), and for every other error of the operating system.
    """
    try:
        # O_NONBLOCK: the opening of a named pipe does not wait for a writer.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise FileProblem("not a regular file")
            content = file.read(limit + 1)
    except FileNotFoundError:
        raise
    except ValueError as error:
        # A path with a NUL character.
        raise FileProblem(str(error)) from None
    except OSError as error:
        if isinstance(error, FileProblem):
            raise
        if error.errno == errno.ELOOP:
            raise FileProblem("a link that leads to itself") from None
        raise FileProblem(error.strerror or type(error).__name__) from None
    if len(content) > limit:
        raise FileProblem(f"larger than {_in_words(limit)}, the limit")
    return content


def _in_words(size: int) -> str:
    return f"{size // 1_000_000} MB" if size >= 1_000_000 else f"{size} bytes"
