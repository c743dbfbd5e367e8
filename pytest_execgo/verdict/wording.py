"""The texts of ExecGo 1.0 and execgo-runtime 1.1, of systems and of HTTP clients, and what they mean.

No other module of the verdict knows such a text. A new version of ExecGo or of the runtime that words
something differently changes this module only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Literal

from pytest_execgo.models.cause import Layer
from pytest_execgo.models.events import TaskChanged, TaskError

# -- refused submissions

_REJECTIONS: tuple[tuple[str, str], ...] = (
    ("unknown task type", "unknown_task_type"),
    ("depends on unknown task", "unknown_dependency"),
    ("cannot depend on itself", "self_dependency"),
    ("cycle detected", "cycle"),
    ("duplicate task id", "duplicate_task_id"),
    ("task graph is empty", "empty_graph"),
    ("type is required", "missing_type"),
    ("task id is required", "missing_id"),
)
_BUSY = 500


def rejection(http_status: int, message: str) -> str | None:
    """The rule of the DSL that ExecGo says a submission breaks; ``None`` if it names none."""
    if http_status >= _BUSY:
        return None
    return next((code for text, code in _REJECTIONS if text in message), None)


# -- failed tasks

FailureKind = Literal["process", "plan", "runtime", "unclear", "cancelled"]
"""Who ended a task, by what ExecGo says: its own ``process``; the ``plan``, whose payload is not valid;
or the ``runtime``. ``cancelled``: ExecGo stopped it. ``unclear``: no reason is given."""


@dataclass(frozen=True)
class Failure:
    """What ExecGo says about the failure of a task. ``code`` is stable."""

    kind: FailureKind
    code: str


_NOT_KNOWN = Failure("unclear", "no_reason")
_PROCESS_CODES = {
    "exit_non_zero": "exit_non_zero",
    "exit_nonzero": "exit_non_zero",
    "timeout": "timeout",
    "memory_limit_exceeded": "memory_limit_exceeded",
    "cpu_limit_exceeded": "cpu_limit_exceeded",
    "launch_failed": "launch_failed",
}
# The runtime refuses what a plan asks for.
_REFUSED = {
    "unsupported_capability": "unsupported capability:",
    "insufficient_resources": "insufficient resources:",
    "permission_denied": "permission denied:",
}
# Each task needs one slot, whatever the plan asks for.
_SLOTS = re.compile(r"requires \d+ task slots\b")
_BY_SIGNAL = "task terminated by signal"
_BY_MESSAGE: tuple[tuple[str, Failure], ...] = (
    ("handle not found", Failure("runtime", "handle_lost")),
    ("runtime submit returned", Failure("runtime", "http_error")),
    ("decode runtime submit response", Failure("runtime", "bad_answer")),
    ("non-terminal runtime result", Failure("runtime", "bad_answer")),
    (_BY_SIGNAL, Failure("process", "killed_by_signal")),
)
_SHUTDOWN = ("context canceled", "shutting down")
KILLED_AT_SHUTDOWN = "signal: killed"


def timed_out(error: TaskError) -> bool:
    """Whether the task's own timeout ended it.

    If it passes while ExecGo submits the task to the runtime, ExecGo calls the end an external failure.
    ExecGo's own limit on such a request is not this timeout: that message ends with
    ``Client.Timeout ...``.
    """
    return error.code == "timeout" or error.message.endswith("context deadline exceeded")


def failure(failed: TaskChanged) -> Failure:
    """What ExecGo says about a task that failed."""
    error = failed.error
    if error is None:
        return _NOT_KNOWN
    if timed_out(error):
        return Failure("process", "timeout")
    for text, meaning in _BY_MESSAGE:
        if error.message.startswith(text):
            return meaning
    if error.source == "execgo-runtime":
        return _of_runtime(error, failed.attempt)
    if error.source == "runtime-executor":
        known = error.code == "external_failure"
        return Failure("runtime", "unreachable") if known else _of_engine(error)
    if error.source == "executor" and error.message in ("task failed", "task cancelled"):
        # ExecGo's words where the runtime gave none.
        return Failure("runtime", "no_reason")
    return _of_engine(error, failed.attempt)


def _of_runtime(error: TaskError, attempt: int) -> Failure:
    raw = error.raw_code or error.code
    if raw == "conflict" and attempt > 1:
        return Failure("process", "retry_refused")
    if raw in _PROCESS_CODES:
        return Failure("process", _PROCESS_CODES[raw])
    if raw == "invalid_input" or error.message.startswith("Failed to "):
        return Failure("plan", "invalid_input")
    if raw in _REFUSED and error.message.startswith(_REFUSED[raw]):
        return Failure("runtime" if _SLOTS.search(error.message) else "plan", raw)
    if not error.raw_code and raw == "external_failure":
        # The answer has an error status, and its body is not the runtime's. It may be a proxy's.
        return Failure("runtime", "http_error")
    return Failure("runtime", raw or "failed")


def _of_engine(error: TaskError, attempt: int = 0) -> Failure:
    if error.message.startswith("unknown os tool"):
        return Failure("plan", "unknown_tool")
    if error.code == "invalid_input" or error.message.startswith("Failed to "):
        return Failure("plan", "invalid_input")
    if any(text in error.message for text in _SHUTDOWN):
        return Failure("cancelled", error.code or "cancelled")
    if error.raw_code == "conflict" and attempt > 1:
        return Failure("process", "retry_refused")
    code = error.raw_code or error.code or "failed"
    return Failure("process", _PROCESS_CODES.get(code, code))


def is_cut_off(failed: TaskChanged) -> bool:
    """Whether the message says that ExecGo itself stopped what it was doing."""
    message = failed.error.message if failed.error else ""
    return any(text in message for text in _SHUTDOWN)


def signal_of(failed: TaskChanged) -> int | None:
    """The number of the signal that ended a task, if the runtime names it."""
    message = failed.error.message if failed.error else ""
    found = re.match(rf"{_BY_SIGNAL} (\d{{1,3}})\b", message)
    return int(found[1]) if found else None


# -- a task's own words

Topic = Literal[
    "refused", "reset", "closed", "timed_out", "http_status", "unreachable", "unresolved",
    "undecodable",
    "no_space", "too_many_files", "read_only", "permission", "missing_file", "out_of_memory",
    "usage",
]  # fmt: skip
NETWORK = frozenset(
    {
        "refused",
        "reset",
        "closed",
        "timed_out",
        "http_status",
        "unreachable",
        "unresolved",
        "undecodable",
    }
)
MACHINE = frozenset({"no_space", "too_many_files", "read_only", "out_of_memory"})
FILES = frozenset({"permission", "missing_file"})

# As Python, Node.js, Go, Java, curl, the C library and parsers of command lines word them. The first
# that matches counts.
_TOPICS: tuple[tuple[Topic, str], ...] = (
    ("no_space", r"No space left on device|\bENOSPC\b|Disk quota exceeded|\bEDQUOT\b"),
    ("too_many_files", r"[Tt]oo many open files|\bEMFILE\b|\bENFILE\b"),
    ("read_only", r"[Rr]ead-only file system|\bEROFS\b"),
    (
        "out_of_memory",
        r"MemoryError|[Cc]annot allocate memory|\bENOMEM\b|[Oo]ut of memory|OutOfMemory|bad_alloc",
    ),
    ("refused", r"[Cc]onnection refused|\bECONNREFUSED\b|actively refused"),
    (
        "unreachable",
        r"[Nn]o route to host|[Nn]etwork is unreachable|\bEHOSTUNREACH\b|\bENETUNREACH\b",
    ),
    (
        "unresolved",
        r"Name or service not known|getaddrinfo|Temporary failure in name resolution"
        r"|[Cc]ould not resolve|\bENOTFOUND\b|no such host|nodename nor servname",
    ),
    (
        "reset",
        r"[Cc]onnection reset|\bECONNRESET\b|reset by peer|BrokenPipe|[Bb]roken pipe|\bEPIPE\b",
    ),
    (
        "closed",
        r"RemoteDisconnected|without response|[Ss]erver disconnected|socket hang up"
        r"|[Ee]mpty reply|IncompleteRead|[Cc]onnection aborted|[Cc]onnection closed"
        r"|ended prematurely|unexpected EOF|transfer closed|[Pp]remature close",
    ),
    (
        "http_status",
        r"HTTP(?:/\d(?:\.\d)?)?(?: Error| status| code)*:? +[345]\d\d\b"
        r"|[Ss]tatus(?: code)?[ :=]+[345]\d\d\b|\b[45]\d\d (?:Client|Server) Error"
        r"|returned error: [45]\d\d",
    ),
    (
        "undecodable",
        r"JSONDecodeError|Expecting value|Extra data|[Ii]nvalid JSON|not valid JSON"
        r"|Unexpected token|Unexpected end of JSON|Unterminated string|UnicodeDecodeError"
        r"|BadStatusLine|BadGzipFile|incorrect header check|[Ii]nvalid character '",
    ),
    ("timed_out", r"\b[Tt]imed? ?out\b|TimeoutError|\bETIMEDOUT\b|[Dd]eadline exceeded"),
    ("permission", r"[Pp]ermission denied|\bEACCES\b|Operation not permitted|PermissionError"),
    (
        "missing_file",
        r"[Nn]o such file or directory|\bENOENT\b|FileNotFoundError|[Cc]annot find the (?:file|path)",
    ),
    (
        "usage",
        r"unrecognized arguments?:|arguments are required:|[Uu]n(?:recognized|known) option"
        r"|[Ii]nvalid option|[Nn]o such option|option requires an argument|flag provided but not defined"
        r"|[Uu]nexpected (?:extra )?argument|[Mm]issing argument",
    ),
)
_COMPILED = tuple((name, re.compile(pattern)) for name, pattern in _TOPICS)
_STATUS = re.compile(r"\b([345]\d\d)\b")
_ADDRESS = re.compile(r"([A-Za-z0-9_.-]{1,253}|\[[0-9A-Fa-f:]{2,45}\]):(\d{1,5})\b")


def topic(text: str) -> Topic | None:
    """What an error text is about. Its last line counts most: there, programs say why they end."""
    last = text.strip().rpartition("\n")[2]
    for part in (last, text):
        for name, pattern in _COMPILED:
            if pattern.search(part):
                return name
    return None


def http_status(text: str) -> int | None:
    """The HTTP status that the last line of an error text names."""
    found = _STATUS.search(text.strip().rpartition("\n")[2])
    return int(found[1]) if found else None


def addresses(text: str) -> set[str]:
    """Hosts with ports in a text, such as ``127.0.0.1:8080``."""
    return {f"{host}:{port}" for host, port in _ADDRESS.findall(text)}


def is_numeric(address: str) -> bool:
    """Whether the host of ``host:port`` is a number, not a name."""
    try:
        ip_address(address.rpartition(":")[0].strip("[]"))
    except ValueError:
        return False
    return True


LAYERS: dict[str, Layer] = {"execgo": "engine", "runtime": "runtime", "fixtures": "fixture"}
"""The layer of each service."""
