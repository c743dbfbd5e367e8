"""The options that a rerun command must repeat, from the command line or from a request file."""

from __future__ import annotations

from typing import Any, Literal

import pytest

from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.options.table import OPTIONS, Option
from pytest_execgo.plugin import options


def rerun_options(config: pytest.Config, request: BenchmarkRunRequest) -> tuple[str, ...]:
    """What the rerun command of every trial repeats."""
    words: list[str] = []
    for option in OPTIONS:
        if option.rerun == "always" and option.field is None:
            given = options.given(config, option.name)
            words += option.arguments([] if given is None else [given])
    return (*words, *request_words(request, "always"))


def live_options(request: BenchmarkRunRequest) -> tuple[str, ...]:
    """What the rerun command of a live trial repeats as well."""
    return request_words(request, "live") if request.model else ()


def request_words(request: BenchmarkRunRequest, when: Literal["always", "live"]) -> tuple[str, ...]:
    """The options that differ from their default in ``request``."""
    values = request.model_dump(mode="json")
    defaults = BenchmarkRunRequest(schema_version="1").model_dump(mode="json")
    words: list[str] = []
    for option in OPTIONS:
        if option.field and option.rerun == when:
            value = _at(values, option)
            if value is not None and value != _at(defaults, option):
                words += option.arguments(option.value.words(value))
    return tuple(words)


def _at(document: Any, option: Option) -> Any:
    for key in (option.field or "").split("."):
        document = document.get(key) if document else None
    return document
