"""The table of cells on terminals of different widths."""

from __future__ import annotations

import pytest

from pytest_execgo.benchmark.reports.terminal import MOST_ROWS, TerminalTable, terminal_table
from pytest_execgo.models.trial_result import TrialResult
from tests.results import result, trial


def of(scenario: str, chaos: str, status: str = "passed", framework: str = "f") -> TrialResult:
    cell = f"{scenario}-{framework}-replay-{chaos}"
    names = {"scenario": scenario, "chaos": chaos, "framework": framework, "cell_id": cell}
    recovery = "recovered" if chaos != "none" else "not_needed"
    one = trial(0, status, recovery=recovery)
    return one.model_copy(update={**names, "trial_id": f"{cell}-r0"})


def shown(trials: list[TrialResult], width: int = 200, *, all_rows: bool = False) -> list[str]:
    table = terminal_table(result(trials, []), width, all_rows=all_rows)
    return [table.caption, *map(table.text, table.rows)]


MANY = [of(s, f"profile_{n:02}") for s in ("a_scenario", "other") for n in range(MOST_ROWS)]


def test_constant_columns_and_empty_columns_are_left_out() -> None:
    assert shown([of("s", "none")]) == [
        "framework f · mode replay",
        "scenario  chaos  passed  wall p50  engine  overhead",
        "s         none      1/1      0 ms    1 ms      1 ms",
    ]


def test_a_column_with_several_values_is_shown() -> None:
    caption, head, *_ = shown([of("s", "none"), of("s", "none", framework="g")])
    assert caption == "mode replay"
    assert head.split()[:3] == ["scenario", "framework", "chaos"]


def test_green_rows_of_a_long_table_are_folded() -> None:
    red = of("other", "kill", "failed")
    lines = shown([*MANY, red])
    assert [line.split()[:3] for line in lines[2:]] == [
        ["a_scenario", "8", "profiles"], ["other", "8", "profiles"], ["other", "kill", "0/1"],
    ]  # fmt: skip
    assert len(shown([*MANY, red], all_rows=True)) == 2 + len(MANY) + 1
    assert len(shown(MANY[:MOST_ROWS])) == 2 + MOST_ROWS


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_no_line_is_wider_than_the_terminal(width: int) -> None:
    long = of("a_scenario_with_a_very_long_name_" * 2, "a_profile_with_a_long_name_" * 2, "failed")
    lines = shown([*MANY, long], width)
    assert max(map(len, lines)) <= width
    assert all("passed" in line for line in lines[1:2])


def test_a_narrow_terminal_shows_what_matters() -> None:
    _, head, *_ = shown([of("scenario_of_shop", "fixture_wrong_value", "failed")], 60)
    assert head.split() == ["scenario", "chaos", "passed", "recovered"]
    _, wide, *_ = shown([of("scenario_of_shop", "fixture_wrong_value")], 200)
    assert {"overhead", "engine", "recovered"} <= set(wide.split())


def states(table: TerminalTable) -> list[str]:
    return [row.state for row in table.rows]


def test_each_row_has_the_colour_of_its_state() -> None:
    found = terminal_table(result([of("s", "none"), of("s", "kill", "failed")], []), 80)
    assert sorted(states(found)) == ["", "green", "red"]


def test_a_run_without_trials_has_no_table() -> None:
    assert shown([]) == [""]
