"""Which name each scenario has in the ids of its trials, and which trial a pytest id belongs to."""

from __future__ import annotations

import hashlib
import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from fnmatch import fnmatchcase
from pathlib import Path

from pytest_execgo.scenario.manifest import MANIFEST

_ITEM = re.compile(r"(?P<name>[^@]+-(?:replay|live)-[^-@]+-r[0-9]+)(?:@.*)?", re.DOTALL)
"""The name of a trial's item. ``pytest-xdist --dist loadgroup`` appends ``@`` and the group."""


class ScenarioNames:
    """The name of a scenario is the name of its folder, because it begins the ids of its trials.

    If a run has several scenarios with one name, the one of the scenarios folder keeps it. The others
    get a digest of their path as well: ``greet_1f3a2b``. So a name depends neither on the order of the
    arguments nor on the process.

    ``root`` is pytest's root folder, ``library`` maps the names of the scenarios folder to manifests,
    ``files`` are the manifests of the run.
    """

    def __init__(self, root: Path, library: Mapping[str, Path], files: Iterable[Path]) -> None:
        self._root = root
        groups: dict[str, list[Path]] = defaultdict(list)
        for path in dict.fromkeys(files):
            groups[path.parent.name].append(path)
        self.changed: dict[str, Path] = {
            self._with_digest(path): path
            for name, paths in groups.items()
            for path in paths
            if len(paths) > 1 and path != library.get(name)
        }
        """Names with a digest, and their manifests."""
        self._of_file = {path: name for name, path in self.changed.items()}
        self._of_id = {self.file_id(path): name for path, name in self._of_file.items()}

    def _with_digest(self, path: Path) -> str:
        text = os.path.relpath(path, self._root)
        digest = hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()
        return f"{path.parent.name}_{digest[:6]}"

    def of_file(self, path: Path) -> str:
        """The name of the scenario with this manifest."""
        return self._of_file.get(path, path.parent.name)

    def file_id(self, path: Path) -> str:
        """The pytest id of a manifest: its path from the root folder, or
        ``scenarios/<name>/scenario.yaml`` for one that is elsewhere, such as a built-in one."""
        if path.is_relative_to(self._root) and path.parent != self._root:
            return path.relative_to(self._root).as_posix()
        return Path("scenarios", self.of_file(path), path.name).as_posix()

    def trial_id(self, node_id: str) -> str | None:
        """The trial of a pytest id: ``<s>-<f>-<m>-<c>-r<k>`` for
        ``scenarios/<s>/scenario.yaml::<f>-<m>-<c>-r<k>``; ``None`` for an id that is not one of a
        trial."""
        path, _, item = node_id.partition("::")
        found = _ITEM.fullmatch(item)
        if Path(path).name != MANIFEST or found is None:
            return None
        return f"{self._of_id.get(path, Path(path).parent.name)}-{found['name']}"


def selecting_id(name: str, node_id: str) -> str:
    """The id that selects an item on the command line: ``node_id`` without the group that
    ``pytest-xdist --dist loadgroup`` appends to it. ``name`` is the name of the item."""
    before, found, _ = node_id.rpartition(f"::{name}@")
    return f"{before}::{name}" if found else node_id


def manifests(arguments: Iterable[str], called: Path, skip: Iterable[str]) -> Iterator[Path]:
    """The manifests that pytest's arguments name, and those in the folders that they name.

    ``called`` is the current folder; ``skip`` are patterns of folder names, as in ``norecursedirs``.
    """
    for argument in arguments:
        path = Path(os.path.normpath(called / argument.partition("::")[0]))
        if path.name == MANIFEST:
            yield path
        elif path.is_dir():
            yield from _below(path, tuple(skip))


def _below(top: Path, skip: tuple[str, ...]) -> Iterator[Path]:
    for folder, folders, files in os.walk(top):
        folders[:] = sorted(
            name for name in folders if not any(fnmatchcase(name, one) for one in skip)
        )
        if MANIFEST in files:
            yield Path(folder, MANIFEST)
