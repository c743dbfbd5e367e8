"""The HTTP client for ExecGo against a small server, and the patience that the runner adds to it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from pytest_execgo.models.events import (
    EngineProtocolError,
    EngineReachable,
    EngineUnavailable,
    EngineUnreachable,
)
from pytest_execgo.models.task import Task, TaskGraph
from pytest_execgo.runner.client import (
    TRY_LATER,
    EngineError,
    ExecgoClient,
    ProtocolError,
    Rejected,
    Unavailable,
    Unreachable,
)
from pytest_execgo.runner.clock import SystemClock
from pytest_execgo.runner.engine import (
    RETRY_EVERY_SECONDS,
    EngineGone,
    PatientEngine,
    RestartWatch,
)
from pytest_execgo.transport.bounded import HttpAnswer
from pytest_execgo.transport.loopback import LoopbackServer
from tests.fakes import FakeClock, FakeFleet, RunnerWorld, graph_of, no_answer, refused, stage_of

TASK = {
    "id": "a",
    "type": "noop",
    "status": "success",
    "created_at": "2026-01-01T00:00:00Z",
    "updated_at": "2026-01-01T00:00:01Z",
}

NOT_JSON = "not JSON (Expecting value at character 0)"


class ScriptedServer:
    """Answers each request with ``status`` and ``body``, and keeps the requests, with the ports of the
    client.

    Status 0 closes the connection without an answer; status -1 does not answer until the test ends.
    """

    def __init__(self) -> None:
        self.status = 200
        self.body: Any = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.ports: list[int] = []
        self.end = threading.Event()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        """The class for one server."""
        script = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def answer(self) -> None:
                length = int(self.headers.get("Content-Length") or 0)
                body = self.rfile.read(length)
                script.requests.append((self.command, self.path, json.loads(body or "null")))
                script.ports.append(self.client_address[1])
                if script.status <= 0:
                    if script.status:
                        script.end.wait(5)
                    self.close_connection = True
                    return
                text = script.body if isinstance(script.body, str) else json.dumps(script.body)
                content = text.encode("utf-8", "surrogatepass")
                self.send_response(script.status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_DELETE = answer

            def log_message(self, *args: Any) -> None:
                pass

        return Handler


@pytest.fixture
def script() -> ScriptedServer:
    return ScriptedServer()


@pytest.fixture
def client(script: ScriptedServer) -> Iterator[ExecgoClient]:
    with LoopbackServer(script.handler()) as server:
        with ExecgoClient(server.url + "/", timeout=5) as client:
            yield client
        script.end.set()


# -- requests and answers


def test_submission_sends_the_graph_and_returns_the_accepted_ids(
    client: ExecgoClient, script: ScriptedServer
) -> None:
    script.status, script.body = 202, {"task_ids": ["a", 7]}
    graph = TaskGraph(tasks=(Task(id="a", type="noop", params={"x": 1}),))
    assert client.submit(graph) == ["a", "7"]
    sent = {"tasks": [{"id": "a", "type": "noop", "params": {"x": 1}}]}
    assert script.requests == [("POST", "/tasks", sent)]


def test_a_submission_uses_a_new_connection_and_other_requests_the_open_one(
    client: ExecgoClient, script: ScriptedServer
) -> None:
    script.status, script.body = 202, {"accepted": 1, "task_ids": ["a"]}
    client.submit(graph_of("a"))
    client.submit(graph_of("a"))
    script.status, script.body = 200, TASK
    client.get("a")
    client.get("a")
    first, second, *others = script.ports
    assert first != second
    assert others == [second, second]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"error": "cycle detected"}, "cycle detected"),
        ({"error": "x" * 600}, "x" * 500),
        ({"detail": "other"}, '{"detail": "other"}'),
        ("no JSON", "no JSON"),
        ([1], "[1]"),
    ],
    ids=["error", "long", "other_member", "text", "list"],
)
def test_refusal_carries_the_text_of_execgo(
    client: ExecgoClient, script: ScriptedServer, body: Any, message: str
) -> None:
    script.status, script.body = 400, body
    with pytest.raises(Rejected) as refusal:
        client.submit(graph_of("a"))
    assert (refusal.value.http_status, refusal.value.message) == (400, message)
    assert str(refusal.value) == message


@pytest.mark.parametrize("status", [200, 204, 302])
def test_any_other_status_is_neither_an_acceptance_nor_a_refusal(
    client: ExecgoClient, script: ScriptedServer, status: int
) -> None:
    script.status, script.body = status, "" if status == 204 else {"task_ids": ["a"]}
    with pytest.raises(ProtocolError, match=f"^POST /tasks: status {status}: "):
        client.submit(graph_of("a"))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({"task_ids": "a"}, """POST /tasks: 202 without task_ids: '{"task_ids": "a"}'"""),
        ({}, "POST /tasks: 202 without task_ids: '{}'"),
        ("text", f"POST /tasks: status 202: {NOT_JSON}: 'text'"),
        ([], "POST /tasks: status 202 without a JSON object: '[]'"),
        ("x" * 120, f"POST /tasks: status 202: {NOT_JSON}: '{'x' * 120}'"),
        ("x" * 121, f"POST /tasks: status 202: {NOT_JSON}: '{'x' * 117}...'"),
    ],
    ids=["no_list", "absent", "text", "list", "short_enough", "too_long"],
)
def test_acceptance_without_ids_breaks_the_contract(
    client: ExecgoClient, script: ScriptedServer, body: Any, message: str
) -> None:
    script.status, script.body = 202, body
    with pytest.raises(ProtocolError) as error:
        client.submit(graph_of("a"))
    assert str(error.value) == message


def test_task_comes_typed_and_as_it_was_sent(client: ExecgoClient, script: ScriptedServer) -> None:
    script.body = TASK | {"new_member": "\ud800"}
    seen = client.get("a/b c")
    assert seen is not None
    assert (seen.task.id, seen.task.status, seen.task.terminal) == ("a", "success", True)
    # A lone surrogate, which no file in UTF-8 can hold, is replaced byte by byte.
    assert seen.raw == TASK | {"new_member": "\ufffd" * 3}
    assert script.requests == [("GET", "/tasks/a%2Fb%20c", None)]


def test_unknown_task_is_none(client: ExecgoClient, script: ScriptedServer) -> None:
    script.status, script.body = 404, {"error": "not found"}
    assert client.get("a") is None


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (500, "oops", "GET /tasks/a: status 500: 'oops'"),
        (200, "oops", f"GET /tasks/a: status 200: {NOT_JSON}: 'oops'"),
        (200, {"id": "a", "type": "noop"}, "GET /tasks/a: status: this key is required"),
        (
            200,
            TASK | {"runtime": {"error": 1}},
            "GET /tasks/a: runtime.error: must be a mapping, got 1",
        ),
    ],
    ids=["status", "no_json", "member_missing", "nested_member"],
)
def test_task_that_breaks_the_contract_is_named(
    client: ExecgoClient, script: ScriptedServer, status: int, body: Any, message: str
) -> None:
    script.status, script.body = status, body
    with pytest.raises(ProtocolError) as error:
        client.get("a")
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("status", sorted(TRY_LATER))
def test_status_that_asks_to_try_again_is_neither_a_refusal_nor_a_broken_contract(
    client: ExecgoClient, script: ScriptedServer, status: int
) -> None:
    script.status, script.body = status, "<html>Bad Gateway</html>"
    for request in (
        lambda: client.submit(graph_of("a")),
        lambda: client.get("a"),
        lambda: client.delete("a"),
        client.health,
    ):
        with pytest.raises(Unavailable, match=f"status {status}: '<html>") as later:
            request()
        assert (later.value.http_status, later.value.retry_after) == (status, None)
        assert later.value.undecided == (status in (502, 504))


@pytest.mark.parametrize(
    ("text", "least", "most"),
    [("3", 3, 3), (" 0 ", 0, 0), ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
     ("Fri, 31 Dec 9999 23:59:59 GMT", 1e9, 1e12)],
    ids=["seconds", "none", "date in the past", "date in the future"],
)  # fmt: skip
def test_time_to_wait_is_read_from_the_answer(text: str, least: float, most: float) -> None:
    seconds = HttpAnswer("GET /", 503, "", b"", text).retry_after_seconds
    assert seconds is not None
    assert least <= seconds <= most


@pytest.mark.parametrize(
    "text",
    ["", "soon", "-1", "1.5", "\u0663", "9" * 400, "Wed, 99 Foo 2015", "21 Oct 2015 07:28:00"],
)
def test_other_texts_name_no_time_to_wait(text: str) -> None:
    assert HttpAnswer("GET /", 503, "", b"", text).retry_after_seconds is None


def test_deletion_reports_whether_there_was_a_record(
    client: ExecgoClient, script: ScriptedServer
) -> None:
    script.status = 404
    assert not client.delete("a/b c")
    script.status, script.body = 204, ""
    assert client.delete("a/b c")
    assert script.requests == [("DELETE", "/tasks/a%2Fb%20c", None)] * 2


def test_health_and_metrics_are_objects(client: ExecgoClient, script: ScriptedServer) -> None:
    script.body = {"status": "ok"}
    assert client.health() == {"status": "ok"}
    assert client.metrics() == {"status": "ok"}
    assert [request[:2] for request in script.requests] == [("GET", "/health"), ("GET", "/metrics")]


def test_proxy_of_the_environment_is_not_used(
    client: ExecgoClient, script: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    script.body = {"status": "ok"}
    assert client.health() == {"status": "ok"}


# -- no answer


def test_closed_connection_may_have_delivered_the_request(
    client: ExecgoClient, script: ScriptedServer
) -> None:
    script.status = 0
    with pytest.raises(Unreachable) as error:
        client.submit(graph_of("a"))
    reason = "the connection was closed without an answer"
    assert str(error.value) == f"POST {client.base_url}/tasks: {reason}"
    assert not error.value.refused


@pytest.mark.parametrize("per_call", [True, False], ids=["per_call", "default"])
def test_hanging_server_is_given_up_after_the_timeout(
    client: ExecgoClient, script: ScriptedServer, per_call: bool
) -> None:
    # The server closes the connection after 5 s, which would be another message.
    script.status = -1
    client.timeout = 60 if per_call else 0.05
    timeout = 0.05 if per_call else None
    requests: list[tuple[str, Callable[[], object]]] = [
        ("GET", lambda: client.get("a", timeout=timeout)),
        ("POST", lambda: client.submit(graph_of("a"), timeout=timeout)),
        ("DELETE", lambda: client.delete("a", timeout=timeout)),
    ]
    for method, send in requests:
        with pytest.raises(Unreachable) as error:
            send()
        path = "/tasks" if method == "POST" else "/tasks/a"
        assert str(error.value) == f"{method} {client.base_url}{path}: no answer in time"
        assert not error.value.refused


def test_refused_connection_has_certainly_not_delivered_the_request() -> None:
    with LoopbackServer(BaseHTTPRequestHandler) as server:
        url = server.url
    with ExecgoClient(url) as client, pytest.raises(Unreachable) as error:
        client.get("a")
    assert str(error.value) == f"GET {url}/tasks/a: connection refused"
    assert error.value.refused


def test_url_that_is_not_http_is_named() -> None:
    with ExecgoClient("ftp://127.0.0.1") as client, pytest.raises(Unreachable) as error:
        client.health()
    assert str(error.value) == "GET ftp://127.0.0.1/health: not the URL of a service"


def test_default_timeout_is_ten_seconds() -> None:
    with ExecgoClient("http://127.0.0.1:9") as client:
        assert client.timeout == 10


# -- patience


@pytest.fixture
def world() -> RunnerWorld:
    return RunnerWorld()


def patient(world: RunnerWorld, deadline: float = 60) -> PatientEngine:
    return PatientEngine(world.tools, world.restarts, "s", deadline)


def test_first_answer_is_returned_without_an_event(world: RunnerWorld) -> None:
    engine = patient(world)
    engine.submit(graph_of("run.s.a"))
    seen = engine.get("run.s.a")
    assert seen is not None
    assert seen.task.status == "success"
    assert engine.get("run.s.other") is None
    assert world.recorder.events == []


@pytest.mark.parametrize(
    ("now", "timeout"),
    [(0, 10), (50, 10), (55, 5), (59, 1), (59.5, 1), (60, 1), (60.75, 0.25)],
    ids=["start", "ten_left", "five_left", "one_left", "less_left", "deadline", "last_look"],
)
def test_timeout_is_bounded_by_the_deadline(world: RunnerWorld, now: float, timeout: float) -> None:
    world.clock.advance(now)
    engine = patient(world, deadline=60)
    engine.submit(graph_of("run.s.a"))
    engine.get("run.s.a")
    assert [request.timeout for request in world.engine.requests] == [timeout, timeout]


def test_no_request_is_sent_when_the_last_look_is_over(world: RunnerWorld) -> None:
    world.clock.advance(61)
    engine = patient(world, deadline=60)
    assert engine.time_is_up()
    with pytest.raises(EngineGone, match="the deadline of the stage has passed"):
        engine.get("run.s.a")
    assert world.engine.requests == []


def test_one_answer_that_is_cut_off_is_an_outage(world: RunnerWorld) -> None:
    cut_off = Unreachable("cut off", refused=False, cut_off=True)
    world.engine.submissions = [cut_off, cut_off, refused(), cut_off, cut_off]
    patient(world).submit(graph_of("run.s.a"))
    assert world.recorder.of(EngineProtocolError) == []


def test_three_answers_in_a_row_that_are_cut_off_break_the_contract(world: RunnerWorld) -> None:
    cut_off = Unreachable("cut off", refused=False, cut_off=True)
    engine = patient(world)
    engine.submit(graph_of("run.s.a"))
    world.engine.script("a", cut_off)
    with pytest.raises(ProtocolError):
        engine.get("run.s.a")
    problem = world.recorder.the(EngineProtocolError)
    assert problem.message == "cut off (3 times in a row)"


def test_timeout_shrinks_while_execgo_is_unreachable(world: RunnerWorld) -> None:
    world.engine.submissions = [refused(), refused()]
    patient(world, deadline=2).submit(graph_of("run.s.a"))
    assert [request.timeout for request in world.engine.requests] == [2, 1.98, 1.96]


def test_a_submission_that_is_lost_again_and_again_is_repeated_less_often(
    world: RunnerWorld,
) -> None:
    """ExecGo answers all other requests, as behind something that ends open connections."""
    world.engine.submissions = [Unreachable("reset", refused=False) for _ in range(6)]
    patient(world).submit(graph_of("run.s.a"))
    pauses = [pause for pause in world.clock.sleeps if pause != RETRY_EVERY_SECONDS]
    assert pauses == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]


def test_no_pause_lasts_longer_than_the_stage(world: RunnerWorld) -> None:
    world.engine.submissions = [Unreachable("reset", refused=False) for _ in range(60)]
    with pytest.raises(EngineGone):
        patient(world, deadline=3).submit(graph_of("run.s.a"))
    assert world.clock.monotonic() == pytest.approx(3, abs=0.1)


def test_outage_is_recorded_once_with_its_first_message(world: RunnerWorld) -> None:
    messages = ["first", "second", "third"]
    world.engine.submissions = [Unreachable(text, refused=True) for text in messages]
    patient(world).submit(graph_of("run.s.a"))
    problem = world.recorder.the(EngineUnreachable)
    assert (problem.stage_id, problem.message) == ("s", "first")
    assert world.recorder.the(EngineReachable).stage_id == "s"
    assert world.clock.sleeps == [0.02, 0.02, 0.02]


def test_patience_ends_when_execgo_will_not_return(world: RunnerWorld) -> None:
    world.fleet.returning = False
    world.engine.submissions = [no_answer()]
    with pytest.raises(EngineGone, match=r"^connection closed$"):
        patient(world).submit(graph_of("run.s.a"))
    assert world.fleet.asked == ["execgo"]
    assert world.clock.sleeps == []


def test_patience_ends_at_the_deadline(world: RunnerWorld) -> None:
    world.engine.submissions = [refused()] * 10
    with pytest.raises(EngineGone, match=r"^connection refused$"):
        patient(world, deadline=0.04).submit(graph_of("run.s.a"))
    assert world.clock.seconds == 0.04


def test_broken_contract_is_recorded_and_raised(world: RunnerWorld) -> None:
    world.engine.submissions = [ProtocolError("bad")]
    with pytest.raises(ProtocolError, match=r"^bad$"):
        patient(world).submit(graph_of("run.s.a"))
    problem = world.recorder.the(EngineProtocolError)
    assert (problem.stage_id, problem.message) == ("s", "bad")


def test_refusal_is_passed_on(world: RunnerWorld) -> None:
    world.engine.submissions = [Rejected(400, "no")]
    with pytest.raises(Rejected, match=r"^no$"):
        patient(world).submit(graph_of("run.s.a"))
    assert world.recorder.events == []


def test_every_error_of_the_engine_has_one_base() -> None:
    for kind in (EngineGone, Unreachable, Unavailable, ProtocolError, Rejected):
        assert issubclass(kind, EngineError)


# -- answers that ask to try again later


def put_off(status: int = 502, retry_after: float | None = None) -> Unavailable:
    return Unavailable(f"status {status}", status, retry_after)


def test_poll_is_repeated_until_execgo_is_available(world: RunnerWorld) -> None:
    world.engine.script("a", "running", put_off(), put_off(429), put_off(503), "success")
    assert world.run_stage(stage_of("a")) == "succeeded"
    event = world.recorder.the(EngineUnavailable)
    assert (event.http_status, event.message) == (502, "status 502")
    assert world.recorder.of(EngineProtocolError) == []
    assert world.recorder.types().count("engine_reachable") == 1


def test_pauses_grow_up_to_a_second_and_begin_anew_after_an_answer(world: RunnerWorld) -> None:
    engine = patient(world)
    engine.submit(graph_of("run.s.a"))
    world.engine.script("a", *[put_off()] * 6, "running", put_off(), "success")
    engine.get("run.s.a")
    assert world.clock.sleeps == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    engine.get("run.s.a")
    assert world.clock.sleeps[6:] == [0.1]


def test_time_that_the_answer_asks_for_is_waited(world: RunnerWorld) -> None:
    world.engine.submissions = [put_off(429, 7.0), put_off(503, 0.01)]
    patient(world, deadline=60).submit(graph_of("run.s.a"))
    assert world.clock.sleeps == [7.0, 0.2]


@pytest.mark.parametrize("retry_after", [None, 1e12])
def test_engine_that_stays_unavailable_is_awaited_until_the_deadline(
    world: RunnerWorld, retry_after: float | None
) -> None:
    world.engine.script("a", put_off(503, retry_after))
    assert world.run_stage(stage_of("a", deadline_ms=5000)) == "unreachable"
    assert world.clock.seconds == 5
    assert world.recorder.the(EngineUnavailable).http_status == 503


@pytest.mark.parametrize(("status", "asks_first"), [(502, True), (504, True), (429, False)])
def test_graph_is_not_sent_twice_when_a_gateway_lost_the_answer(
    world: RunnerWorld, status: int, asks_first: bool
) -> None:
    world.engine.submissions = [put_off(status)]
    patient(world).submit(graph_of("run.s.a"))
    methods = [request.method for request in world.engine.requests]
    assert methods == (["POST", "GET", "POST"] if asks_first else ["POST", "POST"])


def test_graph_that_a_gateway_passed_on_is_not_sent_again(world: RunnerWorld) -> None:
    submit = world.engine.submit

    def accepted_behind_the_gateway(graph: TaskGraph, *, timeout: float | None = None) -> list[str]:
        submit(graph, timeout=timeout)
        raise put_off(504)

    world.engine.submit = accepted_behind_the_gateway  # type: ignore[method-assign]
    patient(world).submit(graph_of("run.s.a"))
    assert [request.method for request in world.engine.requests] == ["POST", "GET"]


# -- restarts


def test_restart_is_returned_once_and_only_after_a_second() -> None:
    clock, fleet = FakeClock(), FakeFleet()
    watch = RestartWatch(fleet, clock)
    fleet.process_id = 2
    assert watch.take_restart() is None
    watch.check()
    detected = clock.now()
    clock.advance(0.999)
    assert watch.take_restart() is None
    clock.advance(0.001)
    assert watch.take_restart() == detected
    assert watch.take_restart() is None
    # The new identity is known now.
    watch.check()
    clock.advance(2)
    assert watch.take_restart() is None


def test_same_process_is_not_a_restart() -> None:
    clock, fleet = FakeClock(), FakeFleet()
    watch = RestartWatch(fleet, clock)
    watch.check()
    clock.advance(2)
    assert watch.take_restart() is None


def test_identity_is_compared_when_execgo_answers_again(world: RunnerWorld) -> None:
    world.fleet.process_id = 2
    engine = patient(world)
    engine.submit(graph_of("run.s.a"))
    world.clock.advance(2)
    assert world.restarts.take_restart() is None
    world.engine.submissions = [refused()]
    engine.submit(graph_of("run.s.b"))
    world.clock.advance(2)
    assert world.restarts.take_restart() is not None


# -- the clock of this machine


def test_system_clock_measures_sleep() -> None:
    clock = SystemClock()
    began, wall = clock.monotonic(), clock.now()
    clock.sleep(0.001)
    assert clock.monotonic() - began >= 0.001
    assert clock.now() > wall
    assert str(wall.tzinfo) == "UTC"
