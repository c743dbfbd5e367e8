"""Messages for users are one short line, whatever they quote."""

from __future__ import annotations

import json
import pickle
from pathlib import Path

import pytest

from pytest_execgo.errors import UsageError
from pytest_execgo.models.chaos import ChaosProfile
from pytest_execgo.models.document import load
from pytest_execgo.scenario.manifest import _VERSIONS, _inspect_schema
from tests.ids import readable

QUOTED = [
    "x" * 100_000,
    "\x1b[2J" * 5000,
    "a\nb\r\n\x00",
    "\u2028\x85",
    "\ud800",
    "\U000e0041" * 3000,
]


@pytest.mark.parametrize("quoted", QUOTED, ids=readable)
def test_a_message_is_one_line_of_limited_length(quoted: str) -> None:
    message = str(UsageError(f"scenario.yaml: prompts.user: no such file: ({quoted})"))
    assert len(message) <= 2000
    assert message.isprintable()
    assert message.startswith("scenario.yaml: prompts.user: no such file: (")
    assert (
        message == str(UsageError(message)) == str(pickle.loads(pickle.dumps(UsageError(message))))
    )


@pytest.mark.parametrize(
    "version", ["x" * 5000, [None] * 1000, "9" * 5000, "²", True, "\x1b"], ids=readable
)
def test_a_wrong_version_is_shown_short(tmp_path: Path, version: object) -> None:
    # Python converts no text of more than 4300 digits to a number.
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"schema_version": version}))
    with pytest.raises(UsageError) as raised:
        load(ChaosProfile, path)
    assert "schema_version" in str(raised.value)
    assert len(str(raised.value)) < 400


@pytest.mark.parametrize("named", ["http://json-schema.org/draft-99/schema#", "", 7, ["a"]])
def test_an_unknown_version_of_json_schema_is_refused(tmp_path: Path, named: object) -> None:
    path = tmp_path / "x.schema.json"
    path.write_text(json.dumps({"$schema": named}))
    with pytest.raises(UsageError, match=r"\$schema: unknown version of JSON Schema"):
        _inspect_schema(path)


@pytest.mark.parametrize("named", _VERSIONS)
def test_the_versions_that_the_message_names_are_allowed(tmp_path: Path, named: str) -> None:
    path = tmp_path / "x.schema.json"
    path.write_text(json.dumps({"$schema": named, "type": "object"}))
    _inspect_schema(path)
