"""The codes of causes: what users expect is checked against them, and the docs list them."""

from __future__ import annotations

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.models.cause import ExpectedCause, Layer
from pytest_execgo.models.messages import Source
from pytest_execgo.scenario.findings import load_findings
from pytest_execgo.verdict.codes import check_causes, known_codes
from tests.codes_page import PAGE, updated


def test_the_page_lists_the_codes_of_the_rules() -> None:
    """To update it: python -m tests.codes_page"""
    assert PAGE.read_text() == updated(PAGE.read_text())


def test_every_layer_has_codes() -> None:
    assert all(known_codes().values())


def test_every_code_of_a_list_is_checked() -> None:
    cause = ExpectedCause.model_validate(
        {"layer": "engine", "code": ["process_exited", "proces_exited"]}
    )
    with pytest.raises(UsageError, match="no rule names engine/proces_exited"):
        check_causes([cause], Source("p.yaml").part("expected_cause"))


@pytest.mark.parametrize(
    ("layer", "code", "message"),
    [
        (
            "engine",
            "proces_exited",
            "no rule names engine/proces_exited; did you mean 'process_exited'",
        ),
        ("fixture", "whatever", r"no rule names fixture/whatever \(allowed: altered, .*\)$"),
        ("task", "exit_nonzero", "did you mean 'exit_non_zero'"),
        ("adapter", "model_eror", "did you mean 'model_error'"),
    ],
)
def test_a_code_that_no_rule_names_is_refused(layer: Layer, code: str, message: str) -> None:
    with pytest.raises(UsageError, match=f"^p.yaml: expected_cause: .*{message}"):
        check_causes(
            [ExpectedCause(layer=layer, code=code)], Source("p.yaml").part("expected_cause")
        )


@pytest.mark.parametrize(
    ("layer", "code"),
    [
        ("adapter", "quota_of_my_gateway"),
        ("engine", "http_507"),
        ("runtime", "gpu_lost"),
        ("dsl", None),
    ],
)
def test_codes_of_others_and_families_are_accepted(layer: Layer, code: str | None) -> None:
    check_causes([ExpectedCause(layer=layer, code=code)], Source("p.yaml").part("expected_cause"))


def test_findings_of_the_package_expect_codes_that_exist() -> None:
    for finding in load_findings().values():
        check_causes(finding.causes, Source(finding.id))
