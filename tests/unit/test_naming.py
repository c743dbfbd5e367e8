"""Names of scenarios in trial ids, and the trial of a pytest id."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_execgo.models.trial import Cell, Trial
from pytest_execgo.plugin.naming import ScenarioNames, manifests, selecting_id

ROOT = Path("/project")
ONE, TWO = (ROOT / f"{package}/scenarios/greet/scenario.yaml" for package in "ab")
OWN = ROOT / "scenarios/greet/scenario.yaml"
ITEM = "reference-replay-none-r0"


def names(*files: Path) -> ScenarioNames:
    return ScenarioNames(ROOT, {"greet": OWN}, files)


def test_a_name_that_occurs_once_is_the_name_of_the_folder() -> None:
    assert names(ONE, ONE).of_file(ONE) == "greet"
    assert not names(ONE).changed


@pytest.mark.parametrize("files", [(ONE, TWO), (TWO, ONE)], ids=["a_first", "b_first"])
def test_two_scenarios_of_one_name_get_names_that_do_not_depend_on_the_order(
    files: tuple[Path, Path],
) -> None:
    found = names(*files)
    assert (found.of_file(ONE), found.of_file(TWO)) == ("greet_584fd3", "greet_57d788")
    assert found.trial_id(f"a/scenarios/greet/scenario.yaml::{ITEM}") == f"greet_584fd3-{ITEM}"
    assert found.trial_id(f"b/scenarios/greet/scenario.yaml::{ITEM}") == f"greet_57d788-{ITEM}"


def test_the_scenario_of_the_scenarios_folder_keeps_its_name() -> None:
    found = names(ONE, OWN)
    assert found.of_file(OWN) == "greet"
    assert list(found.changed.values()) == [ONE]


def test_scenarios_outside_the_root_folder_have_different_pytest_ids() -> None:
    files = [Path(f"/elsewhere/{one}/greet/scenario.yaml") for one in "ab"]
    found = names(*files)
    ids = [found.file_id(path) for path in files]
    assert len(set(ids)) == 2
    assert [found.trial_id(f"{one}::{ITEM}") for one in ids] == [
        f"{found.of_file(path)}-{ITEM}" for path in files
    ]


@pytest.mark.parametrize(
    ("item", "trial"),
    [
        (ITEM, ITEM),
        (f"{ITEM}@one", ITEM),
        (f"{ITEM}@a@b::c-r7", ITEM),
        ("my-own-frame-work-live-kill-r12@x y", "my-own-frame-work-live-kill-r12"),
    ],
    ids=["plain", "group", "strange_group", "hyphens"],
)
def test_a_group_of_xdist_is_no_part_of_the_trial_id(item: str, trial: str) -> None:
    assert names().trial_id(f"scenarios/greet/scenario.yaml::{item}") == f"greet-{trial}"


@pytest.mark.parametrize(
    "node_id",
    ["tests/test_x.py::test_y", "scenarios/greet/scenario.yaml::yamllint", f"other.yaml::{ITEM}"],
    ids=["test", "other_item", "other_file"],
)
def test_an_id_of_another_plugin_is_no_trial(node_id: str) -> None:
    assert names().trial_id(node_id) is None


@pytest.mark.parametrize(
    ("name", "node_id", "expected"),
    [
        ("test_x", "test_a.py::test_x@one", "test_a.py::test_x"),
        ("test_x[a@b]", "test_a.py::test_x[a@b]@one@two", "test_a.py::test_x[a@b]"),
        ("test_x[a@b]", "test_a.py::test_x[a@b]", "test_a.py::test_x[a@b]"),
        ("test_x", "test_a.py::test_x", "test_a.py::test_x"),
    ],
    ids=["group", "parameter_and_group", "parameter", "plain"],
)
def test_a_group_of_xdist_is_no_part_of_a_rerun_command(
    name: str, node_id: str, expected: str
) -> None:
    """xdist changes the ids of items before pytest 9.2."""
    assert selecting_id(name, node_id) == expected


def test_a_renamed_trial_keeps_its_random_draws() -> None:
    trial = Trial(Cell("greet", "reference", "replay", "none"), 0)
    other = trial.renamed("greet_584fd3")
    assert other.trial_id == f"greet_584fd3-{ITEM}"
    assert other.rng_key == trial.rng_key == f"greet-{ITEM}"
    assert trial.renamed("greet") is trial


def test_manifests_are_found_in_files_and_folders(tmp_path: Path) -> None:
    for place in ("a/scenarios/greet", "a/node_modules/x", "b/scenarios/greet"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "scenario.yaml").touch()
    arguments = ["a", f"b/../b/scenarios/greet/scenario.yaml::{ITEM}", "missing", "test_x.py"]
    found = list(manifests(arguments, tmp_path, ["node_modules"]))
    assert found == [tmp_path / f"{one}/scenarios/greet/scenario.yaml" for one in "ab"]
