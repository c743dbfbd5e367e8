"""The table of options: it fits the request, makes the rerun command, and is shown in the docs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.models.context import MOST_SECONDS
from pytest_execgo.models.document import Document
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.options.page import with_table
from pytest_execgo.options.table import OPTIONS, Option
from pytest_execgo.options.values import (
    DAY_SECONDS,
    Decimal,
    KnownFinding,
    Name,
    Repetitions,
    RunId,
    Seconds,
    ServiceArguments,
    ServiceLauncher,
    Text,
    Url,
    Value,
    Whole,
)
from pytest_execgo.plugin.rerun import request_words

PAGE = Path(__file__).parents[2] / "docs/options.md"
MODEL = {"provider": "p", "model": "m"}
WRONG = {
    Whole: ["x", "-1", "1.5", "²", ""],
    Decimal: ["x", "-1", "nan", "inf"],
    Seconds: ["x", "0", "-1", "nan", "86401"],
    Url: ["localhost", "ftp://h", "http://h:0", "http://u:p@h", "http://h/chat/completions"],
    ServiceLauncher: ["execgo", "execgo=", "=embedded"],
    ServiceArguments: ["runtime", "runtime=", "runtime= ", "=-v", "runtime='-v", "runtime=-v \\"],
    KnownFinding: ["id", "id= ", "=reason"],
    Repetitions: ["0", "auto:0", "auto:", "auto", "-1", "1.5", "auto:40:2"],
    RunId: ["latest", "../up", ".hidden", "-x", "a b", "x" * 81],
}
OTHER = {
    Whole: ["3"],
    Decimal: ["0.5"],
    Seconds: ["7.5"],
    Url: ["http://127.0.0.1:9/v1"],
    ServiceLauncher: ["execgo=binary:a=b", "runtime=embedded"],
    ServiceArguments: ["runtime=--a=b 'c d' \"\"", "runtime=-e", "execgo=-max-concurrency 20"],
    KnownFinding: ["some-finding=reported = #7"],
    RunId: ["nightly-2.1"],
    Repetitions: ["auto:40", "3"],
    Name: ["replay"],
    Text: ["some text"],
}
"""Texts for each kind of value that no option has as its default."""

with_field = pytest.mark.parametrize(
    "option", [one for one in OPTIONS if one.field], ids=lambda option: option.name
)


def field_of(document: type[Document], path: str) -> Any:
    """The annotation of a dotted path."""
    name, _, rest = path.partition(".")
    annotation = document.model_fields[name].annotation
    if not rest:
        return annotation
    kinds = (annotation, *getattr(annotation, "__args__", ()))
    inner = [one for one in kinds if isinstance(one, type) and issubclass(one, Document)]
    return field_of(inner[0], rest)


@with_field
def test_the_field_of_an_option_exists_in_the_request(option: Option) -> None:
    assert option.field
    field_of(BenchmarkRunRequest, option.field)


def test_every_field_of_the_request_has_an_option() -> None:
    found = {(option.field or "").partition(".")[0] for option in OPTIONS} - {""}
    # The option for repetitions sets "adaptive" as well: auto:N.
    assert found == set(BenchmarkRunRequest.model_fields) - {"schema_version", "adaptive"}


def test_names_are_unique() -> None:
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)


@pytest.mark.parametrize(
    "option",
    [one for one in OPTIONS if one.field and one.rerun != "never"],
    ids=lambda option: option.name,
)
def test_a_rerun_command_repeats_what_differs_from_the_default(option: Option) -> None:
    """Reading the repeated words gives the value again."""
    assert option.rerun != "never"
    words = OTHER[type(option.value)]
    value = option.read(words if option.kind == "many" else words[0])
    document: dict[str, Any] = {"schema_version": "1", "model": dict(MODEL)}
    *outer, name = (option.field or "").split(".")
    place = document
    for key in outer:
        place = place.setdefault(key, {})
    place[name] = value
    repeated = request_words(BenchmarkRunRequest.model_validate(document), option.rerun)
    own = [
        word
        for flag, word in zip(repeated[::2], repeated[1::2], strict=True)
        if flag == option.flag
    ]
    assert option.read(own if option.kind == "many" else own[0]) == value


@pytest.mark.parametrize("when", ["always", "live"])
def test_a_rerun_command_leaves_defaults_out(when: Any) -> None:
    assert request_words(BenchmarkRunRequest(schema_version="1"), when) == ()


@pytest.mark.parametrize(
    "option", [one for one in OPTIONS if type(one.value) in WRONG], ids=lambda option: option.name
)
def test_a_wrong_value_is_one_line_that_names_the_option(option: Option) -> None:
    for text in WRONG[type(option.value)]:
        with pytest.raises(UsageError, match=rf"^{option.flag}\b[^\n]*$"):
            option.read([text] if option.kind == "many" else text)


def test_every_kind_of_value_is_covered_by_these_tests() -> None:
    kinds = set(Value.__subclasses__())
    assert set(OTHER) == kinds
    assert set(WRONG) == kinds - {Name, Text}


def test_arguments_of_a_service_are_split_as_a_shell_does_and_appended() -> None:
    given = ServiceArguments()
    pairs = [given.read("--x", text) for text in OTHER[ServiceArguments]]
    assert given.collect(pairs) == {
        "runtime": ["--a=b", "c d", "", "-e"],
        "execgo": ["-max-concurrency", "20"],
    }


def test_a_password_in_a_url_is_not_printed() -> None:
    with pytest.raises(UsageError) as caught:
        Url().read("--x", "http://me:secret@host/v1")
    assert "secret" not in str(caught.value)


def test_the_longest_time_is_that_of_the_documents() -> None:
    assert DAY_SECONDS == MOST_SECONDS


def test_the_documentation_shows_the_table() -> None:
    """To update it: python -m pytest_execgo.options.page docs/options.md"""
    text = PAGE.read_text()
    assert text == with_table(text)
