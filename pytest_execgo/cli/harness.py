"""``harness up|status|down``: persistent fleets, whose containers stay up between runs."""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from dataclasses import asdict

from pytest_execgo.cli.output import print_json, print_table
from pytest_execgo.errors import HarnessError, UsageError, unknown_name
from pytest_execgo.harness.containers import persistent
from pytest_execgo.harness.containers.engine import raised_as
from pytest_execgo.harness.containers.images.builder import remove_built
from pytest_execgo.harness.containers.persistent import ServiceStatus
from pytest_execgo.harness.fleet import FleetSpec
from pytest_execgo.harness.readiness import DEFAULT_TIMEOUT_SECONDS
from pytest_execgo.harness.service import SERVICE_NAMES, LaunchSettings
from pytest_execgo.models.safe_text import for_terminal
from pytest_execgo.options.values import Seconds
from pytest_execgo.plugin.project import project_registry

_PORTS = range(1, 65536)


def up(options: argparse.Namespace) -> int:
    """Start a persistent fleet and show it."""
    choices = [_pair("--service", word, "execgo=container:IMAGE") for word in options.service or ()]
    spec = FleetSpec(
        harness="container",
        choices=tuple(choices),
        settings=LaunchSettings(options.python_image),
        ready_within_seconds=_ready_timeout(options.ready_timeout),
    )
    published = _published(options.publish or ())
    launchers = project_registry().launchers
    # A signal becomes KeyboardInterrupt, so that persistent.up removes a fleet that is only half up.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.default_int_handler)
    with raised_as(HarnessError, f"fleet {options.name}"):
        persistent.up(options.name, spec, launchers, published, _progress)
        found = persistent.status(options.name)
    _show(found, options.json)
    if not options.json:
        print(f"\nuse it:  pytest --execgo-matrix --execgo-fleet {options.name}")
        print(f"end it:  python -m pytest_execgo harness down {options.name}")
    return 0


def status(options: argparse.Namespace) -> int:
    """Show the services of persistent fleets. Exit 1 unless all are ready."""
    with raised_as(HarnessError, "persistent fleets"):
        found = persistent.status(options.name)
    _show(found, options.json)
    return 0 if all(service.state == "ready" for service in found) else 1


def down(options: argparse.Namespace) -> int:
    """Take down one persistent fleet or all, and remove built images on request."""
    if options.all and options.name:
        raise UsageError("harness down: give a NAME or --all, not both")
    chosen = persistent.names() if options.all else [options.name] if options.name else []
    if not chosen and not (options.all or options.images):
        raise UsageError(
            f"harness down: give a NAME ({', '.join(persistent.names()) or 'none is up'}), "
            "--all or --images"
        )
    for name in chosen:
        persistent.down(name)
        print(f"fleet {name} is down")
    if options.images:
        gone = remove_built()
        print(f"removed {len(gone)} image{'' if len(gone) == 1 else 's'}", *gone, sep="\n  ")
    return 0


def _show(found: Sequence[ServiceStatus], as_json: bool) -> None:
    if as_json:
        print_json([asdict(one) for one in found])
        return
    if not found:
        print("no fleet is up; bring one up: python -m pytest_execgo harness up")
        return
    rows = [
        [s.fleet, s.service, s.state, s.url, s.published or "–", s.version, s.image, s.digest[:12]]
        for s in found
    ]
    headers = ["fleet", "service", "state", "address", "published", "version", "image", "sha256"]
    print_table(rows, headers)


def _pair(flag: str, word: str, example: str) -> tuple[str, str]:
    name, sign, value = word.partition("=")
    if not sign or not value:
        raise UsageError(f"{flag} {word!r}: expected NAME=VALUE, as in {example}")
    if name not in SERVICE_NAMES:
        raise UsageError(f"{flag} {word!r}: {unknown_name('service', name, SERVICE_NAMES)}")
    return name, value


def _ready_timeout(text: str | None) -> float:
    return DEFAULT_TIMEOUT_SECONDS if text is None else Seconds().read("--ready-timeout", text)


def _published(words: Sequence[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for name, port in map(_port, words):
        if name in found or port in found.values():
            raise UsageError(
                f"--publish {name}={port}: give each service one port, and each port to one service"
            )
        found[name] = port
    return found


def _port(word: str) -> tuple[str, int]:
    name, value = _pair("--publish", word, "execgo=18080")
    if not value.isdigit() or int(value) not in _PORTS:
        raise UsageError(f"--publish {word!r}: expected a port from 1 to 65535")
    return name, int(value)


def _progress(line: str) -> None:
    print(for_terminal(line), file=sys.stderr, flush=True)
