"""Files of the desktop client that must agree with those of the Python package."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

from pytest_execgo.models.stream import PROTOCOL, STREAM_LINE
from pytest_execgo.models.viewer import ViewerIndex, ViewerTrial

ROOT = Path(__file__).parents[2]
TAURI = ROOT / "desktop-client/src-tauri"


def test_client_and_package_have_one_version() -> None:
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    crates = tomllib.loads((TAURI / "Cargo.toml").read_text())
    assert crates["workspace"]["package"]["version"] == version
    locked = tomllib.loads((TAURI / "Cargo.lock").read_text())["package"]
    own = {one["version"] for one in locked if one["name"].startswith("pytest-execgo-desktop")}
    assert own == {version}
    assert "version" not in json.loads((TAURI / "tauri.conf.json").read_text())


def test_client_and_package_have_one_protocol() -> None:
    assert f"pub const PROTOCOL: u32 = {PROTOCOL};" in (TAURI / "core/src/stream.rs").read_text()


def test_the_recorded_run_of_the_mock_has_documents_of_this_version() -> None:
    recorded = json.loads((ROOT / "desktop-client/ui/src/mock/run.json").read_text())
    pieces = dict(recorded["pieces"])
    index = ViewerIndex.model_validate(pieces.pop("index"))
    assert set(pieces) == set(index.trials.trial_id)
    for piece in pieces.values():
        ViewerTrial.model_validate(piece)
    events = (TAURI / "core/tests/data/events.ndjson").read_text().splitlines()
    for text in (*recorded["events"], *events):
        STREAM_LINE.validate_json(text)


def test_the_window_may_load_nothing_from_elsewhere() -> None:
    config = json.loads((TAURI / "tauri.conf.json").read_text())
    policy = config["app"]["security"]["csp"]
    assert policy.startswith("default-src 'self'; connect-src ipc: http://ipc.localhost;")
    assert "unsafe" not in policy
    assert "devUrl" not in config["build"]
    assert not config["app"]["withGlobalTauri"]
