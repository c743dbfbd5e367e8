"""The command line: runs one command and turns its errors into one line and an exit code."""

from __future__ import annotations

import os
import pkgutil
import sys

from pytest_execgo.cli.output import accept_all_characters, print_error
from pytest_execgo.cli.parsers import command_line
from pytest_execgo.errors import HarnessError, UsageError

INTERRUPTED = 130
INTERRUPTED_RUN = 2
_RUNS = "pytest_execgo.cli.run:"


def main(argv: list[str] | None = None) -> int:
    """Run one command. Exit code: 0 done, 1 the command found a problem, 2 a user mistake,
    130 interrupted; ``run``, ``benchmark`` and ``replay`` exit as pytest does."""
    accept_all_characters()
    words, pytest_words = _split(sys.argv[1:] if argv is None else argv)
    options = command_line().parse_args(words)
    options.pytest_args = pytest_words
    try:
        # The module of a command is imported only here: --help must not wait for pydantic and pytest.
        return int(pkgutil.resolve_name(options.handler)(options))
    except UsageError as error:
        print_error(error)
        return 2
    except HarnessError as error:
        print_error(error, label="harness error", keep_lines=True)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        # pytest handles Ctrl-C during a run; this one came before or after it.
        return INTERRUPTED_RUN if options.handler.startswith(_RUNS) else INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has ended (head, a pager). Without this, Python would fail once more
        # when it flushes standard output at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        print_error(error)
        return 2


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """The arguments before ``--``, and those after it, which pytest gets."""
    if "--" not in argv:
        return argv, []
    cut = argv.index("--")
    return argv[:cut], argv[cut + 1 :]
