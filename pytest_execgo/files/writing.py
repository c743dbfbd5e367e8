"""Writes files atomically: a reader sees the old or the new content, never a part."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from pydantic import BaseModel


def write_text(path: Path, text: str) -> None:
    """Replace ``path`` by a file with ``text`` (UTF-8; lone surrogates become U+FFFD).

    Raises :class:`OSError`, as on a full disk. The old file is then as before, and no temporary file
    is left.
    """
    temporary = path.with_name(f".{path.name[:100]}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(
            text.encode("utf-8", "surrogatepass").decode("utf-8", "replace").encode()
        )
        os.replace(temporary, path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise


def write_model(path: Path, model: BaseModel) -> None:
    """Write a document as indented JSON; raises :class:`OSError`."""
    write_text(path, model.model_dump_json(indent=2) + "\n")


def write_json(path: Path, value: Any) -> None:
    """Write any JSON value, indented; raises :class:`OSError`."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False) + "\n")
