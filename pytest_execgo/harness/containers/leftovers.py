"""Whose a container or network is, and removing those whose run is gone.

Everything we make carries labels: the user, the fleet's token, and the process that owns it. Owners are
told by process id, start time, pid namespace and boot, so that neither a number that was given again nor
a run in another container is mistaken for a dead one; and nobody judges the processes of another user.
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
from pytest_execgo.harness.containers.engine import DOCKER_ERRORS, engine
from pytest_execgo.harness.containers.locks import BUILDING, held_if_free
from pytest_execgo.harness.files import remove_tree

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
    """The labels of what belongs to a fleet of this process."""
    return {**of_user(), FLEET: token, OWNER: _identity(os.getpid()), ROOT: str(root)}


def of_user() -> dict[str, str]:
    """The label of what belongs to this user."""
    return {USER: str(os.getuid())}


def labelled(label: str) -> list[Any]:
    """The containers, then the networks of this user that carry a label."""
    filters = {"label": [label, *(f"{name}={value}" for name, value in of_user().items())]}
    client = engine()
    return [
        *client.containers.list(all=True, filters=filters, ignore_removed=True),
        *client.networks.list(filters=filters),
    ]


def labels_of(thing: Any) -> dict[str, str]:
    """The labels of a container or network."""
    attrs = thing.attrs
    return dict(attrs.get("Labels") or attrs.get("Config", {}).get("Labels") or {})


def remove_fleet(token: str) -> None:
    """Remove the containers and networks of a fleet; raises :class:`HarnessError` with what is left."""
    remove_labelled(f"{FLEET}={token}")


def remove_labelled(label: str) -> None:
    """Remove the containers and networks that carry a label; raises :class:`HarnessError` with what is
    left."""
    _remove(label, lambda labels: True)
    left = [str(thing.name) for thing in labelled(label)]
    if left:
        raise HarnessError(
            f"Docker did not remove {', '.join(left)}; is something else attached? remove it: "
            f"docker rm -f, docker network rm"
        )


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


def orphans() -> list[str]:
    """Names of what runs left behind that are dead."""
    found = labelled(FLEET)
    return [str(one.name) for one in found if _is_dead(labels_of(one).get(OWNER, ""))]


def _remove_unfinished_images() -> None:
    # Listing looks at each image, and one may go meanwhile: then the next start does it.
    with suppress(*DOCKER_ERRORS):
        for image in engine().images.list(filters={"label": IMAGE, "dangling": True}):
            with suppress(APIError):
                engine().images.remove(image.id)


def remove_root(labels: dict[str, str]) -> None:
    """Remove the folder that a fleet's labels name, if it looks like one."""
    folder = Path(labels.get(ROOT, ""))
    if folder.name.startswith(("execgo-fleet-", "execgo-persistent-")):
        remove_tree(folder)


def _remove(label: str, wanted: Callable[[dict[str, str]], bool]) -> list[dict[str, str]]:
    """Remove containers, then networks, with a label and labels that are wanted; returns those."""
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
    # Another worker may be at it as well, or it has just gone; what stays is looked for by the caller.
    with suppress(APIError, NotFound):
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
        return Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    except OSError:
        return "-"
