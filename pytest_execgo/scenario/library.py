"""What is on disk: scenarios, chaos profiles and findings. Knows nothing of what a run asks for."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path

from pytest_execgo.errors import UsageError, unknown_name
from pytest_execgo.models.chaos import ALL
from pytest_execgo.models.document import shown
from pytest_execgo.models.finding import Finding
from pytest_execgo.scenario.findings import load_findings
from pytest_execgo.scenario.manifest import MANIFEST, Scenario, load_scenario

CHAOS_FOLDER = "chaos"
SCENARIOS = "scenarios"

PROFILE_ALIASES = {"resource_pressure": "runtime_cpu"}
"""Other names of built-in profiles. A profile of the project with such a name hides the alias."""


def builtin_folder() -> Path:
    """The built-in scenarios: inside the installed package, or beside it in a checkout."""
    package = Path(__file__).resolve().parent.parent
    shipped = package / "builtin_scenarios"
    return shipped if shipped.is_dir() else package.parent / "scenarios"


@dataclass(frozen=True)
class ScenarioFolder:
    """The folder that scenarios come from. ``builtin_because``: why it is the built-in one although
    nothing asked for that; empty otherwise."""

    path: Path
    builtin_because: str = ""


def find_scenario_folder(explicit: Path | None, called: Path, root: Path) -> ScenarioFolder:
    """The folder to take scenarios from; raises :class:`UsageError`.

    It is the one asked for (``explicit``), else the nearest ``scenarios`` folder that holds a scenario,
    from the folder in which the command was called up to the root folder, else the built-in one.
    """
    if explicit:
        return ScenarioFolder(_explicit_folder(explicit))
    above = [folder for folder in (called, *called.parents) if folder.is_relative_to(root)]
    tried = above or [called, root]
    for folder in tried:
        if list_scenarios(folder / SCENARIOS):
            return ScenarioFolder(folder / SCENARIOS)
    places = f"{tried[0]}" if len(tried) == 1 else f"{tried[0]} up to {tried[-1]}"
    return ScenarioFolder(builtin_folder(), f"no {SCENARIOS}/*/{MANIFEST} in {places}")


def _explicit_folder(explicit: Path) -> Path:
    folder = explicit.resolve()
    if not folder.is_dir():
        raise UsageError(f"scenarios folder {explicit}: no such folder")
    if not list_scenarios(folder):
        raise UsageError(
            f"scenarios folder {explicit}: holds no */{MANIFEST}; make one with: "
            f"python -m pytest_execgo scenario new demo --scenarios {shlex.quote(str(explicit))}"
        )
    return folder


def list_scenarios(folder: Path) -> dict[str, Path]:
    """Names and manifests of the scenarios of a folder, sorted."""
    return {path.parent.name: path for path in sorted(folder.glob(f"*/{MANIFEST}"))}


def list_profiles(folder: Path) -> dict[str, Path]:
    """Names and files of the chaos profiles: the built-in ones, and those of ``folder`` over them."""
    found: dict[str, Path] = {}
    for base in (builtin_folder(), folder):
        found |= {path.stem: path for path in sorted((base / CHAOS_FOLDER).glob("*.yaml"))}
    return dict(sorted(found.items()))


class Library:
    """The scenarios and chaos profiles of one folder, with the built-in profiles. Each scenario is read
    once; which ones there are is decided when the library is made."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.scenario_paths = list_scenarios(folder)
        self.profile_paths = list_profiles(folder)
        self._scenarios: dict[Path, Scenario] = {}

    @cached_property
    def findings(self) -> dict[str, Finding]:
        """The findings about engines by id: those of the package, and those of the folder over them."""
        return load_findings(self.folder)

    def scenario(self, path: Path) -> Scenario:
        """The scenario of a manifest; raises :class:`UsageError`."""
        # Not resolved: a link to a scenario is a scenario of its own, and its id is the link's name.
        path = path.absolute()
        if path not in self._scenarios:
            scenario = load_scenario(path)
            for index, name in enumerate(scenario.manifest.allowed_chaos):
                if name not in ("*", *self.profile_paths):
                    raise UsageError(
                        f"{shown(path)}: allowed_chaos[{index}]: "
                        + unknown_name("chaos profile", name, ["*", *self.profile_paths])
                    )
            self._scenarios[path] = scenario
        return self._scenarios[path]

    def find_scenario(self, name: str) -> Scenario:
        """The scenario of a name, or of a path to its folder or manifest; raises :class:`UsageError`."""
        if name in self.scenario_paths:
            return self.scenario(self.scenario_paths[name])
        path = Path(name)
        manifest = path if path.name == MANIFEST else path / MANIFEST
        if manifest.is_file():
            return self.scenario(manifest)
        raise UsageError(unknown_name("scenario", name, self.scenario_paths))

    def profile_path(self, name: str) -> Path:
        """The file of a chaos profile or of an alias; raises :class:`UsageError`."""
        name = self._without_alias(name)
        if name not in self.profile_paths:
            raise UsageError(unknown_name("chaos profile", name, self.profile_paths))
        return self.profile_paths[name]

    def _without_alias(self, name: str) -> str:
        return name if name in self.profile_paths else PROFILE_ALIASES.get(name, name)

    def profiles_matching(self, word: str) -> list[str]:
        """The profiles that a name, an alias, a pattern or ``all`` stands for; raises
        :class:`UsageError`."""
        word = self._without_alias(word)
        if word == ALL:
            return list(self.profile_paths)
        if word in self.profile_paths:
            return [word]
        found = [name for name in self.profile_paths if fnmatchcase(name, word)]
        if not found and set(word) & set("*?["):
            names = ", ".join(sorted(self.profile_paths))
            raise UsageError(f"no chaos profile matches {word!r} (profiles: {names})")
        if not found:
            raise UsageError(unknown_name("chaos profile", word, [ALL, *self.profile_paths]))
        return found
