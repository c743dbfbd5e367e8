"""Owners of containers and networks, and the removal of those whose run was killed.

Every container and network of this plugin has labels: the user, the fleet's token, and the owning
process. A process is identified by its id, start time, pid namespace and boot id: PIDs are reused, and a
process in another container is not visible here. Containers of other users are never removed.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from docker.errors import APIError, NotFound

from pytest_execgo.errors import HarnessError
from pytest_execgo.files.workspace import remove_tree
from pytest_execgo.harness.containers.engine import DOCKER_ERRORS, engine
from pytest_execgo.harness.containers.locks import BUILDING, held_if_free

FLEET = "pytest-execgo.fleet"
SERVICE = "pytest-execgo.service"
USER = "pytest-execgo.user"
OWNER = "pytest-execgo.owner"
ROOT = "pytest-execgo.root"
PERSISTENT = "pytest-execgo.persistent"
IMAGE = "pytest-execgo.image"
IMAGE_NAME = "pytest-execgo.image-name"
PORT = "pytest-execgo.port"
VERSION = "pytest-execgo.version"
PATH = "pytest-execgo.path"


def owned(token: str, root: Path) -> dict[str, str]:
    """The labels of a container or network in a fleet of this process."""
    return {**of_user(), FLEET: token, OWNER: _identity(os.getpid()), ROOT: str(root)}


def of_user() -> dict[str, str]:
    """The label with the id of this user."""
    return {USER: str(os.getuid())}


def labelled(label: str) -> list[Any]:
    """This user's containers, then networks, with ``label`` (a name or ``name=value``)."""
    filters = {"label": [label, *(f"{name}={value}" for name, value in of_user().items())]}
    client = engine()
    return [
        *client.containers.list(all=True, filters=filters, ignore_removed=True),
        *client.networks.list(filters=filters),
    ]


def labels_of(thing: Any) -> dict[str, str]:
    attrs = thing.attrs
    return dict(attrs.get("Labels") or attrs.get("Config", {}).get("Labels") or {})


def remove_fleet(token: str) -> None:
    """Remove the containers and networks of a fleet; raises :class:`HarnessError` if one remains."""
    remove_labelled(f"{FLEET}={token}")


def remove_labelled(label: str) -> None:
    """Remove the containers and networks with ``label``; raises :class:`HarnessError` if one remains."""
    _remove(label, lambda labels: True)
    left = [str(thing.name) for thing in labelled(label)]
    if left:
        raise HarnessError(
            f"Docker did not remove {', '.join(left)}; something else may be attached; remove it with "
            f"docker rm -f or docker network rm"
        )


def remove_orphans() -> list[str]:
    """Remove what remains of runs that were killed together with their reapers.

    These are containers, networks, folders, and layers of unfinished builds. Returns the tokens of their
    fleets.
    """
    gone = _remove(FLEET, lambda labels: _is_dead(labels.get(OWNER, "")))
    with held_if_free(BUILDING) as no_build_runs:
        if no_build_runs:
            _remove_unfinished_images()
    for labels in gone:
        remove_root(labels)
    return sorted({labels[FLEET] for labels in gone})


def orphans() -> list[str]:
    """Names of containers and networks whose run was killed."""
    found = labelled(FLEET)
    return [str(one.name) for one in found if _is_dead(labels_of(one).get(OWNER, ""))]


def _remove_unfinished_images() -> None:
    # The SDK inspects each listed image, and fails if one was removed meanwhile. The next start retries.
    with suppress(*DOCKER_ERRORS):
        for image in engine().images.list(filters={"label": IMAGE, "dangling": True}):
            with suppress(APIError):
                engine().images.remove(image.id)


def remove_root(labels: dict[str, str]) -> None:
    """Remove the folder in a fleet's labels, if it has the name of a fleet's folder."""
    folder = Path(labels.get(ROOT, ""))
    if folder.name.startswith(("execgo-fleet-", "execgo-persistent-")):
        remove_tree(folder)


def _remove(label: str, wanted: Callable[[dict[str, str]], bool]) -> list[dict[str, str]]:
    """Remove containers, then networks, with ``label`` and wanted labels; returns their labels."""
    chosen = [thing for thing in labelled(label) if wanted(labels_of(thing))]
    containers = [thing for thing in chosen if hasattr(thing, "kill")]
    _remove_all(containers)
    _remove_all(thing for thing in chosen if thing not in containers)
    return [labels_of(thing) for thing in chosen]


def _remove_all(things: Iterable[Any]) -> None:
    chosen = list(things)
    if not chosen:
        return
    with ThreadPoolExecutor(len(chosen)) as pool:
        list(pool.map(_remove_one, chosen))


def _remove_one(thing: Any) -> None:
    # Another worker may remove it at the same time. The caller checks what remains.
    with suppress(APIError, NotFound):
        if hasattr(thing, "kill"):
            thing.remove(force=True, v=True)
        else:
            thing.remove()


def _identity(pid: int) -> str:
    """Process id, start (clock ticks since boot), pid namespace and boot id; raises ``OSError``."""
    # psutil's create_time changes when the clock of the machine is set.
    began = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[19]
    return f"{pid}/{began}/{_pid_namespace()}/{_boot()}"


def _is_dead(owner: str) -> bool:
    pid, _, rest = owner.partition("/")
    if not pid.isdigit() or rest.count("/") != 2:
        return False
    _, namespace, boot = rest.split("/")
    if boot != _boot():
        return True
    if namespace != _pid_namespace():
        # A run in another container: its processes are not visible from here.
        return False
    try:
        return _identity(int(pid)) != owner
    except (FileNotFoundError, ProcessLookupError):
        return True
    except OSError:
        return False


def _pid_namespace() -> str:
    try:
        return str(os.stat("/proc/self/ns/pid").st_ino)
    except OSError:
        return "-"


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="utf-8").strip()
    except OSError:
        return "-"
