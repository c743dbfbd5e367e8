"""The content of ``environment.json``: machine, versions and services of a run."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pytest_execgo import __version__
from pytest_execgo.models.environment import Environment, ServiceInfo
from pytest_execgo.system.child import git_commit

MAIN_PACKAGES = ("pytest", "pytest-xdist", "pydantic", "requests", "jmespath", "packaging")


def describe_environment(
    root: Path, seed: int, workers: int, services: dict[str, ServiceInfo]
) -> Environment:
    """Machine, versions, commit of ``root``. Environment variables of the user are not recorded."""
    packages = {}
    for name in MAIN_PACKAGES:
        try:
            packages[name] = version(name)
        except PackageNotFoundError:
            continue
    return Environment(
        pytest_execgo=__version__,
        python=platform.python_version(),
        platform=" ".join(
            (platform.system(), platform.release().partition("-")[0], platform.machine())
        ),
        cpu_count=os.cpu_count() or 1,
        git_commit=git_commit(root),
        seed=seed,
        workers=workers,
        services=services,
        packages=packages,
    )
