"""A key of the user is in no artifact, no log, no output and no process of a task."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_execgo.emulators.httpd import Request, Response
from tests.endpoints import serving
from tests.plugin.conftest import KEY, LIVE, latest

OTHER_SECRET = "another-canary-of-the-user-7"
LOOK_AROUND = """
import os
print(sorted(os.environ))
for pid in (os.getpid(), os.getppid()):
    try:
        print(open(f"/proc/{pid}/environ", errors="replace").read())
    except OSError as error:
        print(error)
"""


def spying_plan(folder: Path) -> dict[str, Any]:
    """The plan of the scenario, with tasks that print what they can see of the environment."""
    plan = yaml.safe_load((folder / "plan.yaml").read_text())
    runtime = {"kind": "script", "interpreter": ["${python}"], "script": LOOK_AROUND}
    plan["stages"][0]["task_graph"]["tasks"] += [
        {"id": "spy", "type": "runtime", "input": {"execution": runtime}},
        {"id": "shell", "type": "shell", "params": {"script": "env; cat /proc/$PPID/environ"}},
        {"id": "echo", "type": "runtime", "annotations": {"note": KEY},
         "input": {"execution": {"kind": "command", "program": "/bin/echo", "args": [KEY]}}},
    ]  # fmt: skip
    return {"stages": plan["stages"]}


def spelled(text: str, how: str) -> str:
    """A JSON text in which the key is spelled as it is, or with escapes."""
    if how == "plain":
        return text
    escaped = "".join(f"\\u{ord(char):04x}" for char in KEY)
    return text.replace(KEY, escaped.upper().replace("\\U", "\\u") if how == "upper" else escaped)


def traces(folder: Path, secret: str) -> list[str]:
    """The files below ``folder`` that hold ``secret``."""
    files = [path for path in folder.rglob("*") if path.is_file() and not path.is_symlink()]
    return [str(path) for path in files if secret.encode() in path.read_bytes()]


@pytest.mark.parametrize("how", ["plain", "escaped", "upper"])
def test_a_key_is_nowhere(
    pytester: pytest.Pytester, tiny: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    monkeypatch.setenv("DEPLOY_TOKEN", OTHER_SECRET)
    prompt = tiny / "prompts/user.md"
    prompt.write_text(f"{prompt.read_text()}\nMy key is {KEY}.\n")
    plan = spelled(json.dumps(spying_plan(tiny)), how)
    asked: list[str] = []

    def answer(request: Request) -> Response:
        assert request.headers["authorization"] == f"Bearer {KEY}"
        asked.append(request.body.decode())
        message = {"choices": [{"message": {"role": "assistant", "content": plan}}], "echo": KEY}
        # The plan goes as text into the body, as spelled above.
        return Response(200, json.dumps(message).encode(), "application/json", {"X-Echo": KEY})

    with serving(answer) as url:
        result = pytester.runpytest_subprocess(
            *LIVE, "--execgo-model=m", f"--execgo-base-url={url}/v1", "--junitxml=junit.xml", "-rA"
        )
    assert asked
    assert KEY not in asked[0], "the prompt goes to the model without the key"
    reports = pytester.path / "reports"
    assert latest(pytester.path)["trials"], result.stdout.str()
    assert "PATH" in (next(reports.glob("*/trials/*/execgo_snapshots.jsonl"))).read_text()
    shown = result.stdout.str() + result.stderr.str() + (pytester.path / "junit.xml").read_text()
    for secret in (KEY, OTHER_SECRET):
        assert traces(reports, secret) == []
        assert secret not in shown


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{KEY}@host/v1",
        f"http://host/{KEY}/v1",
        "http://host/" + "".join(f"%{ord(char):02X}" for char in KEY) + "/v1",
        f"http://host/v1?key={KEY}",
    ],
)
@pytest.mark.parametrize("source", ["option", "environment"])
def test_a_key_in_the_address_of_the_model_is_refused_without_being_shown(
    pytester: pytest.Pytester, tiny: Path, monkeypatch: pytest.MonkeyPatch, url: str, source: str
) -> None:
    words = [*LIVE, "--execgo-model=m"]
    if source == "option":
        words.append(f"--execgo-base-url={url}")
    else:
        monkeypatch.setenv("OPENAI_BASE_URL", url)
    result = pytester.runpytest(*words)
    assert result.ret == 4
    (line,) = [line for line in result.errlines if line.startswith("ERROR: execgo: ")]
    assert ("--execgo-base-url" if source == "option" else "OPENAI_BASE_URL") in line
    shown = result.stdout.str() + result.stderr.str()
    assert KEY not in shown.replace(" ".join(map(str, sys.argv)), "")
    assert url not in shown
