"""Executor ``os``: the tools that need no service, with the parameters and messages of ExecGo."""

from __future__ import annotations

import os
import posixpath
import re
import socket
import stat
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from time import monotonic
from typing import Any

from pytest_execgo.emulators.execgo import http_tool
from pytest_execgo.emulators.execgo.commands import CommandResult, run_command
from pytest_execgo.emulators.execgo.gojson import JsonError, Shape, read_struct
from pytest_execgo.emulators.execgo.graph import ABSENT
from pytest_execgo.emulators.execgo.outcome import Outcome, TaskAttempt, failure

MAX_SLEEP_MS = 600_000
MAX_DIAL_MS = 60_000
DEFAULT_DIAL_MS = 5_000
WHITELIST = frozenset(
    {"echo", "cat", "ls", "date", "whoami", "hostname", "uname", "pwd", "curl", "wget", "ping"}
    | {"dig", "grep", "awk", "sed", "head", "tail", "wc", "sort", "uniq", "find", "dir"}
    | {"where", "type"}
)


def run(attempt: TaskAttempt) -> Outcome:
    """Run one attempt of an ``os`` task."""
    spec = attempt.spec
    tool = spec.tool_name.strip() or spec.type
    if tool not in _TOOLS:
        return Outcome(False, error=failure(f'unknown os tool "{tool}"'), given=False)
    if spec.params is ABSENT:
        spec.params, spec.raw_params = spec.input, spec.raw_input
    handler, shape = _TOOLS[tool]
    if spec.params is ABSENT and tool != "noop":
        return _failed(f"parse {tool} params: unexpected end of JSON input")
    try:
        params = read_struct(None if spec.params is ABSENT else spec.params, shape)
    except JsonError as error:
        return _failed(f"parse {tool} params: {error}")
    return handler(attempt, params)


def _failed(message: str, output: Any = ABSENT) -> Outcome:
    return Outcome(False, output, error=failure(message))


def _timed_out(message: str) -> Outcome:
    return Outcome(False, error=failure(message, "timeout", "scheduler", retryable=True))


def _shape(tool: str, /, **fields: tuple[type, str]) -> Shape:
    return Shape(f"executor.{tool}Params", fields)


_STRING, _INT = (str, "string"), (int, "int64")


# -- noop, sleep


def _noop(attempt: TaskAttempt, params: dict[str, Any]) -> Outcome:
    return Outcome(True, {"ok": True, "message": params.get("message", "")})


def _sleep(attempt: TaskAttempt, params: dict[str, Any]) -> Outcome:
    duration = params.get("duration_ms", 0)
    if duration < 0:
        return _failed("duration_ms must be non-negative")
    if duration > MAX_SLEEP_MS:
        return _failed(f"duration_ms exceeds max of {MAX_SLEEP_MS} ms")
    return attempt.wait(duration / 1000) or Outcome(True, {"slept_ms": duration})


# -- shell


def _shell(attempt: TaskAttempt, params: dict[str, Any]) -> Outcome:
    script, command = params.get("script", ""), params.get("command", "")
    directory = params.get("dir") or None
    if script.strip():
        try:
            argv, runner = _runner(params.get("runner", ""), script)
        except ValueError as error:
            return _failed(str(error))
    elif command.strip():
        base = re.split(r"[/\\]", command)[-1]
        policy = os.environ.get("EXECGO_SHELL_POLICY", "").strip().lower()
        if policy != "open" and base not in WHITELIST:
            return _failed(f'command "{base}" is not in the allowed whitelist')
        argv, runner = [command, *params.get("args", [])], "direct"
    else:
        return _failed("either script or command is required")
    done = run_command(argv, attempt, directory, merge=False)
    output = {
        "stdout": done.stdout,
        "stderr": done.stderr,
        "exit_code": done.exit_code,
        "runner": runner,
    }
    return _command_outcome(done, output, "command failed")


def _runner(runner: str, script: str) -> tuple[list[str], str]:
    name = runner.strip().lower()
    if name in ("", "auto", "sh"):
        return ["/bin/sh", "-c", script], "sh"
    if name == "powershell":
        return ["powershell", "-NoProfile", "-NonInteractive", "-Command", script], name
    if name == "cmd":
        return ["cmd", "/C", script], name
    if name == "direct":
        raise ValueError(f'runner "{runner}" cannot be used with script')
    raise ValueError(f'invalid runner "{runner}" (supported for script: auto, powershell, cmd, sh)')


def _command_outcome(done: CommandResult, output: Any, prefix: str) -> Outcome:
    if done.error is None:
        return Outcome(True, output)
    return _failed(f"{prefix}: {done.error}", output)


# -- file


def _file(attempt: TaskAttempt, params: dict[str, Any]) -> Outcome:
    if not params.get("path"):
        return _failed("path is required")
    path = posixpath.normpath(params["path"])
    # normpath keeps a double slash at the start; ExecGo reduces it to one.
    path = path[1:] if path.startswith("//") else path
    action = params.get("action", "")
    if action not in _FILE_ACTIONS:
        return _failed(f'unknown action "{action}" (supported: read, write, append, delete, stat)')
    return _FILE_ACTIONS[action](path, params.get("content", ""))


def _os_error(prefix: str, verb: str, path: str, error: OSError) -> Outcome:
    reason = (error.strerror or str(error)).lower()
    return _failed(f"{prefix}: {verb} {path}: {reason}")


def _read(path: str, content: str) -> Outcome:
    try:
        data = Path(path).read_bytes()
    except IsADirectoryError as error:
        return _os_error("read file", "read", path, error)
    except OSError as error:
        return _os_error("read file", "open", path, error)
    return Outcome(True, {"content": data.decode("utf-8", "replace"), "size": len(data)})


def _store(path: str, content: str, mode: str) -> Outcome:
    parent = posixpath.dirname(path) or "."
    try:
        Path(parent).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        failed = str(error.filename or parent)
        reason = (
            "not a directory" if isinstance(error, (NotADirectoryError, FileExistsError)) else ""
        )
        message = reason or (error.strerror or "").lower()
        return _failed(f"create directory: mkdir {failed}: {message}")
    data = content.encode("utf-8", "surrogatepass")
    try:
        with open(path, mode) as file:
            file.write(data)
    except OSError as error:
        return _os_error("open file", "open", path, error)
    return Outcome(True, {"bytes_written": len(data)})


def _delete(path: str, content: str) -> Outcome:
    try:
        target = Path(path)
        if target.is_dir() and not target.is_symlink():
            target.rmdir()
        else:
            target.unlink()
    except OSError as error:
        return _os_error("delete file", "remove", path, error)
    return Outcome(True, {"deleted": True})


def _stat(path: str, content: str) -> Outcome:
    try:
        found = os.stat(path)
    except OSError as error:
        return _os_error("stat file", "stat", path, error)
    moment = datetime.fromtimestamp(found.st_mtime).astimezone().isoformat()
    return Outcome(
        True,
        {
            "name": posixpath.basename(path) or path,
            "size": found.st_size,
            "mode": stat.filemode(found.st_mode),
            "mod_time": moment.replace("+00:00", "Z"),
            "is_dir": stat.S_ISDIR(found.st_mode),
        },
    )


_FILE_ACTIONS: dict[str, Callable[[str, str], Outcome]] = {
    "read": _read,
    "write": lambda path, content: _store(path, content, "wb"),
    "append": lambda path, content: _store(path, content, "ab"),
    "delete": _delete,
    "stat": _stat,
}


# -- http


def _http(attempt: TaskAttempt, params: dict[str, Any]) -> Outcome:
    url, method = params.get("url", ""), params.get("method") or "GET"
    if not url:
        return _failed("url is required")
    headers, body = params.get("headers") or {}, params.get("body", "")
    seconds = attempt.remaining or http_tool.DEFAULT_SECONDS
    try:
        status, text = http_tool.send(method, url, headers, body, seconds)
    except http_tool.HttpFailure as error:
        return _timed_out(str(error)) if error.late else _failed(str(error))
    return Outcome(True, {"status_code": status, "body": text})


# -- dns, tcp


def _dns(attempt: TaskAttempt, params: dict[str, Any]) -> Outcome:
    name = params.get("name", "").strip()
    given = params.get("record", "")
    record = given.strip().lower() or "ip"
    if not name:
        return _failed("name is required")
    if record not in ("ip", "txt", "cname"):
        return _failed(f'record must be one of: ip, txt, cname (got "{given}")')
    verb = {"ip": "lookup host", "txt": "lookup txt", "cname": "lookup cname"}[record]
    if record == "txt":
        # The standard library can only look up addresses.
        return _failed(f"{verb}: lookup {name}: no such host")
    try:
        found = socket.getaddrinfo(name, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME)
    except OSError:
        return _failed(f"{verb}: lookup {name} on {_nameserver()}: no such host")
    if record == "cname":
        return Outcome(True, {"name": name, "record": record, "cname": (found[0][3] or name) + "."})
    addresses = list(dict.fromkeys(str(entry[4][0]) for entry in found))
    return Outcome(True, {"name": name, "record": record, "addrs": addresses})


def _nameserver() -> str:
    with suppress(OSError):
        for line in Path("/etc/resolv.conf").read_text(encoding="utf-8").splitlines():
            if line.startswith("nameserver "):
                return f"{line.split()[1]}:53"
    return "127.0.0.1:53"


def _tcp(attempt: TaskAttempt, params: dict[str, Any]) -> Outcome:
    address, timeout = params.get("address", ""), params.get("timeout_ms", 0)
    if not address:
        return _failed("address is required (host:port)")
    if timeout > MAX_DIAL_MS:
        return _failed(f"timeout_ms exceeds max of {MAX_DIAL_MS} ms")
    host, colon, port = address.rpartition(":")
    if not colon:
        return _failed(f"tcp dial: dial tcp: address {address}: missing port in address")
    if not port.isdigit():
        return _failed(f"tcp dial: dial tcp: lookup tcp/{port}: unknown port")
    seconds = (timeout if timeout > 0 else DEFAULT_DIAL_MS) / 1000
    remaining = attempt.remaining
    by_task = remaining is not None and remaining < seconds
    began = monotonic()
    try:
        limit = max(0.001, remaining) if by_task and remaining is not None else seconds
        socket.create_connection((host.strip("[]"), int(port)), timeout=limit).close()
    except TimeoutError:
        text = f"tcp dial: dial tcp {address}: i/o timeout"
        return _timed_out(text) if by_task and monotonic() - began < seconds else _failed(text)
    except OSError as error:
        return _failed(f"tcp dial: {http_tool.net_reason(error, address)}")
    return Outcome(True, {"ok": True, "address": address})


_TOOLS: dict[str, tuple[Callable[[TaskAttempt, dict[str, Any]], Outcome], Shape]] = {
    "noop": (_noop, _shape("Noop", message=_STRING)),
    "sleep": (_sleep, _shape("Sleep", duration_ms=_INT)),
    "shell": (
        _shell,
        _shape(
            "Shell",
            command=_STRING,
            args=(list, "[]string"),
            dir=_STRING,
            runner=_STRING,
            script=_STRING,
        ),
    ),
    "file": (_file, _shape("File", action=_STRING, path=_STRING, content=_STRING)),
    "http": (
        _http,
        _shape(
            "HTTP",
            url=_STRING,
            method=_STRING,
            headers=(dict, "map[string]string"),
            body=_STRING,
        ),
    ),
    "dns": (_dns, _shape("DNS", name=_STRING, record=_STRING)),
    "tcp": (_tcp, _shape("TCP", address=_STRING, timeout_ms=_INT)),
}
