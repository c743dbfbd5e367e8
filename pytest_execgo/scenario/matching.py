"""Regular expressions of checks over text that tasks wrote, bounded in time and memory.

``re`` cannot be interrupted, and an expression such as ``(a+)+$`` can take years over a short text. So a
match runs in a child process that can be ended, unless the expression is too simple to take long.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Self

from pytest_execgo.system import child
from pytest_execgo.system.clock import monotonic
from pytest_execgo.system.readiness import readable

SECONDS = 5.0
"""For all matches of one check."""
_SHORT_TEXT = 2000
# Python may need them to start.
_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
_CHILD = """
import json, re, sys
try:
    import resource
    resource.setrlimit(resource.RLIMIT_CPU, ({seconds}, {seconds}))
    resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
except (ImportError, ValueError, OSError):
    pass
for line in sys.stdin:
    pattern, text = json.loads(line)
    print(int(re.search(pattern, text) is not None), flush=True)
""".format(seconds=int(SECONDS) + 1)


class MatchProblem(ValueError):
    """A match that was given up; the text is for the message of a check."""


class Matcher:
    """The matches of one check, together at most five seconds. A context manager."""

    def __init__(self) -> None:
        self._deadline = monotonic() + SECONDS
        self._child: child.Process | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        if self._child is not None:
            self._child.kill()
            self._child.communicate()

    def found(self, pattern: str, text: str) -> bool:
        """Whether ``pattern`` matches anywhere in ``text``; raises :class:`MatchProblem`."""
        if is_simple(pattern, text):
            return re.search(pattern, text) is not None
        if self._child is None:
            self._child = child.start(
                [*child.python(), "-c", _CHILD],
                environment={k: os.environ[k] for k in _VARIABLES if k in os.environ},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
            )
        answer = self._ask(self._child, json.dumps([pattern, text]).encode() + b"\n")
        if answer not in (b"0\n", b"1\n"):
            raise MatchProblem(f"matching {_shown(pattern)} failed: it needs too much memory")
        return answer == b"1\n"

    def _ask(self, matching: child.Process, question: bytes) -> bytes:
        assert matching.stdin is not None
        assert matching.stdout is not None
        try:
            # The child reads a whole line before it begins to match.
            matching.stdin.write(question)
            matching.stdin.flush()
        except BrokenPipeError:
            return b""
        if not readable(matching.stdout, self._deadline - monotonic()):
            pattern = json.loads(question)[0]
            raise MatchProblem(
                f"matching {_shown(pattern)} takes more than {SECONDS:g} s; "
                "avoid repetitions inside repetitions, such as (a+)+"
            )
        return matching.stdout.readline()


def is_simple(pattern: str, text: str) -> bool:
    """Whether a match is certainly fast: nothing in the pattern multiplies the ways to match."""
    if re.search(r"\\[1-9]|\(\?", pattern):
        return False
    choices = len(re.findall(r"[*+?{|]", pattern))
    return choices == 0 or (choices == 1 and len(text) <= _SHORT_TEXT)


def _shown(pattern: str) -> str:
    return repr(pattern if len(pattern) <= 80 else pattern[:77] + "...")
