"""What ``benchmark.md`` and the terminal show of a run."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_execgo.benchmark.compare import compare
from pytest_execgo.benchmark.named_causes import misnamed_lines
from pytest_execgo.benchmark.reports.json_report import JsonReport
from pytest_execgo.benchmark.reports.markdown import MarkdownReport
from pytest_execgo.benchmark.reports.table import (
    HEADERS,
    cause_lines,
    cell_table,
    controls_failed,
    distrust,
    duration,
    finding_lines,
    not_run_line,
    summary_line,
)
from pytest_execgo.benchmark.reports.terminal import terminal_table
from pytest_execgo.models.benchmark import BenchmarkResult, ControlRecord
from pytest_execgo.models.environment import ServiceInfo
from pytest_execgo.models.finding import AcceptedFinding
from pytest_execgo.models.gate import GateRecord
from pytest_execgo.models.run_record import NotApplicable
from pytest_execgo.models.trial_result import FaultRecord, TrialResult
from tests.results import ENVIRONMENT, missing, result, trial

FAULT = FaultRecord(
    action="kill", target="runtime", phase="runtime", status="fired", detail="killed runtime",
    at_ms=25, healed_at_ms=1500, tasks_inside=("a", "b", "c", "d"),
)  # fmt: skip
HELD = ControlRecord(name="must_pass", expected="passed", got="passed", ok=True)
BROKEN = ControlRecord(name="must_fail", expected="failed", got="passed", ok=False)


def cause(layer: str = "runtime", **more: Any) -> dict[str, Any]:
    return {
        "layer": layer, "code": "x", "confidence": "certain", "evidence": ["e1", "e2"],
        "message": "m", **more,
    }  # fmt: skip


def faulty(repetition: int = 0, status: str = "passed", **more: Any) -> TrialResult:
    fields = {
        "attribution": [cause()], "expected_cause": "runtime", "cause_named": True,
        "recovery": "recovered", "explanation": [{"at_ms": 25, "text": "step", "events": []}],
        **more,
    }  # fmt: skip
    return trial(repetition, status, **fields).model_copy(update={"faults": (FAULT,)})


def markdown(report: BenchmarkResult) -> list[str]:
    return MarkdownReport().render(report).splitlines()


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def rows_below(lines: list[str], heading: str) -> list[list[str]]:
    """The rows of the first table below a heading, without its head."""
    found = []
    summary = f"<details><summary>{heading.lstrip('# ')}</summary>"
    start = lines.index(summary) if heading.startswith("## ") else lines.index(heading)
    for line in lines[start + 1 :]:
        if line.startswith("|"):
            found.append(cells(line))
        elif found:
            break
    return found[2:]


@pytest.mark.parametrize(
    ("ms", "text"),
    [
        (None, "–"),
        (0, "0 ms"),
        (11.6, "12 ms"),
        (999, "999 ms"),
        (1000, "1.00 s"),
        (1049, "1.05 s"),
    ],
)
def test_durations(ms: float | None, text: str) -> None:
    assert duration(ms) == text


def test_the_json_report_is_the_result() -> None:
    report = result([trial(0)], [])
    text = JsonReport().render(report)
    assert BenchmarkResult.model_validate_json(text) == report
    assert text == json.dumps(json.loads(text), indent=2, ensure_ascii=False) + "\n"


def test_the_table_of_cells_counts_what_did_not_pass() -> None:
    known = trial(1, "failed").model_copy(
        update={"known_finding": AcceptedFinding(id="a-b", reason="r")}
    )
    other = trial(2, "failed").model_copy(update={"known_finding": known.known_finding})
    one = result([trial(0), known], [missing(3, "error"), missing(4, "skipped")])
    head, _, row = cell_table(one).splitlines()
    assert tuple(cells(head)) == HEADERS
    assert cells(row)[:6] == [
        "s", "f", "replay", "none", "1/3 (1 error) (1 known finding) (1 skipped)", "–",
    ]  # fmt: skip
    two = result([known, other], [missing(3, "error"), missing(4, "error")])
    assert "0/4 (2 errors) (2 known findings)" in cell_table(two)


def test_the_table_of_cells_shows_recovery_and_medians() -> None:
    lost = faulty(2, recovery="lost")
    row = cells(cell_table(result([faulty(4), lost, trial(9)], [])).splitlines()[2])
    assert row[4:] == ["3/3", "1/2", "4 ms", "1 ms", "1 ms"]


def test_a_trustworthy_run_gives_no_reason_for_distrust() -> None:
    report = result([faulty()], [missing(1, "skipped")], controls=[HELD])
    assert report.trustworthy
    assert distrust(report) == []
    assert not controls_failed(report)


def test_each_reason_for_distrust_is_one_line() -> None:
    assert distrust(result([trial(0)], [missing(1, "not_run")], controls=[HELD, BROKEN])) == [
        "control must_fail: expected failed; got passed",
        "trials are missing or ended in errors",
    ]
    assert distrust(result([faulty()], [])) == ["faults fired, but no control was run"]


@pytest.mark.parametrize(
    ("trials", "controls", "failed"),
    [
        ([trial(0)], [], False),
        ([trial(0)], [BROKEN], True),
        ([faulty()], [], True),
        ([faulty()], [HELD], False),
        ([faulty()], [HELD, BROKEN], True),
    ],
    ids=["no_fault", "broken", "no_control", "held", "one_broken"],
)
def test_controls_fail_if_one_broke_or_none_ran_with_faults(
    trials: list[TrialResult], controls: list[ControlRecord], failed: bool
) -> None:
    assert controls_failed(result(trials, [], controls=controls)) is failed


def test_each_finding_is_one_line() -> None:
    known = trial(0, "failed").model_copy(
        update={"known_finding": AcceptedFinding(id="a-b", reason="r")}
    )
    other = trial(1, "failed").model_copy(update={"known_finding": known.known_finding})
    findings = {"a-b": ("r", "s"), "c-d": ("r2", "s2")}
    assert finding_lines(result([known], [], findings=findings)) == [
        "engine finding a-b: 1 trial (s): r",
        "engine finding c-d: not seen in this run (s2): r2",
    ]
    assert "2 trials" in finding_lines(result([known, other], [], findings=findings))[0]


def test_a_finding_that_excuses_no_trial_is_one_line_too() -> None:
    def named(number: int, status: str) -> TrialResult:
        return trial(number, status).model_copy(update={"findings": ("a-b",)})

    report = result([named(0, "passed"), named(1, "failed")], [])
    line = "engine finding a-b: its cause was named in 2 trials, of which 1 passed"
    assert finding_lines(report) == [line]
    known = {"known_finding": AcceptedFinding(id="a-b", reason="r")}
    excused = named(1, "failed").model_copy(update=known)
    report = result([named(0, "passed"), excused], [], findings={"a-b": ("r", "s")})
    assert finding_lines(report) == [
        "engine finding a-b: 1 trial (s): r",
        "engine finding a-b: its cause was named in 1 trial, of which 1 passed",
    ]


def test_the_summary_counts_faults_causes_and_controls() -> None:
    silent = FAULT.model_copy(update={"status": "not_fired"})
    unarmed = trial(1).model_copy(update={"faults": (silent,)})
    report = result([faulty(), unarmed], [], controls=[HELD, BROKEN])
    expected = "faults fired 1/2 · causes named 1/1 · false causes 0/1 · controls 1/2"
    assert summary_line(report) == expected
    assert summary_line(result([trial(0)], [])) == ""
    assert summary_line(result([faulty()], [])) == "faults fired 1/1 · causes named 1/1"


def test_the_first_line_counts_passed_trials() -> None:
    lines = markdown(result([trial(0), trial(1, "failed")], []))
    assert lines[0] == "# Benchmark run"
    assert lines[2] == "1 of 2 trials passed, seed 7."


def test_a_run_that_is_not_trustworthy_says_so_first() -> None:
    lines = markdown(result([trial(0)], [missing(1, "not_run")], controls=[BROKEN]))
    assert lines[2] == (
        "**NOT TRUSTWORTHY: control must_fail: expected failed; got passed; trials are missing or "
        "ended in errors.** 1 of 1 trials passed, seed 7."
    )


def test_a_failed_trial_is_listed_with_causes_checks_and_rerun() -> None:
    checks = [
        {"kind": "value", "ok": True, "message": "good"},
        {"kind": "file", "ok": False, "message": "bad"},
    ]
    causes = [cause(), cause("plan", evidence=[], mitigated=True)]
    failed = faulty(0, "failed", checks=checks, attribution=causes).model_copy(
        update={"known_finding": AcceptedFinding(id="a-b", reason="because")}
    )
    lines = markdown(result([failed, trial(1)], []))
    start = lines.index("### s-f-replay-none-r0: failed")
    assert lines[start - 2] == "## Not passed"
    assert lines[start + 2 : start + 12] == [
        "- engine finding `a-b`, taken as known: because",
        "- o",
        "- cause: **runtime** · `x` (certain): m (events e1, e2)",
        "- mitigated: **plan** · `x` (certain): m",
        "- check file: bad",
        "- record: `trials/s-f-replay-none-r0`",
        "- rerun: `pytest x`",
        "",
        "```",
        "   0.025 s  step",
    ]
    assert not [line for line in lines if line.startswith("### s-f-replay-none-r1")]


def test_a_green_run_has_neither_failures_nor_faults() -> None:
    text = "\n".join(markdown(result([trial(0)], [])))
    for heading in ("Not passed", "Without a result", "Faults", "Rates", "Landing"):
        assert heading not in text


def test_trials_without_a_result_are_listed() -> None:
    lines = markdown(result([], [missing(3, "not_run")]))
    assert "- `s-f-replay-none-r3`: not run: because" in lines[lines.index("## Without a result") :]


def test_rates_over_repetitions_are_one_row_per_cell() -> None:
    (row,) = rows_below(
        markdown(result([trial(0), trial(1, "failed")], [])), "## Rates over repetitions"
    )
    assert row == [
        "s-f-replay-none", "0.50 [0.09, 0.91]", "pass@2 1.00", "pass^2 0.00", "0.50",
    ]  # fmt: skip


def test_several_frameworks_have_totals() -> None:
    other = {"framework": "g", "cell_id": "s-g-replay-none", "trial_id": "s-g-replay-none-r0"}
    trials = [trial(0), trial(1, "failed"), trial(0).model_copy(update=other)]
    rows = rows_below(markdown(result(trials, [])), "## Frameworks")
    assert [row[:4] for row in rows] == [["f", "2", "1", "1"], ["g", "1", "1", "0"]]
    assert "Frameworks" not in "\n".join(markdown(result(trials[:2], [])))


def modelled(repetition: int, **more: Any) -> TrialResult:
    metrics = trial(0).metrics.model_copy(update={"repair_count": 2, "model_retries": 3})
    fields = {"metrics": metrics, "model": "p/m", "plan_shape": "1", "broken_rules": ("schema",)}
    return trial(repetition).model_copy(update={**fields, **more})


def test_landing_is_one_row_per_cell_with_a_model() -> None:
    never = trial(0).metrics.model_copy(
        update={"landed": 0.0, "landed_at_first": 0.0, "repair_count": None, "model_retries": None}
    )
    trials = [
        modelled(0), modelled(1, broken_rules=("cycle",), plan_shape="2"),
        modelled(2, metrics=never, broken_rules=(), model="q/m"),
    ]  # fmt: skip
    (row,) = rows_below(markdown(result(trials, [])), "## Landing")
    assert row[4:] == ["p/m, q/m", "2/3", "2/3", "4", "6", "2", "cycle, schema"]


def test_without_a_broken_rule_landing_shows_a_dash() -> None:
    (row,) = rows_below(markdown(result([modelled(0, broken_rules=())], [])), "## Landing")
    assert row[-1] == "–"


def test_faults_are_listed_with_times_tasks_and_causes() -> None:
    (row,) = rows_below(markdown(result([faulty()], [])), "## Faults")
    assert row == [
        "s-f-replay-none-r0", "kill runtime", "25 ms", "killed runtime", "a, b, c …", "1.50 s",
        "runtime/x", "1 ms", "recovered", "1 ms",
    ]  # fmt: skip


def test_a_fault_that_was_not_injected_shows_its_reason() -> None:
    silent = FaultRecord(
        action="kill", target="runtime", phase="runtime", status="not_fired", reason="never",
        tasks_inside=("a", "b", "c"),
    )  # fmt: skip
    possible = trial(0, attribution=[cause(confidence="possible")], recovery="not_needed")
    report = result([possible.model_copy(update={"faults": (silent,)})], [])
    (row,) = rows_below(markdown(report), "## Faults")
    assert row[2:7] == ["not fired", "never", "a, b, c", "–", "runtime/x (possibly)"]
    assert row[8] == "not needed"


def test_coverage_counts_faults_by_framework_action_and_phase() -> None:
    (row,) = rows_below(markdown(result([faulty(), faulty(1)], [])), "### Coverage")
    assert row == ["f", "kill runtime", "runtime", "2", "0", "0"]


def test_pairs_without_a_trial_are_grouped_by_reason() -> None:
    pairs = [
        NotApplicable(scenario="s1", chaos="p", reason="no task"),
        NotApplicable(scenario="s2", chaos="p", reason="no task"),
        NotApplicable(scenario="s1", chaos="q", reason="r", framework="f", mode="live"),
    ]
    lines = markdown(result([trial(0)], [], not_applicable=pairs))
    assert "- p is not applicable to s1, s2: no task" in lines
    assert "- q with f in mode live is not applicable to s1: r" in lines


def test_trials_that_name_another_cause_are_listed() -> None:
    other = trial(1, attribution=[cause("engine")], cause_named=False, expected_cause="runtime")
    right = trial(2, attribution=[cause("runtime")], cause_named=True, expected_cause="runtime")
    faulty = [one.model_copy(update={"faults": (FAULT,)}) for one in (other, right)]
    lines = markdown(result(faulty, []))
    line = f"{other.trial_id} names engine/x; expected runtime"
    assert [one for one in lines if "names" in one] == [f"- {line}"]
    assert misnamed_lines(faulty) == [line]
    many = [other] * 7
    assert misnamed_lines(many)[5:] == ["2 more trials name another cause than expected"]


def test_the_scoreboard_shows_causes_and_clean_trials() -> None:
    mitigated = trial(2, attribution=[cause("plan", mitigated=True)])
    wrong = faulty(3, attribution=[cause("engine")], cause_named=False)
    lines = markdown(result([faulty(), trial(1), mitigated, wrong], []))
    start = lines.index("### Attribution")
    assert lines[start + 2] == (
        "Named 1 of 2 injected causes (95 % lower bound 0.025), abstained in 0; wrong and certain in "
        "1 trials."
    )
    assert lines[start + 3] == (
        "Clean trials: 2, in 0 of them a cause was named falsely, in 1 a problem of a model was "
        "mitigated."
    )
    assert rows_below(lines, "### Attribution") == [
        ["none", "none/no_failure", "1"], ["none", "none/x", "1"],
        ["runtime", "engine/x", "1"], ["runtime", "runtime/x", "1"],
    ]  # fmt: skip


def test_controls_are_listed() -> None:
    rows = rows_below(markdown(result([faulty()], [], controls=[HELD, BROKEN])), "### Controls")
    assert rows == [
        ["must_pass", "passed", "passed", "yes"], ["must_fail", "failed", "passed", "**no**"],
    ]  # fmt: skip


def test_the_explanation_of_a_trial_that_recovered_can_be_opened() -> None:
    lines = markdown(result([faulty(), trial(1)], []))
    start = lines.index("<details><summary>s-f-replay-none-r0: o</summary>")
    assert lines[start + 2 : start + 5] == ["```", "   0.025 s  step", "```"]
    assert len([line for line in lines if line.startswith("<details><summary>s-f-")]) == 1


def test_the_environment_names_versions_commit_and_services() -> None:
    services = {
        "execgo": ServiceInfo(
            launcher="binary", version="1", path="/bin/execgo", digest="0123456789abcdef"
        ),
        "runtime": ServiceInfo(launcher="container", version="2", image="img", path="/x"),
        "fixtures": ServiceInfo(launcher="external", version="3", url="http://u"),
    }
    environment = ENVIRONMENT.model_copy(
        update={"services": services, "git_commit": "abcdef0123456789"}
    )
    report = result([trial(0)], []).model_copy(update={"environment": environment})
    lines = markdown(report)
    assert "pytest-execgo 0, Python 3, x, commit abcdef012345." in lines
    assert rows_below(lines, "## Environment") == [
        ["execgo", "binary", "1", "/bin/execgo", "0123456789ab"],
        ["runtime", "container", "2", "img", ""],
        ["fixtures", "external", "3", r"http\://u", ""],
    ]
    assert "pytest-execgo 0, Python 3, x." in markdown(result([trial(0)], []))


def red(number: int, code: str, task: str = "", chaos: str = "none", **more: Any) -> TrialResult:
    cause = {
        "layer": "task", "code": code, "confidence": "likely", "evidence": [], "message": f"m {code}",
    }  # fmt: skip
    words = {"task_id": task, "stderr": ["Traceback", f"  {code} of {task}"]} if task else None
    found = trial(number, "failed", attribution=[cause], failed_task=words)
    return found.model_copy(update={"chaos": chaos, **more})


def test_failures_are_grouped_by_cause_task_and_words() -> None:
    run = result([trial(0), red(1, "x", "a"), red(2, "y"), red(3, "x", "a"), red(4, "x", "b")], [])
    assert cause_lines(run) == [
        "2 × task/x a: x of a", "1 × task/y: m y", "1 × task/x b: x of b",
    ]  # fmt: skip
    assert cause_lines(result([trial(0)], [])) == []


def test_many_causes_and_long_ones_are_cut() -> None:
    lines = cause_lines(result([red(number, f"x{number}" * 99) for number in range(10)], []))
    assert len(lines) == 9
    assert max(map(len, lines)) < 180
    assert lines[-1] == "2 more causes: see benchmark.md"


def test_a_scenario_that_fails_without_a_fault_is_named_first() -> None:
    clean, faulty = red(0, "x"), red(1, "x", chaos="runtime_kill")
    other = red(2, "x", chaos="runtime_kill", scenario="other")
    assert cause_lines(result([clean, faulty, other], []))[-1] == (
        "s fails without any fault, so fix its plan first: 2 of 3 red trials are of it, and "
        "attribution over them is not counted"
    )
    assert len(cause_lines(result([faulty, other], []))) == 1
    assert len(cause_lines(result([clean], []))) == 1


def test_what_did_not_run_is_counted_with_the_command_that_runs_it() -> None:
    run = result([trial(0)], [missing(1, "not_run"), missing(2, "not_run"), missing(3, "error")])
    assert not_run_line(run) == (
        "1 of 3 trials ran; run the others with: pytest --execgo-matrix --execgo-resume run"
    )
    elsewhere = not_run_line(run, ["--execgo-reports", "my reports"])
    assert elsewhere.endswith("--execgo-matrix --execgo-reports 'my reports' --execgo-resume run")
    assert not_run_line(result([trial(0)], [missing(1, "skipped")])) == ""


def test_the_terminal_leaves_out_cells_of_which_nothing_ran() -> None:
    run = result([], [missing(1, "not_run")])
    assert terminal_table(run, 80).rows == []
    assert "| s " in cell_table(run)


def test_what_decides_comes_first_and_details_are_folded() -> None:
    gates = (
        GateRecord(expression="failed > 0", verdict="BLOCK", reason="it is 1"),
        GateRecord(expression="errors > 0", verdict="PASS", reason="it is 0"),
    )
    report = result([faulty(), trial(1, "failed", explanation=[])], [], controls=[HELD])
    report = report.model_copy(update={"gates": gates, "comparison": compare(report, report)})
    lines = markdown(report)
    assert lines[4:9] == [
        "- **BLOCK**: `failed > 0`: it is 1",
        "- PASS: `errors > 0`: it is 0",
        lines[6],
        "- 1 × none/x: m",
        "",
    ]
    assert lines[6].startswith("- compared with run: INCONCLUSIVE: success rate")
    titles = [line for line in lines if line.startswith("<details>")]
    assert [title.removeprefix("<details><summary>")[:10] for title in titles][:2] == [
        "Faults</su", "s-f-replay"
    ]  # fmt: skip
    assert lines.count("</details>") == len(titles)


def test_a_long_table_and_many_failures_are_folded() -> None:
    cells = [
        trial(0, "failed").model_copy(
            update={
                "cell_id": f"s-f-replay-c{k}",
                "chaos": f"c{k}",
                "trial_id": f"s-f-replay-c{k}-r0",
            }
        )
        for k in range(21)
    ]
    lines = markdown(result(cells, []))
    assert "<details><summary>Cells</summary>" in lines
    assert sum(line.startswith("### s-f-replay") for line in lines) == 5
    folded = [line for line in lines if line.startswith("<details><summary>s-f-replay")]
    assert len(folded) == 16
    assert folded[0].endswith("-r0: failed: none/x: m</summary>")
