"""Merged runs: the same bytes whatever the order, the division and the repetitions of the parts."""

from __future__ import annotations

import itertools
import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from random import Random

import pytest

from pytest_execgo.benchmark.merge import RunPart, find_runs, merge
from pytest_execgo.benchmark.rebuild import rebuild, write_run_record
from pytest_execgo.benchmark.reports.json_report import JsonReport
from pytest_execgo.errors import UsageError
from pytest_execgo.files.writing import write_json, write_model
from pytest_execgo.models.benchmark import ControlRecord
from pytest_execgo.models.environment import ServiceInfo
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.run_record import NotApplicable, RunRecord, TrialEnd
from pytest_execgo.models.trial_result import TrialProblem, TrialResult
from tests.results import ENVIRONMENT, trial

REQUEST = BenchmarkRunRequest(scenarios=("s",), repetitions=9, seed=7)
ALL = [trial(k, "passed" if k % 3 else "failed") for k in range(9)]
SKIPPED = "s-f-replay-none-r20"


def make(
    folder: Path,
    trials: Sequence[TrialResult],
    *,
    request: BenchmarkRunRequest = REQUEST,
    planned: Sequence[str] | None = None,
    **record: object,
) -> Path:
    """The folder of a run with these results."""
    folder.mkdir(parents=True)
    write_model(folder / "request.json", request)
    write_model(folder / "environment.json", ENVIRONMENT)
    names = tuple(t.trial_id for t in trials) if planned is None else tuple(planned)
    write_run_record(folder, RunRecord.model_validate({"planned": names, **record}))
    (folder / "trials").mkdir()
    for one in trials:
        own = folder / "trials" / one.trial_id
        own.mkdir()
        write_model(own / "result.json", one)
        (own / "timeline.jsonl").write_text("{}\n")
    return folder


def merged(target: Path, *folders: Path, partial: bool = False) -> dict[str, str]:
    """Every document of the merged run, by path."""
    parts = [RunPart.read(path) for path in find_runs(folders)]
    merge(parts, target, partial=partial)
    report = JsonReport().render(rebuild(target).result)
    found = {p.relative_to(target).as_posix(): p.read_text() for p in target.rglob("*.json*")}
    return {**found, "benchmark.json": report}


@pytest.fixture
def whole(tmp_path: Path) -> dict[str, str]:
    """The documents of the run that every division below is a division of."""
    run = make(tmp_path / "whole", ALL)
    found = merged(tmp_path / "first" / "run", run)
    assert len(json.loads(found["benchmark.json"])["trials"]) == len(ALL)
    return found


def test_random_divisions_orders_and_repetitions_give_the_same_bytes(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    rng = Random(17)
    for number in range(60):
        base = tmp_path / str(number)
        names = [one.trial_id for one in ALL]
        cuts = sorted(rng.sample(range(1, len(ALL)), rng.randint(0, 4)))
        shuffled = rng.sample(ALL, len(ALL))
        bounds = list(itertools.pairwise([0, *cuts, len(ALL)]))
        folders = [
            make(base / "parts" / str(k), shuffled[start:end], planned=names)
            for k, (start, end) in enumerate(bounds)
        ]
        again = rng.choices(folders, k=rng.randint(0, 2))
        given = rng.sample([*folders, *again], len(folders) + len(again))
        if len(given) > 2 and rng.random() < 0.5:
            # First some of them, then the result with the others.
            inner = base / "inner" / "run"
            merged(inner, *given[:2], partial=True)
            given = [inner, *given[2:]]
        assert merged(base / "out" / "run", *given) == whole
        shutil.rmtree(base)


def test_runs_are_found_at_any_depth_and_once(tmp_path: Path) -> None:
    one = make(tmp_path / "artifacts/a/reports/run", ALL[:1])
    workspace = one / "trials" / ALL[0].trial_id / "workspace"
    make(workspace / "run", ALL[1:2])
    (one.parent / "latest").symlink_to("run")
    other = make(tmp_path / "artifacts/b/deep/down/run", ALL[1:2])
    assert find_runs([tmp_path / "artifacts", one]) == [one, other]
    (tmp_path / "empty").mkdir()
    with pytest.raises(UsageError, match=r"empty: no run there; give folders reports/RUN"):
        find_runs([tmp_path / "empty"])


def shard(tmp_path: Path, text: str, **more: object) -> Path:
    index = int(text.partition("/")[0]) - 1
    request = REQUEST.model_copy(update={"shard": text, **more})
    return make(tmp_path / text.replace("/", "of"), ALL[index::3], request=request)


def test_all_shards_are_the_whole_run(tmp_path: Path, whole: dict[str, str]) -> None:
    folders = [shard(tmp_path, f"{k}/3") for k in (2, 3, 1)]
    found = merged(tmp_path / "out" / "run", *folders)
    expected = json.loads(whole["benchmark.json"])
    assert json.loads(found["benchmark.json"]) == expected


def test_a_missing_shard_is_refused_and_may_follow_later(
    tmp_path: Path, whole: dict[str, str]
) -> None:
    first, second, third = (shard(tmp_path, f"{k}/3") for k in (1, 2, 3))
    with pytest.raises(UsageError, match=r"^shard 3/3 is missing \(given: 1/3, 2/3\); add its"):
        merged(tmp_path / "refused", first, second)
    assert not (tmp_path / "refused").exists()
    part = tmp_path / "part"
    merged(part, first, second, partial=True)
    with pytest.raises(UsageError, match="shard 3/3 is missing"):
        merged(tmp_path / "again", part)
    found = merged(tmp_path / "out" / "run", third, part)
    assert json.loads(found["benchmark.json"]) == json.loads(whole["benchmark.json"])


@pytest.mark.parametrize(
    ("second", "complaint"),
    [
        ({"seed": 8}, r"are parts of different runs: request.json: seed is 7 and 8$"),
        ({"chaos": ("all",)}, r"request.json: chaos is \['none'\] and \['all'\]$"),
        ({"shard": "1/4"}, r"^shards 1/3 and 1/4 are parts of different divisions$"),
    ],
)
def test_parts_of_different_runs_are_refused(
    tmp_path: Path, second: dict[str, object], complaint: str
) -> None:
    one = shard(tmp_path / "one", "1/3")
    other = shard(tmp_path / "other", "1/3", **second)
    with pytest.raises(UsageError, match=complaint):
        merged(tmp_path / "out", one, other)


def test_other_services_are_refused(tmp_path: Path) -> None:
    one, other = make(tmp_path / "one", ALL[:1]), make(tmp_path / "other", ALL[1:2])
    for folder, digest in ((one, "aa"), (other, "bb")):
        info = ServiceInfo(launcher="binary", version="1", digest=digest)
        environment = ENVIRONMENT.model_copy(update={"services": {"execgo": info}})
        write_model(folder / "environment.json", environment)
    with pytest.raises(UsageError, match="digest of execgo is 'aa' and 'bb'"):
        merged(tmp_path / "out", one, other)


def test_one_trial_with_two_results_is_refused(tmp_path: Path) -> None:
    one = make(tmp_path / "one", ALL[:1])
    other = make(tmp_path / "other", [ALL[0].model_copy(update={"rerun": "other"})])
    with pytest.raises(UsageError, match="are the same trial with different results") as caught:
        merged(tmp_path / "out", one, other)
    assert str(one) in str(caught.value)
    assert str(other) in str(caught.value)


def test_a_result_wins_over_a_problem_and_a_problem_over_nothing(tmp_path: Path) -> None:
    names = [one.trial_id for one in ALL[:3]]
    whole = make(tmp_path / "whole", ALL[:1], planned=names)
    broken = make(tmp_path / "broken", ALL[1:2], planned=names)
    for name in names[:2]:
        folder = broken / "trials" / name
        folder.mkdir(exist_ok=True)
        write_model(folder / "problem.json", TrialProblem(state="error", reason="why"))
    merged(tmp_path / "out" / "run", broken, whole)
    result = rebuild(tmp_path / "out" / "run").result
    assert [one.trial_id for one in result.trials] == names[:1]
    assert [(u.trial_id, u.state) for u in result.unfinished] == [
        (names[1], "error"), (names[2], "not_run"),
    ]  # fmt: skip


def test_what_else_a_run_knows_is_united(tmp_path: Path) -> None:
    pair = {"scenario": "s", "chaos": "c", "reason": "r"}
    fault = {"kill": [{"fault": "kill runtime", "phase": "runtime"}]}
    skip = {SKIPPED: {"state": "skipped", "reason": "no variable"}}
    one = make(tmp_path / "one", ALL[:1], not_applicable=[pair], ends=skip)
    other = make(
        tmp_path / "other", ALL[1:2], not_applicable=[pair], faults=fault,
        planned=[ALL[1].trial_id, SKIPPED], ends={SKIPPED: {"state": "not_run", "reason": "z"}},
    )  # fmt: skip
    for folder, pid in ((one, 1), (other, 2)):
        control = folder / f"controls/must_pass-{pid}"
        control.mkdir(parents=True)
        record = ControlRecord(name="must_pass", expected="e", got="g", ok=True)
        write_model(control / "control.json", record)
    merged(tmp_path / "out" / "run", one, other)
    result = rebuild(tmp_path / "out" / "run").result
    assert result.not_applicable == (NotApplicable.model_validate(pair),)
    assert [control.name for control in result.controls] == ["must_pass"]
    (left,) = result.unfinished
    assert (left.trial_id, left.state, left.reason) == (SKIPPED, "skipped", "no variable")
    assert RunPart.read(tmp_path / "out" / "run").record.ends[SKIPPED] == TrialEnd(
        state="skipped", reason="no variable"
    )


def test_a_damaged_result_is_named_and_the_rest_is_used(tmp_path: Path) -> None:
    run = make(tmp_path / "run", ALL[:3])
    path = run / "trials" / ALL[1].trial_id / "result.json"
    path.write_text(path.read_text()[:50])
    rebuilt = rebuild(run)
    assert len(rebuilt.result.trials) == 2
    (line,) = rebuilt.damaged
    assert str(path) in line
    merged(tmp_path / "out" / "run", run, make(tmp_path / "other", ALL[:3]))
    assert rebuild(tmp_path / "out" / "run").damaged == ()


@pytest.mark.parametrize("name", ["../../../../esc", "a/b", "nul\0", "x" * 300, "."])
def test_the_name_of_a_control_chooses_no_folder(tmp_path: Path, name: str) -> None:
    run = make(tmp_path / "run", ALL)
    control = run / "controls/one"
    control.mkdir(parents=True)
    record = {"name": name, "expected": "passed", "got": "passed", "ok": True}
    (control / "control.json").write_text(json.dumps(record))
    before = sorted(path for path in tmp_path.rglob("*"))
    merged(tmp_path / "deep" / "deeper" / "out", run)
    new = [path for path in tmp_path.rglob("*") if path not in before]
    assert [path for path in new if "deep" not in path.parts] == []


@pytest.mark.parametrize("text", ['{"na', "[]", "{}", "nonsense"])
def test_a_damaged_control_is_one_line(tmp_path: Path, text: str) -> None:
    run = make(tmp_path / "run", ALL)
    control = run / "controls/one"
    control.mkdir(parents=True)
    (control / "control.json").write_text(text)
    with pytest.raises(UsageError, match=r"control\.json"):
        RunPart.read(run)


def test_a_newer_document_is_refused_by_name(tmp_path: Path) -> None:
    run = make(tmp_path / "run", ALL[:1])
    document = json.loads((run / "run.json").read_text())
    write_json(run / "run.json", {**document, "schema_version": "2"})
    with pytest.raises(UsageError, match=r"run\.json: schema_version '2' is newer than this"):
        RunPart.read(run)


def test_an_existing_folder_is_not_overwritten(tmp_path: Path) -> None:
    run = make(tmp_path / "run", ALL[:1])
    with pytest.raises(UsageError, match="exists already; choose another folder with -o"):
        merged(run, run)
