"""Whose a container or network is, and removing those whose run is gone.

Everything we make carries labels: the fleet's token, and the process that owns it. Owners are told by
process id, start time, pid namespace and boot, so that neither a number that was given again nor a run
in another container is mistaken for a dead one.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import APIError

from pytest_execgo.harness.docker_engine import engine
from pytest_execgo.harness.locks import BUILDING, held_if_free

FLEET = "pytest-execgo.fleet"
SERVICE = "pytest-execgo.service"
OWNER = "pytest-execgo.owner"
ROOT = "pytest-execgo.root"
KEPT = "pytest-execgo.kept"
IMAGE = "pytest-execgo.image"
IMAGE_NAME = "pytest-execgo.image-name"
PORT = "pytest-execgo.port"
VERSION = "pytest-execgo.version"
PATH = "pytest-execgo.path"


def owned(token: str, root: Path) -> dict[str, str]:
    """The labels of what belongs to a fleet of this process."""
    return {FLEET: token, OWNER: _identity(os.getpid()), ROOT: str(root)}


def remove_fleet(token: str) -> None:
    """Remove the containers and networks of a fleet."""
    remove_labelled(f"{FLEET}={token}")


def remove_labelled(label: str) -> None:
    """Remove the containers and networks that carry a label."""
    _remove(label, lambda labels: True)


def remove_orphans() -> list[str]:
    """Remove what runs left behind that were killed together with their reapers: containers, networks,
    folders, and layers of builds of ours that were never finished. Returns the tokens of their
    fleets."""
    gone = _remove(FLEET, lambda labels: _is_dead(labels.get(OWNER, "")))
    with held_if_free(BUILDING) as nobody_builds:
        if nobody_builds:
            _remove_unfinished_images()
    for labels in gone:
        remove_root(labels)
    return sorted({labels[FLEET] for labels in gone})


def _remove_unfinished_images() -> None:
    for image in engine().images.list(filters={"label": IMAGE, "dangling": True}):
        with suppress(APIError):
            engine().images.remove(image.id)


def remove_root(labels: dict[str, str]) -> None:
    """Remove the folder that a fleet's labels name, if it looks like one."""
    folder = Path(labels.get(ROOT, ""))
    if folder.name.startswith(("execgo-fleet-", "execgo-kept-")):
        shutil.rmtree(folder, ignore_errors=True)


def _remove(label: str, wanted: Any) -> list[dict[str, str]]:
    """Remove containers, then networks, with a label and labels that are wanted; returns those."""
    client = engine()
    filters = {"label": label}
    found: list[dict[str, str]] = []
    for things in (
        client.containers.list(all=True, filters=filters, ignore_removed=True),
        client.networks.list(filters=filters),
    ):
        chosen = [(thing, labels) for thing in things if wanted(labels := _labels(thing))]
        found += [labels for _, labels in chosen]
        _remove_all(thing for thing, _ in chosen)
    return found


def _labels(thing: Any) -> dict[str, str]:
    attrs = thing.attrs
    return dict(attrs.get("Labels") or attrs.get("Config", {}).get("Labels") or {})


def _remove_all(things: Iterable[Any]) -> None:
    chosen = list(things)
    if not chosen:
        return
    with ThreadPoolExecutor(len(chosen)) as pool:
        list(pool.map(_remove_one, chosen))


def _remove_one(thing: Any) -> None:
    # Another worker may be at it as well, or it has just gone.
    with suppress(APIError):
        if hasattr(thing, "kill"):
            thing.remove(force=True, v=True)
        else:
            thing.remove()


def _identity(pid: int) -> str:
    """Process, start in clock ticks since boot, pid namespace, boot; raises ``OSError``."""
    # Not psutil's create_time: it moves when the clock of the machine is set.
    began = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    return f"{pid}/{began}/{_pid_namespace()}/{_boot()}"


def _is_dead(owner: str) -> bool:
    pid, _, rest = owner.partition("/")
    if not pid.isdigit() or rest.count("/") != 2:
        return False
    _, namespace, boot = rest.split("/")
    if boot != _boot():
        return True
    if namespace != _pid_namespace():
        # A run in another container: nothing is known of it from here.
        return False
    try:
        return _identity(int(pid)) != owner
    except OSError:
        return True


def _pid_namespace() -> str:
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return "-"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "-"
