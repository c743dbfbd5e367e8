"""The access log of fixtures survives a crash, and keeps forgotten scopes forgotten."""

from __future__ import annotations

from pathlib import Path

from fixtures_server.access import AccessLog


def serve(log: AccessLog, scope: str, path: str) -> None:
    token = log.begin(scope, {"at": 1.0, "path": path})
    log.finish(token, {"at": 1.0, "path": path, "status": 200, "duration_ms": 1})


def paths(log: AccessLog, scope: str) -> list[str]:
    return [entry["path"] for entry in log.of(scope)]


def test_the_log_survives_the_server_also_with_an_incomplete_last_line(tmp_path: Path) -> None:
    file = tmp_path / "access.jsonl"
    serve(AccessLog(file), "a", "/one")
    file.write_text(file.read_text() + '{"scope": "a", "pa')
    second = AccessLog(file)
    serve(second, "a", "/two")
    assert paths(AccessLog(file), "a") == paths(second, "a") == ["/one", "/two"]


def test_a_forgotten_scope_stays_forgotten_after_a_restart(tmp_path: Path) -> None:
    log = AccessLog(tmp_path / "access.jsonl")
    serve(log, "a", "/one")
    serve(log, "b", "/two")
    log.of("never heard of")
    log.forget("a")
    again = AccessLog(tmp_path / "access.jsonl")
    assert (paths(again, "a"), paths(again, "b")) == ([], ["/two"])


def test_a_request_without_an_answer_is_listed_with_status_zero(tmp_path: Path) -> None:
    log = AccessLog(None)
    log.begin("a", {"at": 0.0, "path": "/slow"})
    (entry,) = log.of("a")
    assert entry["status"] == 0
    assert entry["duration_ms"] > 1000
