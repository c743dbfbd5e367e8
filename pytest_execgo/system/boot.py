"""Puts a new process into a known state, and then becomes a module or another program.

``python -I -S boot.py module FOLDERS MODULE ARGUMENT…`` runs a module of this package, with ``FOLDERS``
at the end of the import path. ``python -I -S boot.py program LC_CTYPE PROGRAM ARGUMENT…`` becomes a
program with the same process id.

This file runs before anything can be imported from the package, so it uses the standard library only.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import sys
from contextlib import suppress

_OWN_BITS = 0o700
_PR_SET_CHILD_SUBREAPER = 36


def _reset_signals() -> None:
    """A process inherits ignored and blocked signals, and passes them on to its tasks."""
    for number in signal.valid_signals():
        with suppress(OSError, ValueError):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _keep_own_files_usable() -> None:
    """The umask of the user stays, except that it cannot lock us out of our own files."""
    mask = os.umask(0o077)
    os.umask(mask & ~_OWN_BITS)


def _adopt_orphans() -> None:
    """Become the parent of every process below this one whose parent ends (Linux), so that a task which
    makes itself a daemon can still be found. A program that replaces this one keeps the setting."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def _run_module(folders: str, module: str, *arguments: str) -> None:
    package = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    sys.path += [package, *filter(None, folders.split(os.pathsep))]
    sys.argv = [module, *arguments]
    runpy.run_module(module, run_name="__main__", alter_sys=True)


def _become_program(locale: str, *command: str) -> None:
    # Python may have set it, and the program has to see the environment that it was given.
    os.environ.pop("LC_CTYPE", None)
    if locale:
        os.environ["LC_CTYPE"] = locale
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    # Python ignores these two. subprocess would restore them, exec does not.
    for name in ("SIGPIPE", "SIGXFSZ"):
        signal.signal(getattr(signal, name), signal.SIG_DFL)
    try:
        os.execv(command[0], command)
    except OSError as error:
        sys.exit(f"{command[0]}: {error.strerror}")


if __name__ == "__main__":
    _reset_signals()
    _keep_own_files_usable()
    _adopt_orphans()
    kind, *words = sys.argv[1:]
    if kind == "module":
        # A service ends at an interrupt, and needs the default of Python for a broken pipe.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN)
        _run_module(*words)
    else:
        _become_program(*words)
