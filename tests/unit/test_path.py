"""Source paths: JMESPath, JSON inside text, dotted numbers."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_execgo.models import path as path_module
from pytest_execgo.models.path import PathError, check_path, search

DOCUMENT = {
    "runtime": {"output": {"files": ["a", "b"], "stdout": '{"n": 3, "list": [1, 2]}', "x.1": 9}},
    "none": None,
}


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("runtime.output.files.0", "a"),
        ("runtime.output.files[1]", "b"),
        ("from_json(runtime.output.stdout).n", 3),
        ("from_json(runtime.output.stdout).list.1", 2),
        ("length(from_json(runtime.output.stdout).list)", 2),
        ('runtime.output."x.1"', 9),
        ("runtime.output.nothing", None),
        ("from_json(none)", None),
        ("runtime.output.files | [?@ == 'b'] | [0]", "b"),
    ],
)
def test_values(path: str, value: object) -> None:
    assert search(path, DOCUMENT) == value


def test_text_other_than_json_is_explained() -> None:
    with pytest.raises(PathError, match="not JSON"):
        search("from_json(@)", "Traceback …")


@pytest.mark.parametrize("path", ["", "a..b", "from_json(", "a["])
def test_a_path_that_does_not_compile_is_refused(path: str) -> None:
    with pytest.raises(PathError, match="is not a JMESPath expression"):
        check_path(path)


def test_a_wrong_type_is_an_error_with_the_path_in_it() -> None:
    with pytest.raises(PathError, match=r"^length\(@\): "):
        search("length(@)", 3)


BIG = {"texts": ["x" * 1000] * 1000, "deep": "[" * 201 + "]" * 201, "list": list(range(1000))}


def test_result_of_a_whole_large_document_is_allowed() -> None:
    assert search("list", {"list": list(range(100_000))})[-1] == 99_999


@pytest.mark.parametrize(
    ("path", "problem"),
    [
        (" | ".join(["[@,@,@,@,@,@,@,@,@,@]"] * 8), "value of"),
        ("list | " + " | ".join(["[@,@][]"] * 40), "value of"),
        ("texts[0] | " + " | ".join(["join('', [@,@])"] * 40), "value of"),
        ("join(join('', texts), list[].to_string(@))", "in all"),
        (f"list[].[{','.join(['`[1,2,3,4]`'] * 200)}][].[{','.join('@' * 50)}]", "value of"),
        ("list[].{a: @, b: @} | " + " | ".join(["{a: @, b: @}"] * 30), "value of"),
        ("list | " + " | ".join(["to_string([@,@])"] * 40), "in all"),
        (" | ".join(["[@]"] * 250), "levels"),
        ("from_json(deep)", "levels"),
        ("list[::0]", "ValueError"),
        ("sum(from_json('[1e308, 1e308]')) | to_string(@) | abs(@)", "abs"),
    ],
    ids=[
        "shared", "flattened", "joined", "separators", "literals", "mappings", "escaped", "depth",
        "json", "step", "infinity",
    ],
)  # fmt: skip
def test_value_that_a_path_multiplies_is_refused(
    monkeypatch: pytest.MonkeyPatch, path: str, problem: str
) -> None:
    # On a busy machine, the time limit would come first.
    monkeypatch.setattr(path_module, "monotonic", lambda: 0.0)
    with pytest.raises(PathError, match=problem):
        search(path, BIG)


def test_path_has_a_time_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(1000))
    monkeypatch.setattr(path_module, "monotonic", lambda: next(now))
    with pytest.raises(PathError, match=r"^list\[\]: the path takes more than 5 s$"):
        search("list[]", BIG)


@pytest.mark.parametrize("path", ["(" * 4000 + "a", "a" * 5000, "!" * 4000, "[" * 4000])
def test_path_that_is_too_long_or_deep_is_refused(path: str) -> None:
    with pytest.raises(PathError) as error:
        check_path(path)
    assert len(str(error.value)) < 5000


def test_document_that_cannot_be_read_is_no_exception_of_another_type() -> None:
    value: Any = 10**400
    with pytest.raises(PathError):
        search("avg([@])", value)
