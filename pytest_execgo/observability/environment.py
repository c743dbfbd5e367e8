"""The content of ``environment.json``: machine, versions and services of a run."""

from __future__ import annotations

import os
import platform
import subprocess
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from pytest_execgo import __version__
from pytest_execgo.models.benchmark import Environment, ServiceInfo

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
        git_commit=_git_commit(root),
        seed=seed,
        workers=workers,
        services=services,
        packages=packages,
    )


def _git_commit(root: Path) -> str | None:
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=5,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() if done.returncode == 0 else None
