"""The HTTP behaviour of the embedded engine, the runtime stub and fixtures, as clients see it."""

from __future__ import annotations

from collections.abc import Iterator
from time import monotonic, sleep
from typing import Any

import psutil
import pytest
import requests

from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from tests.ids import readable


@pytest.fixture(scope="module")
def fleet() -> Iterator[Fleet]:
    with Fleet(FleetSpec(), Registry.build().launchers) as running:
        yield running


class Api:
    """A client of one service."""

    def __init__(self, fleet: Fleet, service: str, prefix: str) -> None:
        self.base, self.prefix = fleet.url(service), prefix
        self.token = fleet.headers(service)

    def post(self, path: str, body: Any, **headers: str) -> requests.Response:
        return requests.post(
            self.base + path, json=body, headers={**self.token, **headers}, timeout=10
        )

    def get(self, path: str) -> requests.Response:
        return requests.get(self.base + path, headers=self.token, timeout=10)

    def ended(self, task_id: str) -> dict[str, Any]:
        deadline = monotonic() + 20
        while monotonic() < deadline:
            task: dict[str, Any] = self.get(f"{self.prefix}/{task_id}").json()
            if task["status"] in ("success", "failed", "skipped", "cancelled"):
                return task
            sleep(0.01)
        raise AssertionError(f"{task_id} never ended")


@pytest.fixture
def execgo(fleet: Fleet) -> Api:
    return Api(fleet, "execgo", "/tasks")


@pytest.fixture
def runtime(fleet: Fleet) -> Api:
    return Api(fleet, "runtime", "/api/v1/tasks")


def noop(name: str, *deps: str, **more: Any) -> dict[str, Any]:
    return {"id": name, "type": "noop", "depends_on": list(deps), **more}


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([], "task graph is empty"),
        ([{"type": "noop"}], "task id is required"),
        ([{"id": "a"}], 'task "a": type is required'),
        ([noop("a"), noop("a")], 'duplicate task id: "a"'),
        ([noop("a", "b")], 'task "a" depends on unknown task "b"'),
        ([noop("a", "a")], 'task "a" cannot depend on itself'),
        ([noop("a", "b"), noop("b", "a")], "cycle detected in task graph"),
        (
            [{"id": "a", "type": "warp"}],
            "unknown task type: warp (available: cli-skills, mcp, os, runtime)",
        ),
    ],
    ids=readable,
)
def test_an_invalid_graph_is_refused_with_the_message_of_execgo(
    execgo: Api, tasks: list[dict[str, Any]], message: str
) -> None:
    reply = execgo.post("/tasks", {"tasks": tasks})
    assert (reply.status_code, reply.json()) == (400, {"error": message})


def test_a_graph_runs_in_order_and_a_failure_skips_its_children(execgo: Api) -> None:
    fails = {"id": "g-b", "type": "os", "tool_name": "nope", "depends_on": ["g-a"]}
    graph = [noop("g-a"), fails, noop("g-c", "g-b"), noop("g-d", "g-c"), noop("g-e", "g-a")]
    reply = execgo.post("/tasks", {"tasks": graph})
    assert reply.status_code == 202
    assert reply.json() == {"accepted": 5, "task_ids": [task["id"] for task in graph]}
    states = {name: execgo.ended(name) for name in reply.json()["task_ids"]}
    assert [states[n]["status"] for n in states] == [
        "success",
        "failed",
        "skipped",
        "skipped",
        "success",
    ]
    assert states["g-c"]["error"] == "dependency g-b failed"
    assert states["g-d"]["error"] == "dependency g-c skipped"


def test_a_task_times_out_and_is_retried_with_backoff(execgo: Api) -> None:
    task = {
        "id": "t-slow",
        "type": "sleep",
        "params": {"duration_ms": 5000},
        "timeout": 20,
        "retry": 2,
    }
    began = monotonic()
    execgo.post("/tasks", {"tasks": [task]})
    ended = execgo.ended("t-slow")
    assert ended["runtime"]["attempt"] == 3
    assert ended["runtime"]["error"]["code"] == "timeout"
    assert monotonic() - began >= 0.3, "two pauses, 0.1 s and 0.2 s, are part of the contract"


def test_a_retry_of_a_runtime_task_fails_because_its_id_is_taken(execgo: Api, fleet: Fleet) -> None:
    """ExecGo sends the same id again, and the runtime refuses it, although the script would succeed."""
    flag = fleet.work_root / "flag"
    script = f"test -e {flag} && exit 0; touch {flag}; exit 1"
    task = {
        "id": "t-retry",
        "type": "runtime",
        "input": {"execution": {"kind": "script", "script": script}},
        "retry": 1,
    }
    execgo.post("/tasks", {"tasks": [task]})
    ended = execgo.ended("t-retry")
    assert ended["status"] == "failed"
    assert "already exists" in ended["error"]


def test_unknown_ids_and_routes_get_the_answers_of_execgo(execgo: Api) -> None:
    assert execgo.get("/tasks/missing").json() == {"error": "task not found: missing"}
    assert execgo.get("/nowhere").text == "404 page not found\n"
    refused = requests.put(f"{execgo.base}/tasks", headers=execgo.token, timeout=10)
    assert (refused.status_code, refused.headers["Allow"]) == (405, "GET, HEAD, POST")
    assert len(refused.headers["X-Trace-Id"]) == 16


def test_a_task_can_be_deleted(execgo: Api) -> None:
    execgo.post("/tasks", {"tasks": [noop("t-gone")]})
    url = f"{execgo.base}/tasks/t-gone"
    execgo.ended("t-gone")
    assert requests.delete(url, headers=execgo.token, timeout=10).status_code == 204
    assert execgo.get("/tasks/t-gone").status_code == 404


def test_metrics_count_the_tasks(execgo: Api) -> None:
    before = execgo.get("/metrics").json()
    execgo.post("/tasks", {"tasks": [noop("m-a"), noop("m-b", "m-a")]})
    execgo.ended("m-b")
    after = execgo.get("/metrics").json()
    assert after["tasks_total"] - before["tasks_total"] == 2
    assert after["tasks_succeeded"] - before["tasks_succeeded"] == 2


@pytest.mark.parametrize(
    ("input_", "message"),
    [
        ("", "input must be a JSON object: json: cannot unmarshal string into Go value of type "),
        ([], "input must be a JSON object: json: cannot unmarshal array into Go value of type "),
        ({}, "tool_name is required for mcp.call"),
        (None, "tool_name is required for mcp.call"),
    ],
    ids=readable,
)
def test_a_tool_name_is_looked_for_in_an_object_only(
    execgo: Api, input_: Any, message: str
) -> None:
    action = {"kind": "mcp.call", "input": input_}
    body = {"action_id": "i", "adapter": "codex", "action": action}
    reply = execgo.post("/adapters/translate", body)
    assert reply.status_code == 400
    assert reply.json()["error"].startswith(f"invalid adapter action: {message}")


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        ("runtime.command", {"program": "/bin/true", "args": []}),
        ("runtime.script", {"script": "true", "interpreter": []}),
    ],
    ids=readable,
)
def test_an_empty_list_of_an_action_stays(execgo: Api, kind: str, given: dict[str, Any]) -> None:
    action = {"kind": kind, "input": given}
    reply = execgo.post(
        "/adapters/translate", {"action_id": "i", "adapter": "codex", "action": action}
    )
    (task,) = reply.json()["task_graph"]["tasks"]
    assert task["input"]["execution"] == {"kind": kind.partition(".")[2], **given}


def submit(runtime: Api, task_id: str, script: str, **more: Any) -> dict[str, Any]:
    body = {"task_id": task_id, "execution": {"kind": "script", "script": script}, **more}
    reply = runtime.post("/api/v1/tasks", body)
    assert reply.status_code == 200, reply.text
    return runtime.ended(task_id)


@pytest.mark.parametrize(
    ("name", "script", "limits", "status", "code"),
    [
        ("r-ok", "echo hi", {}, "success", None),
        ("r-exit", "exit 3", {}, "failed", "exit_non_zero"),
        ("r-wall", "sleep 30", {"wall_time_ms": 50}, "failed", "timeout"),
        ("r-signal", "kill -9 $$", {}, "failed", "internal"),
        ("r-cpu", "while :; do :; done", {"cpu_time_sec": 1}, "failed", "cpu_limit_exceeded"),
    ],
    ids=readable,
)
def test_a_task_of_the_runtime_ends_with_status_and_code(
    runtime: Api, name: str, script: str, limits: Any, status: str, code: str | None
) -> None:
    ended = submit(runtime, name, script, limits=limits)
    assert ended["status"] == status
    assert ended.get("error", {}).get("code") == code


def test_output_is_truncated_at_the_limit(runtime: Api) -> None:
    ended = submit(runtime, "r-cut", "printf 123456", limits={"stdout_max_bytes": 4})
    assert (ended["stdout"], ended["stdout_truncated"]) == ("1234", True)


def test_a_child_in_the_background_lives_on_after_its_task_as_with_the_real_runtime(
    runtime: Api,
) -> None:
    ended = submit(runtime, "r-group", "sleep 61 & echo $!")
    assert ended["status"] == "success"
    child = int(ended["stdout"])
    assert _runs(child)
    psutil.Process(child).kill()


def test_a_task_that_is_killed_takes_its_children_along(runtime: Api) -> None:
    script = "sleep 62 & echo $!; wait"
    ended = submit(runtime, "r-tree", script, limits={"wall_time_ms": 200})
    assert ended["error"]["code"] == "timeout"
    # The kernel may need a moment to end a process after a signal.
    deadline = monotonic() + 5
    while _runs(int(ended["stdout"])):
        assert monotonic() < deadline
        sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def test_only_the_owner_may_kill_a_task(runtime: Api) -> None:
    body = {
        "task_id": "r-own",
        "execution": {"kind": "script", "script": "sleep 30"},
        "control_context": {"owner": "ada"},
    }
    runtime.post("/api/v1/tasks", body)
    refused = runtime.post("/api/v1/tasks/r-own/kill", None)
    assert refused.status_code == 403
    assert refused.json()["error"]["code"] == "permission_denied"
    runtime.post("/api/v1/tasks/r-own/kill", None, **{"x-execgo-owner": "ada"})
    assert runtime.ended("r-own")["status"] == "cancelled"


@pytest.mark.parametrize(
    ("body", "status", "text"),
    [
        ({"execution": {"kind": "command"}}, 400, "execution.program is required"),
        (
            {"task_id": "a/b", "execution": {"kind": "command", "program": "x"}},
            400,
            "may only contain",
        ),
        (
            {"task_id": "..", "execution": {"kind": "command", "program": "x"}},
            400,
            "may only contain",
        ),
        ({}, 422, "missing field `execution`"),
        ({"execution": {"kind": "dance"}}, 422, "unknown variant"),
    ],
    ids=readable,
)
def test_an_invalid_submission_is_refused(runtime: Api, body: Any, status: int, text: str) -> None:
    reply = runtime.post("/api/v1/tasks", body)
    assert reply.status_code == status
    assert text in reply.text


def test_an_id_can_be_used_once(runtime: Api) -> None:
    submit(runtime, "r-once", "exit 0")
    body = {"task_id": "r-once", "execution": {"kind": "script", "script": "exit 0"}}
    assert runtime.post("/api/v1/tasks", body).status_code == 409


def test_the_runtime_describes_itself(runtime: Api) -> None:
    base = "/api/v1/runtime"
    info, config = runtime.get(f"{base}/info").json(), runtime.get(f"{base}/config").json()
    assert info["version"] == "1.1.0"
    assert "stub" in info["implementation"]
    assert config["max_running_tasks"] == 4
    assert runtime.base.endswith(config["listen_addr"])
    found = runtime.get(f"{base}/capabilities").json()
    assert found["execution"] == {"command": True, "script": True, "process_group": True}
    assert found["resources"]["capacity"]["task_slots"] == 4
    assert runtime.get("/readyz").json() == {"status": "ready", "version": "1.1.0"}


def test_the_ledger_shows_reservations_of_running_tasks(runtime: Api) -> None:
    body = {"task_id": "r-led", "execution": {"kind": "script", "script": "sleep 30"}}
    runtime.post("/api/v1/tasks", {**body, "limits": {"memory_bytes": 1 << 30}})
    deadline = monotonic() + 20
    while runtime.get("/api/v1/tasks/r-led").json()["status"] != "running":
        assert monotonic() < deadline
        sleep(0.01)
    ledger = runtime.get("/api/v1/runtime/resources").json()
    assert [r["task_id"] for r in ledger["active_reservations"]] == ["r-led"]
    assert ledger["reserved"]["memory_bytes"] == 1 << 30
    assert ledger["available"]["task_slots"] == 3
    runtime.post("/api/v1/tasks/r-led/kill", None)
    runtime.ended("r-led")
    assert runtime.get("/api/v1/runtime/resources").json()["reserved"]["task_slots"] == 0


def test_events_follow_the_states_of_a_task(runtime: Api) -> None:
    submit(runtime, "r-events", "exit 3")
    events = runtime.get("/api/v1/tasks/r-events/events").json()
    assert [event["event_type"] for event in events] == [
        "submitted",
        "accepted",
        "planned",
        "resource_reserved",
        "started",
        "resource_released",
        "failed",
    ]
    numbers = [event["seq"] for event in events]
    assert numbers == sorted(numbers)
    assert runtime.get("/api/v1/tasks/missing/events").json() == []


def test_metrics_of_the_runtime_are_prometheus_text(runtime: Api) -> None:
    submit(runtime, "r-metric", "exit 0")
    reply = runtime.get("/metrics")
    assert reply.headers["Content-Type"] == "text/plain; version=0.0.4"
    assert 'execgo_runtime_tasks_total{status="success"}' in reply.text
    assert 'execgo_runtime_task_duration_ms_bucket{le="+Inf"}' in reply.text


def test_a_task_that_needs_more_memory_than_exists_is_refused(runtime: Api) -> None:
    body = {"execution": {"kind": "command", "program": "x"}, "limits": {"memory_bytes": 1 << 60}}
    reply = runtime.post("/api/v1/tasks", body)
    assert reply.status_code == 400
    assert reply.json()["error"]["code"] == "insufficient_resources"


def test_fixtures_separate_the_faults_and_logs_of_scopes(fleet: Fleet) -> None:
    base, token = fleet.url("fixtures"), fleet.headers("fixtures")
    fault = {"scope": "one", "effect": "error", "params": {"status": 500}, "times": 1}
    armed = requests.post(f"{base}/__control/faults", json=fault, headers=token, timeout=5)
    assert armed.status_code == 201
    codes = [
        requests.get(f"{base}/t/{scope}/advisories/yamlish", timeout=5).status_code
        for scope in ("two", "one", "one")
    ]
    assert codes == [200, 500, 200]
    url, scope = f"{base}/__control/access", {"scope": "one"}
    log = requests.get(url, params=scope, headers=token, timeout=5).json()
    assert [entry["status"] for entry in log["requests"]] == [500, 200]
    assert log["requests"][0]["sha256"] != log["requests"][0]["reference_sha256"]


def test_an_unknown_fixture_fault_is_refused(fleet: Fleet) -> None:
    fault = {"scope": "one", "effect": "eror"}
    url, token = f"{fleet.url('fixtures')}/__control/faults", fleet.headers("fixtures")
    reply = requests.post(url, json=fault, headers=token, timeout=5)
    assert reply.status_code == 400
    assert "allowed: error" in reply.json()["error"]
