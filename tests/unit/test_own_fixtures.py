"""The folder ``fixtures`` of a scenario: what is served, and one line for each mistake."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest

from fixtures_server.faults import wrong_value
from fixtures_server.routes import RouteBook
from pytest_execgo.emulators.httpd import Response
from pytest_execgo.errors import UsageError
from pytest_execgo.models.events import FixtureRequest
from pytest_execgo.scenario import own_fixtures
from pytest_execgo.scenario.own_fixtures import load_fixtures


def make(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / "fixtures" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return folder


def served(folder: Path) -> dict[tuple[str, str], dict[str, Any]]:
    found = load_fixtures(folder)
    assert found is not None
    return {(route["method"], route["path"]): route for route in found.as_json()}


def routes(text: str) -> dict[str, str | bytes]:
    return {"routes.yaml": f'schema_version: "1"\nroutes:\n{text}'}


def test_a_scenario_without_the_folder_has_no_fixtures(tmp_path: Path) -> None:
    assert load_fixtures(tmp_path) is None


def test_each_file_is_served_at_its_path_with_its_type(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "rates.json": "{}", "a/b.txt": "hello", "logo.png": b"\x89PNG", "data.unknown": b"\x00",
        ".hidden": "", "config.yaml": "a: 1",
    }  # fmt: skip
    found = served(make(tmp_path, files))
    assert {path: route["content_type"] for (_, path), route in found.items()} == {
        "/rates.json": "application/json",
        "/a/b.txt": "text/plain; charset=utf-8",
        "/logo.png": "image/png",
        "/data.unknown": "application/octet-stream",
        "/config.yaml": "application/yaml",
    }
    assert base64.b64decode(found["GET", "/logo.png"]["body"]) == b"\x89PNG"


def test_routes_have_a_status_headers_a_delay_a_method_and_a_body(tmp_path: Path) -> None:
    text = (
        "  - { path: /orders, method: POST, status: 201, headers: { X-A: b }, delay_ms: 5,"
        " json: { id: 1 } }\n"
        "  - { path: /orders, text: none }\n"
        "  - { path: /page, file: page.html }\n"
        "  - { path: /gone, status: 410 }\n"
    )
    found = served(make(tmp_path, {**routes(text), "page.html": "<p>"}))
    posted = found["POST", "/orders"]
    assert (posted["status"], posted["headers"], posted["delay_ms"]) == (201, {"X-A": "b"}, 5)
    assert base64.b64decode(posted["body"]) == b'{"id": 1}'
    assert posted["content_type"] == "application/json"
    assert base64.b64decode(found["GET", "/orders"]["body"]) == b"none"
    assert found["GET", "/page"]["content_type"] == "text/html; charset=utf-8"
    assert found["GET", "/page.html"]["body"] == found["GET", "/page"]["body"]
    assert found["GET", "/gone"]["body"] == ""


def test_a_route_replaces_the_file_at_its_path(tmp_path: Path) -> None:
    text = "  - { path: /rates.json, status: 404, file: rates.json }\n"
    found = served(make(tmp_path, {**routes(text), "rates.json": "{}"}))
    assert found["GET", "/rates.json"]["status"] == 404
    assert len(found) == 1


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("  - { path: rates }", ":3: routes[0].path: must begin with '/'"),
        ("  - { path: /a?b }", "routes[0].path: must begin with '/' and have no '?'"),
        ("  - { path: /model/v1 }", "/model/ belongs to the scripted model"),
        ("  - { path: /a, method: get }", "routes[0].method: got 'get' (allowed: GET, POST"),
        ("  - { path: /a, status: 42 }", "routes[0].status: must be at least 200, got 42"),
        ("  - { path: /a, text: a, json: 1 }", "give one of json, text and file"),
        ("  - { path: /a, file: nope.json }", ":3: routes[0].file: no such file: nope.json"),
        ("  - { path: /a, file: ../x }", "routes[0].file: must be in fixtures/, got '../x'"),
        ("  - { path: /a }\n  - { path: /a }", ":4: routes[1].path: GET /a is given twice"),
        ("  - { path: /a, headers: { Content-Type: b } }", "use content_type for the type"),
        ("  - { path: /a, headers: { X: \"a\\nb\" } }", "is not a header of HTTP"),
        ("  - { path: /a, delay: 5 }", "routes[0].delay: unknown key; did you mean 'delay_ms'?"),
    ],
)  # fmt: skip
def test_a_mistake_in_the_routes_is_one_line(tmp_path: Path, text: str, complaint: str) -> None:
    make(tmp_path, routes(f"{text}\n"))
    with pytest.raises(UsageError) as caught:
        load_fixtures(tmp_path)
    assert complaint in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_whose_name_no_url_has_is_named(tmp_path: Path) -> None:
    make(tmp_path, {"a b#c.txt": "x"})
    with pytest.raises(UsageError, match=r"a b#c\.txt: cannot be served: its path must begin"):
        load_fixtures(tmp_path)


def test_content_beyond_the_limit_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_fixtures, "LARGEST_FIXTURES", 1_000_000)
    make(tmp_path, {"a.bin": b"a" * 600_000, "b.bin": b"b" * 600_000})
    with pytest.raises(UsageError, match="more than 1 MB of content in all"):
        served(tmp_path)


# -- at the server

ROUTE = {"path": "/a", "body": base64.b64encode(b"hello").decode(), "content_type": "text/plain"}


def test_routes_belong_to_their_scopes_and_survive_a_restart(tmp_path: Path) -> None:
    book = RouteBook(tmp_path / "routes")
    book.set({"scopes": ["t", "t.second-look"], "routes": [ROUTE, {**ROUTE, "method": "PUT"}]})
    for one in (book, RouteBook(tmp_path / "routes")):
        found = one.find("t.second-look", "GET", "/a")
        assert found is not None
        assert (found[0].body, found[0].content_type) == (b"hello", "text/plain")
        assert one.find("other", "GET", "/a") is None
        refused = one.find("t", "POST", "/a")
        assert refused is not None
        assert (refused[0].status, refused[0].headers["Allow"]) == (405, "GET, PUT")
    book.forget("t")
    assert book.find("t", "GET", "/a") is None
    assert book.find("t.second-look", "GET", "/a") is None
    assert RouteBook(tmp_path / "routes").find("t", "GET", "/a") is None


@pytest.mark.parametrize(
    "wanted",
    [
        None, {}, {"scopes": [], "routes": []}, {"scopes": [1], "routes": []},
        {"scopes": ["t"], "routes": [1]}, {"scopes": ["t"], "routes": [{"path": 1}]},
        {"scopes": ["t"], "routes": [{**ROUTE, "body": "!"}]},
        {"scopes": ["t"], "routes": [{**ROUTE, "other": 1}]},
        {"scopes": ["t"], "routes": [{**ROUTE, "status": True}]},
    ],
)  # fmt: skip
def test_the_server_refuses_another_shape(wanted: Any) -> None:
    with pytest.raises(ValueError):
        RouteBook().set(wanted)


def test_a_false_value_changes_text_and_bytes_too() -> None:
    def changed(body: bytes) -> bytes:
        return wrong_value(Response(200, body), {}).body

    assert changed(b"rate 1.5") == b"rate 2.6"
    assert changed(b"\xff\x00") == b"\xfe\x01"
    assert changed(b'{"rate": 1}') == b'{"rate": 2}'


def test_a_delay_of_the_scenario_is_not_slow() -> None:
    slow = {"method": "GET", "path": "/", "status": 200, "duration_ms": 1010}
    assert FixtureRequest.model_validate({**slow, "at_ms": 1}).slow
    assert not FixtureRequest.model_validate({**slow, "at_ms": 1, "delay_ms": 1000}).slow
