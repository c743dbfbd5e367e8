"""``scenario new NAME`` and ``chaos new NAME``: write a small scenario that passes and a profile with
comments, as a start for your own."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path

from pytest_execgo.cli.schema import write_for_editors
from pytest_execgo.errors import UsageError
from pytest_execgo.files.writing import make_folder, write_text
from pytest_execgo.models.chaos import ALL, NO_CHAOS
from pytest_execgo.models.document import RESERVED
from pytest_execgo.scenario.library import CHAOS_FOLDER

SCHEMAS = ".schemas"
"""In the folder of scenarios: the JSON Schemas for editors, which the first line of each file names."""
_LINE = "# yaml-language-server: $schema="
_FILES = {
    "scenario.yaml": f"""\
{_LINE}../{SCHEMAS}/scenario.schema.json
"""
    """\
schema_version: "1"
id: {name}
description: Greet everybody in a list, then count the greetings.
seed: 1
input: {{ objective: "Greet everybody." }}
prompts: {{ user: prompts/user.md }}
workspace: workspace/            # copied fresh for every trial
reference_plan: plan.yaml        # what the framework `reference` replays
allowed_chaos: ["*"]
checks:                          # all must hold
  - {{ kind: task, task: greet, status: success }}
  - {{ kind: value, task: count, path: "from_json(runtime.output.stdout).greetings", equals: 3 }}
  - {{ kind: file, path: greetings.txt, equals_file: expected/greetings.txt }}
""",
    "plan.yaml": f"""\
{_LINE}../{SCHEMAS}/standard_plan.schema.json
"""
    """\
schema_version: "1"
plan_id: {name}-reference
scenario_id: {name}
stages:
  - stage_id: greet
    submit_policy: {{ max_resubmits: 2 }}
    task_graph:
      tasks:
        - id: greet
          type: runtime
          input:
            execution:
              kind: command
              program: ${{python}}
              args: ["${{workspace}}/greet.py", "${{workspace}}"]
            limits: {{ wall_time_ms: 10000 }}
  - stage_id: count
    submit_policy: {{ max_resubmits: 2 }}
    bindings:                    # ExecGo never carries results from task to task: a binding does
      - source_task_id: greet
        source_path: from_json(runtime.output.stdout).names | to_string(@)
        target_task_id: count
        target_param_path: input.execution.env.NAMES
    task_graph:
      tasks:
        - id: count
          type: runtime
          input:
            execution:
              kind: script
              interpreter: ["${{python}}"]
              script: |
                import json, os
                print(json.dumps({{"greetings": len(json.loads(os.environ["NAMES"]))}}))
            limits: {{ wall_time_ms: 10000 }}
""",
    "prompts/user.md": "Greet everybody in `${{workspace}}/names.txt`, then count the greetings.\n",
    "workspace/names.txt": "Ada\nGrace\nEdsger\n",
    "workspace/greet.py": """\
import json
import sys
from pathlib import Path

folder = Path(sys.argv[1])
names = (folder / "names.txt").read_text().split()
(folder / "greetings.txt").write_text("".join(f"Hello, {{name}}!\\n" for name in names))
print(json.dumps({{"names": names}}))
""",
    "expected/greetings.txt": "Hello, Ada!\nHello, Grace!\nHello, Edsger!\n",
}

_PROFILE = (
    f"{_LINE}../{SCHEMAS}/chaos_profile.schema.json\n"
    """\
schema_version: "1"
id: {name}                         # the name of this file
description: The runtime dies while a task runs, and comes back half a second later.
seed: 1                            # of the random draws, such as probability

# should_recover: all checks hold in the end.   expected_failure: the trial fails, for expected_cause.
# measure: whatever happens is recorded and passes.
expectation: should_recover

# The cause that attribution must name: a layer, and if you like a code.
# Several faults need a list, with one cause for each fault.
expected_cause: {{ layer: runtime }}

faults:
  - action: kill                   # kill, pause, restart, limit, network; error, latency, … of fixtures
    target: runtime                # execgo, runtime, fixtures, plan or model
    params: {{ heal_after_ms: 500 }}   # each action has its own
    when:
      phase: runtime               # plan, submit, runtime, poll or verify
      stage: "*"                   # shell patterns over the ids of the plan
      task: "*"
      after: task_running          # phase_start, task_running or task_ended
      delay_ms: 20                 # between that and the injection
      times: 1                     # how often it is injected
    probability: 1.0               # below 1, a random draw decides
"""
)
_INI_FILES = ("pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg")


def _below_a_project() -> bool:
    """Whether pytest finds its settings, and so its root folder, above the current folder only."""
    here = Path.cwd()
    own, above = (
        any((folder / name).exists() for folder in folders for name in _INI_FILES)
        for folders in ([here], list(here.parents))
    )
    return above and not own


def new_profile(options: argparse.Namespace) -> int:
    """Write a profile with one fault, in which a comment explains each key."""
    name = options.name
    if name in {*RESERVED, ALL, NO_CHAOS} or not re.fullmatch(r"[a-z][a-z0-9_]*", name):
        raise UsageError(
            f"profile name {name!r}: expected lower-case letters, digits and '_', as in my_fault, and "
            "neither a marker of pytest nor all or none"
        )
    folder = Path(options.scenarios or "scenarios")
    path = folder / CHAOS_FOLDER / f"{name}.yaml"
    if path.exists():
        raise UsageError(f"{path} exists already; choose another name or remove it")
    make_folder(path.parent)
    write_text(path, _PROFILE.format(name=name))
    write_for_editors(folder / SCHEMAS)
    print(f"made {path}; run it with: pytest --execgo-matrix --execgo-chaos {name}")
    print(f"what it does: python -m pytest_execgo chaos show {name}")
    return 0


def new_scenario(options: argparse.Namespace) -> int:
    """Write the files; refuse to write into an existing folder."""
    name = options.name
    if name in RESERVED:
        raise UsageError(
            f"scenario name {name!r}: it is a marker of pytest itself; choose another name"
        )
    if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name == "chaos":
        raise UsageError(
            f"scenario name {name!r}: expected lower-case letters, digits and '_', as in my_scenario"
        )
    base = options.scenarios or "scenarios"
    folder = Path(base) / name
    if folder.exists() or (folder.parent.exists() and not folder.parent.is_dir()):
        taken = folder if folder.exists() else folder.parent
        raise UsageError(f"{taken} exists already; choose another name or remove it")
    first = not any(folder.parent.glob("*/scenario.yaml"))
    for file, text in _FILES.items():
        path = folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text.format(name=name), encoding="utf-8")
    write_for_editors(folder.parent / SCHEMAS)
    # With "=", because pytest takes a separate word for a place of tests.
    where = (
        f" --execgo-scenarios={shlex.quote(str(base))}"
        if options.scenarios or _below_a_project()
        else ""
    )
    print(f"made {folder}; run it with: pytest --execgo-matrix --execgo-scenario {name}{where}")
    if first:
        print(f"runs here now take the scenarios in {folder.parent} and not the built-in ones")
    return 0
