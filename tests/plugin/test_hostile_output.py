"""A run whose tasks, plan and checks inject: nothing of it reaches terminal, JUnit XML or Markdown."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from typing import Any

import pytest

from tests.conftest import ScenarioMaker
from tests.hostile_text import HOSTILE, assert_plain_markdown, assert_safe_to_show
from tests.plugin.conftest import latest

SHORT = {name: text for name, text in HOSTILE.items() if len(text) < 1000}
INJECTION = "\n".join(SHORT.values()).replace("\0", "")
CHECKS = """
def mine(trial):
    text = trial.value("greet", "runtime.output.stdout")
    print(text)
    raise AssertionError(text)
"""


def injecting(plan: dict[str, Any]) -> None:
    """The first task prints everything; the second stage fails with a message of ExecGo's."""
    task = plan["stages"][0]["task_graph"]["tasks"][0]
    program = f"import sys; sys.stdout.buffer.write({INJECTION!r}.encode())"
    task["input"]["execution"] = {
        "kind": "command",
        "program": "${python}",
        "args": ["-c", program],
    }
    plan["stages"][1] = {
        "stage_id": "break",
        "submit_policy": {},
        "task_graph": {
            "tasks": [
                {"id": "tool", "type": "os", "tool_name": f"no\n{INJECTION}", "input": {}},
                {
                    "id": "file",
                    "type": "os",
                    "tool_name": "file",
                    "input": {"action": "read", "path": f"/none/{INJECTION}"},
                },
            ]
        },
    }


def checking(manifest: dict[str, Any]) -> None:
    manifest["checks"] = [{"kind": "python", "callable": "checks:mine"}]


@pytest.mark.parametrize("words", [(), ("-n1",)], ids=["one_process", "worker"])
def test_what_a_run_shows_is_safe_and_its_documents_are_raw(
    pytester: pytest.Pytester, project: ScenarioMaker, words: tuple[str, ...]
) -> None:
    folder = project("demo", plan=injecting, manifest=checking)
    (folder / "checks.py").write_text(CHECKS)
    result = pytester.runpytest("--execgo-matrix", "-rA", "--junitxml=junit.xml", *words)
    result.assert_outcomes(failed=1)
    output = result.stdout.str()
    assert "Captured stdout" in output
    assert r"\x1b[2J" in output
    assert_safe_to_show(output)
    assert_safe_to_show(result.stderr.str())

    (trial,) = latest(pytester.path)["trials"]
    assert any(SHORT["html"] in check["message"] for check in trial["verdict"]["checks"])

    markdown = (pytester.path / "reports/latest/benchmark.md").read_text()
    assert "&lt;script>" in markdown
    assert_plain_markdown(markdown)
    assert_safe_to_show("\n".join(x for x in markdown.split("\n") if not x.startswith("#")))

    text = (pytester.path / "junit.xml").read_text()
    assert_safe_to_show(text)
    for element in ET.fromstring(text).iter():
        for part in (element.text or "", *element.attrib.values()):
            assert_safe_to_show(part)

    assert_safe_to_show((pytester.path / "reports/latest/events.ndjson").read_text())


def test_a_message_about_a_hostile_file_is_one_line(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    def add(manifest: dict[str, Any]) -> None:
        manifest[f"key{INJECTION}"] = 1

    project("demo", manifest=add)
    result = pytester.runpytest("--execgo-matrix")
    assert result.ret == 2
    assert "unknown key" in result.stdout.str()
    assert_safe_to_show(result.stdout.str())
