"""Source paths: JMESPath, JSON inside text, dotted numbers."""

from __future__ import annotations

import pytest

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
