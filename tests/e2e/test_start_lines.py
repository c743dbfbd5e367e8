"""The embedded services start with the lines and variables that the documents of the real ones show."""

from __future__ import annotations

from pathlib import Path

import pytest
import requests

from tests.processes import started


@pytest.mark.parametrize(
    ("words", "environment"),
    [
        (
            "-addr 127.0.0.1:0 -grpc-addr :0 -data-dir data -max-concurrency 20 -shutdown-timeout 30",
            {},
        ),
        ("--addr [::1]:0", {}),
        ("", {"EXECGO_ADDR": "127.0.0.1:0", "EXECGO_DATA_DIR": "", "EXECGO_MAX_CONCURRENCY": ""}),
    ],
)
def test_execgo_starts(tmp_path: Path, words: str, environment: dict[str, str]) -> None:
    module = "pytest_execgo.emulators.execgo"
    with started(module, tmp_path, *words.split(), **environment) as ready:
        assert requests.get(f"{ready['url']}/health", timeout=10).json()["status"] == "ok"
    assert [path.name for path in tmp_path.iterdir()] == ["data"]


def test_the_runtime_starts_with_the_flags_of_the_real_one(tmp_path: Path) -> None:
    words = (
        "serve --listen-addr 127.0.0.1:0 --data-dir d --dispatch-poll-interval-ms 100 "
        "--gc-interval-ms 10000 --runtime-id mine --default-capability-mode strict "
        "--capacity-memory-bytes 1000000000 --capacity-pids 50 --disable-cgroup"
    )
    with started("pytest_execgo.emulators.runtime", tmp_path, *words.split()) as ready:
        base = f"{ready['url']}/api/v1"
        info = requests.get(f"{base}/runtime/info", timeout=10).json()
        assert info["runtime_id"] == "mine"
        capacity = requests.get(f"{base}/runtime/resources", timeout=10).json()["capacity"]
        assert capacity == {"task_slots": 4, "memory_bytes": 1_000_000_000, "pids": 50}
        task = {
            "execution": {"kind": "command", "program": "/bin/true"},
            "sandbox": {"profile": "linux_sandbox"},
        }
        refused = requests.post(f"{base}/tasks", json=task, timeout=10)
        assert refused.json()["error"]["code"] == "unsupported_capability"
        task["policy"] = {}
        assert requests.post(f"{base}/tasks", json=task, timeout=10).status_code == 200
