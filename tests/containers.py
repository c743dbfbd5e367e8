"""Helpers for tests of containers: engine, Python image, and a check that nothing remains.

Without a Docker engine these tests are skipped with the reason; with
``EXECGO_TEST_CONTAINERS=required``, as in CI, they fail.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from time import monotonic, sleep
from typing import NoReturn

import docker
import pytest
from docker.errors import DockerException, ImageNotFound

from pytest_execgo.errors import UsageError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.containers import leftovers
from pytest_execgo.harness.containers.engine import engine
from pytest_execgo.harness.containers.images.sources import DEFAULT_PYTHON_IMAGE
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from pytest_execgo.harness.service import SERVICE_NAMES, LaunchSettings

PYTHON_IMAGE = os.environ.get("EXECGO_TEST_PYTHON_IMAGE", DEFAULT_PYTHON_IMAGE)
LAUNCHERS = Registry.build().launchers
ALL_LINKS = frozenset(SERVICE_NAMES)


@cache
def why_not() -> str | None:
    """Why no containers can be created here; ``None`` if they can."""
    try:
        client = engine()
    except UsageError as error:
        return str(error)
    try:
        client.images.get(PYTHON_IMAGE)
    except ImageNotFound:
        return f"the image {PYTHON_IMAGE} is missing: docker pull {PYTHON_IMAGE}"
    except DockerException as error:
        return str(error)
    return None


def need_engine() -> None:
    """Without an engine, skip the test, or fail it if containers are required."""
    reason = why_not()
    if reason:
        _give_up(reason)


def _give_up(reason: str) -> NoReturn:
    if os.environ.get("EXECGO_TEST_CONTAINERS") == "required":
        pytest.fail(f"containers are required here: {reason}", pytrace=False)
    pytest.skip(reason)


def spec(*choices: tuple[str, str], **options: object) -> FleetSpec:
    """The spec of a fleet of containers; ``choices`` are for single services."""
    settings = LaunchSettings(PYTHON_IMAGE)
    return FleetSpec("container", choices, settings=settings, **options)  # type: ignore[arg-type]


def fleet(*choices: tuple[str, str], **options: object) -> Fleet:
    return Fleet(spec(*choices, **options), LAUNCHERS)


def ours() -> set[str]:
    """Names of all containers and networks of pytest-execgo."""
    client = docker.from_env()
    try:
        found: set[str] = set()
        for label in (leftovers.FLEET, leftovers.PERSISTENT):
            filters = {"label": label}
            containers = client.containers.list(all=True, filters=filters, ignore_removed=True)
            found |= {one.name for one in containers}
            found |= {one.name for one in client.networks.list(filters=filters)}
        return found
    finally:
        client.close()


def nothing_left(tmp_path: Path) -> Iterator[None]:
    """The body of a fixture: fail if the test leaves a container or network; remove its images."""
    need_engine()
    before = mine()
    yield
    remove_images_of(tmp_path)
    assert mine() <= before


def remove_images_of(folder: Path) -> None:
    """Remove the images that were built from folders below ``folder``."""
    for image in engine().images.list(filters={"label": "pytest-execgo.of"}):
        if str(folder) in image.labels["pytest-execgo.of"]:
            engine().images.remove(image.id, force=True)


def mine() -> set[str]:
    """Names of the containers and networks of this process, without those of other workers."""
    return {name for name in ours() if name.startswith(f"execgo-fleet-{os.getpid()}-")}


def write_image(folder: Path, *lines: str) -> str:
    """Write a Dockerfile on the Python image; returns the folder as a choice ``container:build:…``."""
    folder.mkdir(parents=True, exist_ok=True)
    # The tag of an image is the hash of its content: the label makes it unique.
    label = f'LABEL test="{folder}"'
    text = "\n".join([f"FROM {PYTHON_IMAGE}", label, *lines]) + "\n"
    (folder / "Dockerfile").write_text(text)
    return f"container:build:{folder}"


TINY_ENGINE = """\
import json, os
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        runtime = os.environ.get("EXECGO_RUNTIME_URL")
        body = json.dumps({"status": "ok", "version": "v1.0.0", "runtime": runtime})
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.end_headers()
        self.wfile.write(body.encode())

port = int(os.environ.get("EXECGO_ADDR", ":8080").rpartition(":")[2])
HTTPServer(("0.0.0.0", port), Handler).serve_forever()
"""


def write_tiny_engine(folder: Path) -> str:
    """A checkout of an engine that answers health checks only; returns it as a choice."""
    target = write_image(folder, "COPY engine.py /engine.py", 'CMD ["python3", "/engine.py"]')
    (folder / "engine.py").write_text(TINY_ENGINE)
    return target


def await_(condition: Callable[[], object], seconds: float = 60) -> None:
    """Wait for a condition; fails if it stays false for ``seconds``."""
    deadline = monotonic() + seconds
    while not condition():
        assert monotonic() < deadline, "the condition never came true"
        sleep(0.01)
