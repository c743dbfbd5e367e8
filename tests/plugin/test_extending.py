"""docs/extending.md: each example runs as it stands, and each mistake of an author is one clear line."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conftest import ScenarioMaker

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


@dataclass(frozen=True)
class Example:
    """The code blocks of one section."""

    title: str
    conftest: str
    files: dict[str, str]
    command: str


def examples() -> list[Example]:
    found = []
    for section in re.split(r"^## ", PAGE.read_text(), flags=re.MULTILINE)[1:]:
        blocks = re.findall(r"^```(\w+)\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
        by_kind = dict(blocks)
        if "python" not in by_kind:
            continue
        files = {}
        if "yaml" in by_kind:
            name = by_kind["yaml"].partition("\n")[0].removeprefix("# ")
            files[name] = by_kind["yaml"]
        title = section.partition("\n")[0]
        found.append(Example(title, by_kind["python"], files, by_kind["console"].strip()))
    return found


def test_every_kind_of_part_has_an_example() -> None:
    hooks = {re.search(r"def (pytest_execgo_\w+)", one.conftest) for one in examples()}
    assert {hook[1] for hook in hooks if hook} == {
        "pytest_execgo_chaos_actions",
        "pytest_execgo_adapters",
        "pytest_execgo_launchers",
        "pytest_execgo_report_formats",
        "pytest_execgo_attribution_rules",
    }


@pytest.mark.parametrize("example", examples(), ids=lambda example: example.title)
def test_an_example_runs_as_it_stands(
    pytester: pytest.Pytester, project: ScenarioMaker, example: Example
) -> None:
    project("demo")
    pytester.makeconftest(example.conftest)
    for name, text in example.files.items():
        path = pytester.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    program, *words = shlex.split(example.command)
    if program == "pytest":
        result = pytester.runpytest_subprocess(*words)
        result.assert_outcomes(passed=1)
    else:
        result = pytester.runpython_c(
            f"import runpy, sys; sys.argv = {words[1:]!r}\n"
            "runpy.run_module('pytest_execgo', run_name='__main__')"
        )
    assert result.ret == 0
    if "--execgo-chaos" in words:
        result.stdout.fnmatch_lines(["*faults fired 1/1*"])


IMPORTS = """
from pytest_execgo.adapter.base import Adapter
from pytest_execgo.benchmark.reports.base import ReportFormat
from pytest_execgo.chaos.action import Action, Injection, PlanAction, ServiceAction
from pytest_execgo.harness.processes.embedded import EmbeddedLauncher
from pytest_execgo.harness.service import Launcher
from pytest_execgo.ports import Killable
from pytest_execgo.verdict.suspicion import Rule
"""

MISTAKES: dict[str, list[tuple[str, str, str]]] = {
    "pytest_execgo_adapters": [
        (
            "class Echo(Adapter):\n    name = 'echo'",
            "[Echo]",
            "adapter Echo: the hook returned the class; return an instance: Echo()",
        ),
        (
            "class Echo(Adapter):\n    name = 'echo'",
            "[Echo()]",
            "raised TypeError: Can't instantiate abstract class Echo with abstract method plan",
        ),
        (
            "class Echo:\n    name = 'echo'\n    def plan(self, c, t, r): ...\n"
            "    def __repr__(self): return 'an echo'",
            "[Echo()]",
            "adapter an echo: does not derive from pytest_execgo.adapter.base.Adapter",
        ),
        (
            "class Echo(Adapter):\n    def plan(self, c, t, r): ...",
            "[Echo()]",
            "adapter Echo: its name is missing",
        ),
        (
            "class Echo(Adapter):\n    name = 'Echo 1'\n    def plan(self, c, t, r): ...",
            "[Echo()]",
            "adapter Echo: its name 'Echo 1' does not match [a-z0-9]+(-[a-z0-9]+)*",
        ),
        (
            "class Echo(Adapter):\n    name, modes = 'echo', {'repaly'}\n"
            "    def plan(self, c, t, r): ...",
            "[Echo()]",
            "adapter Echo: its modes has 'repaly'; did you mean 'replay'? (allowed: live, replay)",
        ),
        (
            "class Echo(Adapter):\n    name = 'echo'\n    def plan(self, context): ...",
            "[Echo()]",
            "adapter Echo: plan(self, context) cannot be called as plan(context, trace, recording)",
        ),
        (
            "class Echo(Adapter):\n    name = 'echo'\n    def plan(self, c, t, r): ...",
            "Echo()",
            "return a list of instances",
        ),
    ],
    "pytest_execgo_chaos_actions": [
        (
            "class Drop(PlanAction):\n    name = 'drop'\n    def change(self, p, s, r): ...",
            "[Drop()]",
            "chaos action Drop: the hook returned an instance; return the class Drop",
        ),
        (
            "class Drop(ServiceAction[Killable]):\n    name = 'drop'",
            "[Drop]",
            "chaos action Drop: does not define inject()",
        ),
        (
            "class Drop(Action):\n    name = 'drop'",
            "[Drop]",
            "chaos action Drop: derives from Action itself; derive it from PlanAction or ServiceAction",
        ),
        (
            "class Drop(ServiceAction[Killable]):\n    name = 'drop'\n"
            "    targets = frozenset({'runtme'})\n    def inject(self, t, i, r): ...",
            "[Drop]",
            "chaos action Drop: its targets has 'runtme'; did you mean 'runtime'? "
            "(allowed: execgo, fixtures, model, plan, runtime)",
        ),
        (
            "class Drop(PlanAction):\n    name = 'drop'\n    phases = frozenset({'planing'})\n"
            "    def change(self, p, s, r): ...",
            "[Drop]",
            "chaos action Drop: its phases has 'planing'; did you mean 'plan'? "
            "(allowed: plan, poll, runtime, submit, verify)",
        ),
        (
            "class Drop(PlanAction):\n    name = 'drop'\n    def change(self, plan): ...",
            "[Drop]",
            "chaos action Drop: change(self, plan) cannot be called as change(plan, scope, rng)",
        ),
        (
            "class Kill(PlanAction):\n    name = 'kill'\n    def change(self, p, s, r): ...",
            "[Kill]",
            "the chaos action 'kill' exists already",
        ),
    ],
    "pytest_execgo_launchers": [
        (
            "class Mine(Launcher):\n    kind = 'mine'\n    def launch(self, s, t, x): ...",
            "[Mine]",
            "launcher Mine: the hook returned the class; return an instance: Mine()",
        ),
        (
            "class Mine(EmbeddedLauncher):\n    kind = 'embedded'",
            "[Mine()]",
            "the launcher 'embedded' exists already",
        ),
        (
            "class Mine(EmbeddedLauncher):\n    kind = None",
            "[Mine()]",
            "launcher Mine: its kind is missing",
        ),
        (
            "class Mine(EmbeddedLauncher):\n    kind, services = 'mine', {'execgo', 'runtim'}",
            "[Mine()]",
            "launcher Mine: its services has 'runtim'; did you mean 'runtime'? "
            "(allowed: execgo, fixtures, runtime)",
        ),
        (
            "class Mine(Launcher):\n    kind = 'mine'\n    def launch(self): ...",
            "[Mine()]",
            "launcher Mine: launch(self) cannot be called as launch(service, target, site)",
        ),
    ],
    "pytest_execgo_report_formats": [
        (
            "class Csv(ReportFormat):\n    filename = 'a.csv'\n    def render(self, result): ...",
            "(Csv() for _ in range(1))",
            "return a list of instances",
        ),
        (
            "class Csv(ReportFormat):\n    def render(self, result): ...",
            "[Csv()]",
            "report format Csv: its filename is missing",
        ),
        (
            "class Csv(ReportFormat):\n    filename = '../a.csv'\n    def render(self, result): ...",
            "[Csv()]",
            "report format Csv: its filename '../a.csv' does not match",
        ),
        (
            "class Csv(ReportFormat):\n    filename = 'a.csv'\n    def render(self): ...",
            "[Csv()]",
            "report format Csv: render(self) cannot be called as render(result)",
        ),
        ("", "[42]", "report format 42: does not derive from"),
    ],
    "pytest_execgo_attribution_rules": [
        (
            "r = Rule('mine', {'tsk': ('x',)}, lambda evidence: ())",
            "[r]",
            "attribution rule Rule: its codes have the layer 'tsk'; did you mean 'task'? "
            "(allowed: adapter, plan, dsl, binding, engine, runtime, task, fixture, verifier, "
            "harness, none, unknown)",
        ),
        ("r = Rule('mine', {}, lambda evidence: ())", "[r]", "its codes are {}; give a dictionary"),
        (
            "r = Rule('mine', {'task': 'x'}, lambda evidence: ())",
            "[r]",
            "its codes of task are 'x'; give a tuple of strings",
        ),
        ("r = Rule('mine', {'task': ('x',)}, 3)", "[r]", "its suspect is 3; give a function"),
        (
            "r = Rule('mine', {'task': ('x',)}, lambda: ())",
            "[r]",
            "suspect() cannot be called as suspect(evidence)",
        ),
        (
            "r = Rule('tasks', {'task': ('x',)}, lambda evidence: ())",
            "[r]",
            "the attribution rule 'tasks' exists already",
        ),
    ],
}


@pytest.mark.parametrize(
    ("hook", "code", "returned", "message"),
    [
        pytest.param(hook, *mistake, id=f"{hook.removeprefix('pytest_execgo_')}-{number}")
        for hook, mistakes in MISTAKES.items()
        for number, mistake in enumerate(mistakes)
    ],
)
def test_a_mistake_in_a_part_is_one_line(
    pytester: pytest.Pytester,
    project: ScenarioMaker,
    hook: str,
    code: str,
    returned: str,
    message: str,
) -> None:
    project("demo")
    pytester.makeconftest(f"{IMPORTS}\n{code}\n\ndef {hook}():\n    return {returned}\n")
    result = pytester.runpytest_subprocess("--execgo-matrix")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    lines = [line for line in result.errlines if line.strip()]
    (line,) = [line for line in lines if "execgo:" in line]
    assert line.startswith(f"ERROR: execgo: conftest.py: {hook}: ")
    assert message in line
    assert "Traceback" not in result.stderr.str() + result.stdout.str()
