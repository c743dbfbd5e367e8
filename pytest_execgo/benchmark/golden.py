"""The new content of expected files, between the process of a trial and the one that rewrites them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

from pytest_execgo.files.writing import make_folder, write_bytes, write_json

_FOLDER, _INDEX = "expected", "expected.json"


def write_golden(folder: Path, files: Iterable[tuple[Path, bytes]]) -> None:
    """Keep, in the folder of a trial, paths of expected files and their new content. Raises
    :class:`HarnessError`."""
    index = []
    make_folder(folder / _FOLDER)
    for number, (path, content) in enumerate(files):
        write_bytes(folder / _FOLDER / str(number), content)
        index.append(str(path))
    write_json(folder / _INDEX, index)


def read_golden(folder: Path) -> Iterator[tuple[Path, bytes]]:
    """What :func:`write_golden` kept; nothing for a trial without it."""
    index = folder / _INDEX
    if not index.is_file():
        return
    for number, path in enumerate(json.loads(index.read_text(encoding="utf-8"))):
        yield Path(path), (folder / _FOLDER / str(number)).read_bytes()
