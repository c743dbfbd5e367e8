"""Starts one task, waits for its end, and writes both down.

The runtime starts this file as ``python -I -S shim.py FOLDER REPORT LOCK`` for each task, in the working
folder of the task. The shim and its task outlive a runtime that ends, and the next runtime adopts them
(:mod:`pytest_execgo.emulators.runtime.task_process`).

Standard input holds, separated by NUL: how many words and variables follow, the words of the command,
and the environment as ``NAME=VALUE``. The shim writes ``pid N`` or ``errno N`` to the file descriptor
``REPORT``. Into ``FOLDER`` it writes ``process.txt`` when the task has started, and ``exit.txt`` when it
has ended. ``LOCK`` is a file descriptor that holds a lock until the shim ends. The shim ends as the task
does, with the same status or signal.

It uses the standard library only, and few modules of it, because each task waits for its start.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import time

_NO_STATUS = 127


def main(folder: str, report: int, lock: int) -> None:
    """Run the task, and end as it does."""
    # The task must not hold them open.
    os.set_inheritable(report, False)
    os.set_inheritable(lock, False)
    command, environment = _request()
    began = time.monotonic()
    started_at = time.time()
    pid, problem = _start(command, environment)
    if not problem:
        facts = {
            "pid": pid,
            "shim_pid": os.getpid(),
            "began": began,
            "started_at": started_at,
        }
        problem = _write(os.path.join(folder, "process.txt"), facts)
        if problem:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)
    os.write(report, b"errno %d" % problem if problem else b"pid %d" % pid)
    os.close(report)
    if problem:
        return
    # No process reads the input and output of the shim: the files are those of the task.
    code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    ended = {"code": code, "finished_at": time.time(), "seconds": time.monotonic() - began}
    # On a full disk, a runtime that still runs gets the status of this process.
    _write(os.path.join(folder, "exit.txt"), ended)
    _end_with(code)


def _request() -> tuple[list[bytes], dict[bytes, bytes]]:
    parts = []
    while part := os.read(0, 1 << 20):
        parts.append(part)
    words_follow, variables_follow, *rest = b"".join(parts).split(b"\0")
    count = int(words_follow)
    if len(rest) != count + int(variables_follow):
        # The runtime was killed while it wrote.
        os._exit(_NO_STATUS)
    return rest[:count], dict(pair.split(b"=", 1) for pair in rest[count:])


def _start(command: list[bytes], environment: dict[bytes, bytes]) -> tuple[int, int]:
    """The process id, and the number of the error: 0 if the program has started."""
    failed, failure = os.pipe()
    pid = os.fork()
    if pid == 0:
        _become(command, environment, failure)
    os.close(failure)
    problem = os.read(failed, 16)
    os.close(failed)
    if problem:
        os.waitpid(pid, 0)
    return pid, int(problem or 0)


def _become(command: list[bytes], environment: dict[bytes, bytes], failure: int) -> None:
    """Become the program of the task, or report the error and end. Never returns."""
    number = errno.EIO
    try:
        os.setsid()
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        # Python ignores these two, and exec would pass that on.
        for name in ("SIGPIPE", "SIGXFSZ"):
            signal.signal(getattr(signal, name), signal.SIG_DFL)
        os.execvpe(command[0], command, environment)
    except OSError as error:
        number = error.errno or number
    finally:
        os.write(failure, b"%d" % number)
        os._exit(_NO_STATUS)


def _write(path: str, facts: dict[str, float]) -> int:
    """The number of the error; 0 if the whole file is written."""
    try:
        with open(path + ".tmp", "w", encoding="ascii") as file:
            file.writelines(f"{name} {value!r}\n" for name, value in facts.items())
        os.replace(path + ".tmp", path)
    except OSError as error:
        return error.errno or errno.EIO
    return 0


def _end_with(code: int) -> None:
    if code < 0:
        import resource

        # Without a second core dump.
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if -code not in (signal.SIGKILL, signal.SIGSTOP):
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
