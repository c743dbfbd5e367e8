"""Wait until a socket or a pipe can be read."""

from __future__ import annotations

import select
from typing import Protocol


class HasDescriptor(Protocol):
    """A socket or an open file."""

    def fileno(self) -> int: ...


def readable(file: HasDescriptor, seconds: float = 0.0) -> bool:
    """Whether bytes, or the end of ``file``, arrive within ``seconds``."""
    # select() refuses every descriptor above 1023, and a test session may have more.
    poll = select.poll()
    poll.register(file, select.POLLIN)
    return bool(poll.poll(max(0.0, seconds) * 1000))
