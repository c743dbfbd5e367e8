"""Secrets of the user, at every place where a run meets them, are in nothing that it leaves behind."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml

from pytest_execgo.adapter.key_filter import KeyFilter
from pytest_execgo.emulators.httpd import Request, Response, json_response
from tests.conftest import ScenarioMaker
from tests.endpoints import serving
from tests.ids import readable
from tests.plugin.conftest import FRAMEWORK, LIVE, latest, trial

KEY = "sk-canary/42+of-the-user"
OTHER = "another-canary-of-the-user"
# A framework that reads the key by itself, and puts it into the plan.
GREEDY = f"import os\n{FRAMEWORK}".replace(
    '["message"]["content"]',
    '["message"]["content"].replace("KEY-OF-FRAMEWORK", os.environ["OPENAI_API_KEY"])',
)
# What a task of the runtime, and a shell task of ExecGo, can see of the variables of the user. grep
# does not find its own script.
LOOK = (
    'for file in /proc/self/environ "/proc/$PPID/environ"; do '
    'echo "read $(tr "\\0" "\\n" < $file | grep -c PATH=)"; '
    'tr "\\0" "\\n" < $file | grep -E "[O]PENAI_API|[A]NOTHER_SECRET"; done; echo seen-all'
)
LEAK = "cat ${workspace}/dotenv; cp ${workspace}/dotenv ${workspace}/out.txt; echo leaked"
# It runs in pytest, while the services run.
CHECKS = """
import os
from pathlib import Path

def children(pid):
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            text = (task / "children").read_text()
        except FileNotFoundError:  # The thread has ended meanwhile.
            continue
        for child in text.split():
            yield int(child)
            yield from children(int(child))

def no_process_has_them(view):
    found = list(children(os.getpid()))
    assert len(found) >= 3, found
    for pid in found:
        environment = Path(f"/proc/{pid}/environ").read_bytes()
        assert b"PATH=" in environment
        for name in (b"OPENAI_API_KEY", b"ANOTHER_SECRET"):
            assert name not in environment, Path(f"/proc/{pid}/cmdline").read_bytes()

def shows_the_key(view):
    print(os.environ["OPENAI_API_KEY"])
    raise AssertionError("expected " + os.environ["OPENAI_API_KEY"])
"""


def plan(folder: Path) -> str:
    """What the model answers: its tasks print what they find, and have the key themselves."""
    document = yaml.safe_load((folder / "plan.yaml").read_text())
    script = f"{LOOK}; {LEAK}; echo {KEY} {quote(KEY, safe='')} KEY-OF-FRAMEWORK"
    tasks = [
        {"id": "greet", "type": "shell", "params": {"script": LOOK}},
        {
            "id": "count",
            "type": "runtime",
            "input": {"execution": {"kind": "script", "script": script}},
        },
    ]
    document["stages"] = [{"stage_id": "all", "task_graph": {"tasks": tasks}}]
    return json.dumps({"stages": document["stages"]})


def canary_scenario(manifest: dict[str, Any]) -> None:
    manifest["prompts"] = {"user": "user.md"}
    manifest["workspace"] = "start"
    manifest["input"] = {"note": f"use {KEY}"}
    manifest["checks"] = [
        {"kind": "task", "task": "count", "status": "success"},
        {"kind": "value", "task": "greet", "path": "result.stdout", "contains": "seen-all"},
        {"kind": "value", "task": "count", "path": "result.stdout", "contains": "leaked"},
        {"kind": "python", "callable": "checks:no_process_has_them"},
        {"kind": "value", "task": "count", "path": "result.stdout", "equals": "other"},
        {"kind": "python", "callable": "checks:shows_the_key"},
    ]


class Endpoint:
    """Answers once with an error, then with the plan; each answer shows the key in several spellings."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.requests: list[Request] = []

    def __call__(self, request: Request) -> Response:
        self.requests.append(request)
        encoded = base64.b64encode(f"user:{KEY}".encode()).decode()
        headers = {"X-Key": KEY, "Content-Type": f"application/json; key={KEY}"}
        if len(self.requests) == 1:
            escaped = "".join(f"\\u{ord(char):04x}" for char in KEY)
            body = f'{{"error": {{"message": "{escaped} {encoded}"}}}}'
            return Response(429, body.encode(), None, {**headers, "Retry-After": "0"})
        answer = {
            "choices": [{"message": {"content": self.text}}],
            "echo": [request.headers["authorization"], encoded, quote(KEY, safe="")],
        }
        return Response(200, json_response(answer).body, None, headers)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs /proc of Linux")
def test_secrets_are_in_nothing_that_a_live_run_leaves_behind(
    pytester: pytest.Pytester, project: ScenarioMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("ANOTHER_SECRET", OTHER)
    pytester.makeconftest(GREEDY)
    folder = project("demo", manifest=canary_scenario)
    (folder / "start").mkdir(exist_ok=True)
    (folder / "start/dotenv").write_text(f"KEY={KEY}\n")
    (folder / "start" / f"named-{KEY.replace('/', '%2F')}").write_text("x")
    (folder / "start/link").symlink_to(f"../{KEY}")
    (folder / "user.md").write_text(f"My key is {KEY}, {quote(KEY, safe='')}.\n")
    (folder / "checks.py").write_text(CHECKS)
    endpoint = Endpoint(plan(folder))
    with serving(endpoint) as url:
        words = (*LIVE, "--execgo-model=m", f"--execgo-base-url={url}/v1", "--junitxml=junit.xml")
        result = pytester.runpytest_subprocess(*words, "-rA", "-vv", "-o", "junit_logging=all")
    result.assert_outcomes(failed=1)
    assert [r.headers["authorization"] for r in endpoint.requests] == [f"Bearer {KEY}"] * 2
    assert not any(KeyFilter(KEY).is_in(r.body.decode()) for r in endpoint.requests)

    checks = trial(pytester)["verdict"]["checks"]
    assert [check["ok"] for check in checks] == [True, True, True, True, False, False], checks
    stdout = checks[4]["got"]
    assert "KEY=[key]" in stdout
    assert "[key] [key] [key]" in stdout
    assert "read 0\nseen-all" not in stdout  # The environment of the parent is readable.

    (kept,) = (pytester.path / "reports/latest/trials").glob("*/workspace")
    assert [path.name for path in kept.iterdir()] == ["NOT_COPIED.txt"]
    assert "out.txt: contains the key of OPENAI_API_KEY" in (kept / "NOT_COPIED.txt").read_text()
    files = [path for path in (pytester.path / "reports").rglob("*") if path.is_file()]
    names = {path.name for path in files}
    assert {"events.ndjson", "timeline.jsonl", "adapter_trace.json", "plan.json"} <= names
    texts = {str(p): p.read_bytes().decode("latin-1") for p in (*files, Path("junit.xml"))}
    assert_free({**texts, "terminal": result.stdout.str() + result.stderr.str()})


def assert_free(texts: dict[str, str]) -> None:
    """No name and no text holds a secret."""
    for name, text in texts.items():
        assert not KeyFilter(KEY).is_in(text), name
        assert not KeyFilter(KEY).is_in(name)
        assert OTHER not in text, name


PERCENT = "".join(f"%{ord(char):02X}" for char in KEY)
BASE64 = base64.b64encode(f"me:{KEY}".encode()).decode().rstrip("=")
URLS = [
    (f"http://127.0.0.1:9/{quote(KEY)}/v1", "holds the key of OPENAI_API_KEY"),
    (f"http://127.0.0.1:9/{PERCENT}/v1", "holds the key of OPENAI_API_KEY"),
    (f"http://127.0.0.1:9/{BASE64}/v1", "holds the key of OPENAI_API_KEY"),
    (f"http://127.0.0.1:9/v1?key={KEY}", "holds the key of OPENAI_API_KEY"),
    (f"http://127.0.0.1:9/v1#{KEY}", "holds the key of OPENAI_API_KEY"),
    (f"http://{BASE64}@127.0.0.1:9/v1", "holds the key of OPENAI_API_KEY"),
    (f"http://me:{PERCENT}@127.0.0.1:9/v1", "holds the key of OPENAI_API_KEY"),
    (f"127.0.0.1:9/{KEY}", "holds the key of OPENAI_API_KEY"),
    (f"http://me:{OTHER}@127.0.0.1:9/v1", "holds a password"),
    (f"http//me:{OTHER}@127.0.0.1:9/v1", "expected a URL without user and password"),
    (f"http://127.0.0.1:9/v1?key={OTHER}", "no query"),
]


@pytest.mark.parametrize("source", ["--execgo-base-url", "OPENAI_BASE_URL"])
@pytest.mark.parametrize(("url", "expected"), URLS, ids=readable)
def test_a_secret_in_the_base_url_is_refused_without_showing_it(
    pytester: pytest.Pytester, tiny: Path, monkeypatch: pytest.MonkeyPatch,
    source: str, url: str, expected: str,
) -> None:  # fmt: skip
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    words = [*LIVE, "--execgo-model=m"]
    if source == "OPENAI_BASE_URL":
        monkeypatch.setenv(source, url)
    else:
        monkeypatch.setenv("OPENAI_BASE_URL", "http://127.0.0.1:9/v1")
        words.append(f"{source}={url}")
    result = pytester.runpytest(*words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    (line,) = [line for line in result.errlines if line]
    assert line.startswith(f"ERROR: execgo: {source}")
    assert expected in line
    assert_free({"terminal": result.stdout.str() + result.stderr.str()})
    assert not (pytester.path / "reports").exists()


@pytest.mark.parametrize(
    "words",
    [
        ("--execgo-model", KEY),
        ("--execgo-service-args", f"runtime='--token {KEY}'"),
        ("--execgo-framework", KEY),
        ("--execgo-temperature", KEY),
    ],
    ids=readable,
)
def test_the_key_in_another_option_is_refused_without_showing_it(
    pytester: pytest.Pytester, tiny: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, str]
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    url = "http://127.0.0.1:9/v1"
    result = pytester.runpytest(*LIVE, f"--execgo-base-url={url}", "--execgo-model=m", *words)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words[0] in result.stderr.str()
    assert_free({"terminal": result.stdout.str() + result.stderr.str()})
    assert not (pytester.path / "reports").exists()


def test_a_word_in_place_of_a_key_is_left_alone(
    pytester: pytest.Pytester, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "hello")
    pytester.runpytest_subprocess("--execgo-matrix").assert_outcomes(passed=1, skipped=1)
    assert "[key]" not in json.dumps(latest(pytester.path))
