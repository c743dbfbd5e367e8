"""Files in folders that tasks can write to. Nothing here follows a link out of the folder.

A task can replace the folder, or anything below it, by a link to files of the user. So folders are
opened step by step, each relative to the one above, and never through a link.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from contextlib import suppress
from io import BufferedReader
from pathlib import Path

from pytest_execgo.files.reading import FileProblem

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
# O_NONBLOCK: the opening of a named pipe does not wait for a writer.
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_NO_SUCH_FILE = {errno.ENOENT, errno.ELOOP, errno.ENOTDIR, errno.ENXIO}
_BLOCK = 1024 * 1024
LARGEST_FILE = 1_000_000_000
"""That is read, in bytes."""
_MOST_ENTRIES = 10_000
_MOST_LINES = 1000


def open_inside(folder: Path, relative: str) -> BufferedReader:
    """Open a regular file below ``folder`` for reading.

    Raises :class:`FileNotFoundError` if there is none, also if ``folder`` is a link, or if a link leads
    out of it. Links within the folder are followed.
    """
    base = folder.parent.resolve() / folder.name
    found = Path(os.path.realpath(base / relative))
    try:
        *between, name = found.relative_to(base).parts
        descriptor = _open(base, between, name)
    except ValueError:
        raise FileNotFoundError(f"{relative}: leads out of the workspace") from None
    except OSError as error:
        if error.errno in _NO_SUCH_FILE:
            raise FileNotFoundError(f"{relative}: no such file") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise FileNotFoundError(f"{relative}: not a regular file")
    return os.fdopen(descriptor, "rb")


def _open(base: Path, between: list[str], name: str) -> int:
    current = os.open(base, _FOLDER)
    try:
        for part in between:
            below = os.open(part, _FOLDER, dir_fd=current)
            os.close(current)
            current = below
        return os.open(name, _FILE, dir_fd=current)
    finally:
        os.close(current)


def sha256_inside(folder: Path, relative: str) -> str | None:
    """The sha256 (hex) of a file as in :func:`open_inside`; ``None`` if there is none.

    Raises :class:`FileProblem` for a file that is larger than 1 GB: a sparse file of any size takes no
    space on a disk, but its content takes time to read.
    """
    try:
        file = open_inside(folder, relative)
    except FileNotFoundError:
        return None
    with file:
        digest, read = hashlib.sha256(), 0
        while block := file.read(_BLOCK):
            digest.update(block)
            read += len(block)
            if read > LARGEST_FILE:
                raise FileProblem(f"larger than {LARGEST_FILE // 10**9} GB, the limit")
    return digest.hexdigest()


def names_below(folder: Path, most: int) -> list[str]:
    """The regular files below a folder, relative to it, at most ``most``; without Python's caches. What
    cannot be read is left out, and links are not followed."""
    found: list[str] = []
    entries = 0
    with suppress(OSError):
        for path, folders, files, descriptor in os.fwalk(folder) if not folder.is_symlink() else ():
            below = Path(path).relative_to(folder)
            entries += len(folders) + len(files)
            folders[:] = sorted(name for name in folders if name != "__pycache__")
            regular = [name for name in sorted(files) if _is_regular(name, descriptor)]
            found += [(below / name).as_posix() for name in regular]
            if len(found) >= most or entries > _MOST_ENTRIES:
                break
    return found[:most]


def _is_regular(name: str, parent: int) -> bool:
    try:
        return stat.S_ISREG(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)
    except OSError:
        return False


def copy_tree(source: Path, target: Path, most_bytes: int) -> list[str]:
    """Copy a folder, at most ``most_bytes`` of content and 10,000 entries; returns one line for each
    entry left out, at most 1,000 of them.

    Links are copied as links. A link in place of ``source`` is not followed: then nothing is copied.
    """
    left: list[str] = []

    def failed(error: OSError) -> None:
        left.append(f"{error.filename}: {error.strerror}")

    target.mkdir(exist_ok=True)
    if source.is_symlink():
        return ["the workspace was replaced by a link, which is not followed"]
    entries = 0
    for folder, folders, files, descriptor in os.fwalk(source, onerror=failed):
        below = Path(folder).relative_to(source)
        (target / below).mkdir(exist_ok=True)
        for name in sorted((*folders, *files)):
            entries += 1
            if entries > _MOST_ENTRIES or len(left) >= _MOST_LINES:
                return [*left, f"{below / name} and all that follow: too many files"]
            try:
                reason, size = _copy(name, descriptor, target / below / name, most_bytes)
            except OSError as error:
                reason, size = str(error.strerror), 0
            most_bytes -= size
            if reason:
                left.append(f"{below / name}: {reason}")
    return left


def _copy(name: str, parent: int, target: Path, most_bytes: int) -> tuple[str | None, int]:
    """Copy one entry of an open folder: why it is left out (``None``: it is not), and its size."""
    info = os.stat(name, dir_fd=parent, follow_symlinks=False)
    if stat.S_ISDIR(info.st_mode):
        return None, 0
    if stat.S_ISLNK(info.st_mode):
        target.symlink_to(os.readlink(name, dir_fd=parent))
        return None, 0
    if not stat.S_ISREG(info.st_mode):
        return "not a regular file", 0
    if info.st_size > most_bytes:
        return f"{info.st_size} bytes are too many", 0
    with os.fdopen(os.open(name, _FILE, dir_fd=parent), "rb") as file, target.open("xb") as copy:
        rest = info.st_size
        # Not copyfileobj: a process that a task left may still append to the file.
        while rest and (block := file.read(min(rest, _BLOCK))):
            copy.write(block)
            rest -= len(block)
        os.fchmod(copy.fileno(), stat.S_IMODE(info.st_mode) & 0o777 | stat.S_IRUSR | stat.S_IWUSR)
    return None, info.st_size


def make_writable(folder: Path) -> None:
    """Let the owner read and write all folders and files below ``folder``; links are not followed."""
    for path in (folder, *folder.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o700 if path.is_dir() else 0o600))


def remove_tree(path: Path) -> None:
    """Remove a folder, including subfolders that a task made inaccessible. A link in its place, or
    below it, is removed itself, never what it points to.

    Never raises. A task may still write to a workspace; what it leaves is removed with the folder of
    the fleet.
    """
    if path.is_symlink():
        with suppress(OSError):
            path.unlink()
        return
    with suppress(OSError):
        parent = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            _make_accessible(path.name, parent)
        finally:
            os.close(parent)
    with suppress(OSError):
        for _, folders, _, descriptor in os.fwalk(path):
            for name in folders:
                with suppress(OSError):
                    _make_accessible(name, descriptor)
    shutil.rmtree(path, ignore_errors=True)


def _make_accessible(name: str, parent: int) -> None:
    """Set mode 0700 of a folder in an open folder; raises :class:`OSError`, also for a link."""
    if os.chmod in os.supports_follow_symlinks:
        if not stat.S_ISLNK(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode):
            os.chmod(name, 0o700, dir_fd=parent, follow_symlinks=False)
        return
    # Linux cannot change a mode without following links, but it can open a folder without reading it.
    descriptor = os.open(
        name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent
    )
    try:
        os.chmod(f"/proc/self/fd/{descriptor}", 0o700)
    finally:
        os.close(descriptor)
