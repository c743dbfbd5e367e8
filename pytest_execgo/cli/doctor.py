"""``doctor``: what a run finds on this machine, what is missing, and the command that fixes it."""

from __future__ import annotations

import argparse
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal

from packaging.requirements import Requirement

from pytest_execgo.cli.output import print_json, print_table
from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.harness.fleet import Fleet, FleetSpec
from pytest_execgo.plugin.project import project_registry
from pytest_execgo.system.clock import monotonic

DISTRIBUTION = "pytest-execgo"


@dataclass(frozen=True)
class DoctorFinding:
    """One row. The default run works without what is ``missing``, but not if something is ``broken``."""

    what: str
    state: Literal["ok", "missing", "broken"]
    detail: str
    fix: str = ""


def doctor(options: argparse.Namespace) -> int:
    """Exit 0 if the default run can work, else 1."""
    registry, project = _project()
    probes: list[Callable[[], Iterator[DoctorFinding]]] = [
        _python,
        _requirements,
        lambda: iter(project),
        lambda: _adapters(registry),
        _ports,
        lambda: _write_access(options.reports),
        lambda: _fleet(registry),
        _execgo,
        _docker,
    ]
    findings = [finding for probe in probes for finding in probe()]
    broken = [finding for finding in findings if finding.state == "broken"]
    if options.json:
        print_json([asdict(finding) for finding in findings])
        return 1 if broken else 0
    rows = [[f.state, f.what, f.detail, f.fix] for f in findings]
    print_table(rows, ["", "what", "found", "how to fix it"])
    print(f"\n{len(broken)} broken; the default run {'cannot' if broken else 'can'} work")
    return 1 if broken else 0


def _project() -> tuple[Registry, list[DoctorFinding]]:
    """The parts of the project; the built-in ones, and a finding, if the project cannot be loaded."""
    try:
        return project_registry(), []
    except UsageError as error:
        return Registry.build(), [DoctorFinding("project", "broken", str(error), "see the message")]


def _python() -> Iterator[DoctorFinding]:
    found = ".".join(map(str, sys.version_info[:3]))
    ok = sys.version_info >= (3, 11)
    yield DoctorFinding(
        "Python", "ok" if ok else "broken", found, "" if ok else "install Python >= 3.11"
    )


def _requirements() -> Iterator[DoctorFinding]:
    """The packages that pytest-execgo requires, each in a suitable version."""
    wrong = []
    for text in requires(DISTRIBUTION) or []:
        requirement = Requirement(text)
        if requirement.marker and not requirement.marker.evaluate({"extra": ""}):
            continue
        try:
            if not requirement.specifier.contains(version(requirement.name), prereleases=True):
                wrong.append(f"{requirement.name} {version(requirement.name)}")
        except PackageNotFoundError:
            wrong.append(f"{requirement.name} (absent)")
    if wrong:
        yield DoctorFinding(
            "packages", "broken", ", ".join(wrong), f"pip install -U {DISTRIBUTION}"
        )
    else:
        yield DoctorFinding(
            "packages", "ok", f"{DISTRIBUTION} {version(DISTRIBUTION)} and its requirements"
        )


def _adapters(registry: Registry) -> Iterator[DoctorFinding]:
    for name, adapter in registry.adapters.items():
        install = adapter.missing()
        if install:
            yield DoctorFinding(f"framework {name}", "missing", "not installed", install)
        else:
            yield DoctorFinding(f"framework {name}", "ok", "/".join(sorted(adapter.modes)))


def _ports() -> Iterator[DoctorFinding]:
    try:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            yield DoctorFinding("loopback ports", "ok", f"port {probe.getsockname()[1]} was free")
    except OSError as error:
        yield DoctorFinding("loopback ports", "broken", str(error), "allow binding to 127.0.0.1")


def _write_access(reports: Path) -> Iterator[DoctorFinding]:
    folder = reports if reports.exists() else reports.absolute().parent
    if folder.is_dir() and os.access(folder, os.W_OK):
        yield DoctorFinding("reports folder", "ok", str(reports))
    else:
        fix = "make it writable, or choose another: --execgo-reports DIR"
        yield DoctorFinding(
            "reports folder", "broken", f"{folder} is not a writable directory", fix
        )


def _fleet(registry: Registry) -> Iterator[DoctorFinding]:
    began = monotonic()
    try:
        with Fleet(FleetSpec(), registry.launchers):
            took = monotonic() - began
    except HarnessError as error:
        yield DoctorFinding("embedded fleet", "broken", str(error), "see the message")
    else:
        yield DoctorFinding("embedded fleet", "ok", f"three services ready in {took:.2f} s")


def _execgo() -> Iterator[DoctorFinding]:
    binary, checkout = shutil.which("execgo"), Path("../execgo")
    if binary:
        yield DoctorFinding("real ExecGo", "ok", f"use --execgo-service execgo=binary:{binary}")
    elif (checkout / "go.mod").exists():
        fix = f"go build -C {checkout} -o execgo ./cmd/execgo"
        yield DoctorFinding("real ExecGo", "missing", f"a checkout at {checkout}, not built", fix)
    else:
        fix = "build ExecGo, then --execgo-service execgo=binary:PATH"
        yield DoctorFinding(
            "real ExecGo", "missing", "no execgo on PATH, no checkout ../execgo", fix
        )


def _docker() -> Iterator[DoctorFinding]:
    """What ``--execgo-harness=container`` needs: an engine whose containers this machine can reach, and
    a Python image or an image built from it."""
    from pytest_execgo.harness.containers import engine as docker_engine
    from pytest_execgo.harness.containers import limits as container_limits
    from pytest_execgo.harness.containers import persistent
    from pytest_execgo.harness.containers.images import builder
    from pytest_execgo.harness.containers.images.sources import DEFAULT_PYTHON_IMAGE, Own

    what = "Docker engine"
    try:
        with docker_engine.raised_as(UsageError, what):
            facts = docker_engine.facts()
            base = builder.find(DEFAULT_PYTHON_IMAGE)
            built = builder.find(Own("runtime", DEFAULT_PYTHON_IMAGE).tag)
            fleets = persistent.names()
    except UsageError as error:
        problem, _, fix = str(error).partition(": ")
        yield DoctorFinding(what, "missing", problem, fix or "only containers need it")
        return
    unsupported = container_limits.unsupported
    limits = [name for name in ("cpu", "memory", "pids") if unsupported(name, facts) is None]
    yield DoctorFinding(what, "ok", f"version {facts['ServerVersion']}, limits {', '.join(limits)}")
    if base or built:
        yield DoctorFinding("Python image", "ok", DEFAULT_PYTHON_IMAGE)
    else:
        fix = f"docker pull {DEFAULT_PYTHON_IMAGE}, or --execgo-python-image IMAGE"
        yield DoctorFinding(
            "Python image", "missing", f"{DEFAULT_PYTHON_IMAGE} is not on this machine", fix
        )
    if fleets:
        fix = "python -m pytest_execgo harness status"
        yield DoctorFinding("persistent fleets", "ok", ", ".join(fleets), fix)
