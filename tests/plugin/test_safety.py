"""What a run protects: the variables of the user, and the folders of a run."""

from __future__ import annotations

import json
import os
import stat
from typing import Any

import pytest

from tests.conftest import ScenarioMaker

SECRET = "canary-of-the-user"


def print_variables(plan: dict[str, Any]) -> None:
    """A plan with one shell task of ExecGo that prints its variables."""
    task = {"id": "greet", "type": "shell", "params": {"script": "env"}}
    plan["stages"] = [{"stage_id": "greet", "task_graph": {"tasks": [task]}}]


def needs(*names: str) -> Any:
    def edit(manifest: dict[str, Any]) -> None:
        manifest["checks"] = [{"kind": "task", "task": "greet", "status": "success"}]
        manifest["environment"] = list(names)

    return edit


def test_services_get_no_variables_but_those_that_a_scenario_names(
    pytester: pytest.Pytester, project: ScenarioMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
    monkeypatch.setenv("GREETING", "hello-of-the-user")
    project("demo", manifest=needs("GREETING"), plan=print_variables)
    result = pytester.runpytest_subprocess("--execgo-matrix")
    result.assert_outcomes(passed=1)
    record = "".join(
        path.read_text(errors="replace")
        for path in (pytester.path / "reports").rglob("*")
        if path.is_file()
    )
    assert "hello-of-the-user" in record
    assert "AWS_SECRET_ACCESS_KEY" not in record
    assert SECRET not in record


def test_a_scenario_without_its_variable_is_skipped_and_says_which(
    pytester: pytest.Pytester, project: ScenarioMaker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("GREETING", raising=False)
    project("demo", manifest=needs("GREETING"))
    result = pytester.runpytest_subprocess("--execgo-matrix", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["*scenario demo needs the environment variable GREETING, which is not set*"]
    )


def test_a_malformed_name_of_a_variable_is_refused(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    project("demo", manifest=needs("A=B"))
    result = pytester.runpytest_subprocess("--execgo-matrix")
    assert "scenario.yaml" in result.stdout.str() + result.stderr.str()
    assert "environment[0]" in result.stdout.str() + result.stderr.str()


def test_the_folder_of_a_run_is_private(pytester: pytest.Pytester, project: ScenarioMaker) -> None:
    project("demo")
    assert pytester.runpytest_subprocess("--execgo-matrix").ret == 0
    folder = (pytester.path / "reports/latest").resolve()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert json.loads((folder / "request.json").read_text())


@pytest.mark.parametrize("given", ["option", "ini"])
def test_the_folder_of_a_run_is_shared_on_request_as_the_umask_allows(
    pytester: pytest.Pytester, project: ScenarioMaker, given: str
) -> None:
    project("demo")
    if given == "ini":
        pytester.makeini("[pytest]\nexecgo_share_reports = true\n")
    words = ["--execgo-share-reports"] if given == "option" else []
    before = os.umask(0o027)
    try:
        assert pytester.runpytest_subprocess("--execgo-matrix", *words).ret == 0
    finally:
        os.umask(before)
    folder = (pytester.path / "reports/latest").resolve()
    assert stat.S_IMODE(folder.stat().st_mode) == 0o750
    for path in folder.rglob("*"):
        if path.is_dir() and "logs" not in path.parts:
            assert path.stat().st_mode & 0o050 == 0o050, path


def test_files_of_the_user_behind_a_link_are_neither_changed_nor_copied(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    victim = pytester.mkdir("victim")
    (victim / "key").write_text(SECRET)
    (victim / "sub").mkdir(mode=0o755)
    victim.chmod(0o755)

    def replace_workspace(plan: dict[str, Any]) -> None:
        script = f"rm -rf ${{workspace}}; ln -s {victim} ${{workspace}}"
        execution = {"kind": "script", "script": script}
        task = {"id": "greet", "type": "runtime", "input": {"execution": execution}}
        plan["stages"] = [{"stage_id": "greet", "task_graph": {"tasks": [task]}}]

    def expect_key(manifest: dict[str, Any]) -> None:
        manifest["checks"] = [{"kind": "file", "path": "key"}]

    project("demo", manifest=expect_key, plan=replace_workspace)
    result = pytester.runpytest_subprocess("--execgo-matrix")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*check file failed: key: no such file in the workspace"])
    assert [stat.S_IMODE(p.stat().st_mode) for p in (victim, victim / "sub")] == [0o755, 0o755]
    (kept,) = (pytester.path / "reports/latest/trials").glob("*/workspace")
    assert [path.name for path in kept.iterdir()] == ["NOT_COPIED.txt"]


def test_a_huge_file_is_neither_read_whole_nor_copied(
    pytester: pytest.Pytester, project: ScenarioMaker
) -> None:
    def make_sparse(plan: dict[str, Any]) -> None:
        execution = {"kind": "script", "script": "truncate -s 300M ${workspace}/out.bin; false"}
        task = {"id": "greet", "type": "runtime", "input": {"execution": execution}}
        plan["stages"] = [{"stage_id": "greet", "task_graph": {"tasks": [task]}}]

    def expect_other(manifest: dict[str, Any]) -> None:
        manifest["checks"] = [{"kind": "file", "path": "out.bin", "sha256": "0" * 64}]

    project("demo", manifest=expect_other, plan=make_sparse)
    pytester.runpytest_subprocess("--execgo-matrix").assert_outcomes(failed=1)
    (kept,) = (pytester.path / "reports/latest/trials").glob("*/workspace")
    assert "out.bin: 314572800 bytes" in (kept / "NOT_COPIED.txt").read_text()
    assert not (kept / "out.bin").exists()
