"""The command line: what commands there are, and what each is handed to."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from pytest_execgo import __version__
from pytest_execgo.errors import HarnessError, UsageError
from pytest_execgo.options.table import OPTIONS

INTERRUPTED = 130


def main(argv: list[str] | None = None) -> int:
    """Run one command. Exit status: 0 done, 1 something is not well, 2 the user's mistake; ``run``
    and ``benchmark`` exit as pytest does."""
    options, rest = _split(sys.argv[1:] if argv is None else argv)
    parsed = _parser().parse_args(options)
    parsed.pytest_args = rest
    try:
        return int(parsed.handler(parsed))
    except UsageError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except HarnessError as error:
        print(f"harness error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        # The reader of our output has gone (head, a pager): nobody is left to tell.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except OSError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


def _split(argv: list[str]) -> tuple[list[str], list[str]]:
    """Our own words, and those behind ``--``, which are pytest's."""
    if "--" not in argv:
        return argv, []
    cut = argv.index("--")
    return argv[:cut], argv[cut + 1 :]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m pytest_execgo",
        description="Evidence that agent plans land on ExecGo, run there, and fail explainably.",
    )
    parser.add_argument("--version", action="version", version=f"pytest-execgo {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _run_commands(commands)
    replay = commands.add_parser("replay", help="repeat a recorded trial, or all of a run")
    replay.add_argument("folder", metavar="DIR", help="reports/RUN/trials/ID or reports/RUN")
    replay.add_argument("--json", action="store_true", help="print the outcome as JSON")
    replay.set_defaults(handler=_replay)
    _scenario_commands(commands)
    _chaos_commands(commands)
    schema = commands.add_parser("schema", help="JSON Schema of every document")
    actions = schema.add_subparsers(required=True, metavar="ACTION")
    export = actions.add_parser("export", help="write one file per document")
    export.add_argument("folder", type=Path)
    export.set_defaults(handler=_schema_export)
    conform = commands.add_parser("conformance", help="does an engine speak ExecGo's contract?")
    conform.add_argument(
        "--service", action="append", metavar="execgo=KIND:TARGET", help="default: the embedded one"
    )
    conform.add_argument("--area", action="append", metavar="NAME", help="only these areas")
    conform.add_argument(
        "--search", type=int, default=0, metavar="N", help="also run N generated programs"
    )
    conform.add_argument("--seed", type=int, default=7, metavar="N", help="seed of the search")
    conform.add_argument(
        "--known",
        action="append",
        metavar="ID=REASON",
        help="take a finding as known: what the search finds of it does not count",
    )
    conform.add_argument("--json", action="store_true")
    conform.add_argument("--markdown", type=Path, metavar="FILE", help="write a report")
    conform.set_defaults(handler=_conformance)
    _harness_commands(commands)
    doctor = commands.add_parser("doctor", help="what is there, what is missing, what mends it")
    doctor.add_argument("--json", action="store_true")
    doctor.add_argument("--reports", type=Path, default=Path("reports"))
    doctor.set_defaults(handler=_doctor)
    return parser


def _run_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    for name, text in (
        ("run", "run the matrix with pytest"),
        ("benchmark", "run a BenchmarkRunRequest with pytest; without one, five trials per cell"),
    ):
        parser = commands.add_parser(
            name, help=text, description=f"{text}. What follows -- goes to pytest as it is."
        )
        for option in OPTIONS:
            if option.kind == "flag":
                parser.add_argument(f"--{option.word}", action="store_true", help=option.help)
                continue
            parser.add_argument(
                f"--{option.word}",
                action="append" if option.kind == "many" else "store",
                metavar=option.metavar,
                help=option.help,
            )
        parser.add_argument("-n", "--workers", metavar="N", help="xdist workers")
        parser.add_argument(
            "--events", choices=["-"], help="stream events.ndjson to standard output"
        )
        parser.add_argument("--json", action="store_true", help="print the outcome as JSON")
        parser.set_defaults(handler=_run, benchmark=name == "benchmark")


def _scenario_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    scenario = commands.add_parser("scenario", help="list, validate or make scenarios")
    actions = scenario.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what scenarios there are")
    validate = actions.add_parser("validate", help="check manifests, plans and the files they name")
    validate.add_argument("names", nargs="*", metavar="NAME_OR_PATH")
    new = actions.add_parser("new", help="make a scenario that runs green at once")
    new.add_argument("name")
    for parser, handler in (
        (listing, _scenario_list),
        (validate, _scenario_validate),
        (new, _scenario_new),
    ):
        parser.add_argument("--scenarios", metavar="DIR", help="folder of scenarios")
        parser.add_argument("--json", action="store_true")
        parser.set_defaults(handler=handler)


def _chaos_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    chaos = commands.add_parser("chaos", help="list or validate chaos profiles")
    actions = chaos.add_subparsers(required=True, metavar="ACTION")
    listing = actions.add_parser("list", help="what profiles there are")
    validate = actions.add_parser("validate", help="check profiles")
    validate.add_argument("names", nargs="*", metavar="NAME_OR_PATH")
    for parser, handler in ((listing, _chaos_list), (validate, _chaos_validate)):
        parser.add_argument("--scenarios", metavar="DIR", help="folder of scenarios")
        parser.add_argument("--json", action="store_true")
        parser.set_defaults(handler=handler)


def _harness_commands(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    harness = commands.add_parser("harness", help="keep a fleet of containers up between runs")
    actions = harness.add_subparsers(required=True, metavar="ACTION")
    up = actions.add_parser("up", help="bring a fleet up; runs use it with --execgo-fleet NAME")
    up.add_argument("name", nargs="?", default="default", metavar="NAME")
    up.add_argument(
        "--service",
        action="append",
        metavar="NAME=container:TARGET",
        help="an image, build:PATH or embedded, as for --execgo-service",
    )
    up.add_argument("--python-image", metavar="IMAGE", help="as --execgo-python-image")
    up.add_argument(
        "--publish",
        action="append",
        metavar="NAME=PORT",
        help="make a service reachable on this port of the loopback, too",
    )
    up.add_argument(
        "--ready-timeout", type=float, metavar="SECONDS", help="as --execgo-ready-timeout"
    )
    up.set_defaults(handler=_harness_up)
    status = actions.add_parser("status", help="what is up: health, addresses, versions")
    status.add_argument("name", nargs="?", metavar="NAME")
    status.set_defaults(handler=_harness_status)
    down = actions.add_parser("down", help="take a fleet down")
    down.add_argument("name", nargs="?", default=None, metavar="NAME")
    down.add_argument("--all", action="store_true", help="every fleet that is kept")
    down.add_argument("--images", action="store_true", help="also remove the images that we built")
    down.set_defaults(handler=_harness_down)
    for parser in (up, status):
        parser.add_argument("--json", action="store_true")


# Each handler imports what it needs: --help must not wait for pydantic.


def _run(options: argparse.Namespace) -> int:
    from pytest_execgo.cli.run import run

    return run(options)


def _replay(options: argparse.Namespace) -> int:
    from pytest_execgo.cli.run import replay

    return replay(options)


def _scenario_list(options: argparse.Namespace) -> int:
    from pytest_execgo.cli.listings import list_scenarios

    return list_scenarios(options)


def _scenario_validate(options: argparse.Namespace) -> int:
    from pytest_execgo.cli.listings import validate_scenarios

    return validate_scenarios(options)


def _scenario_new(options: argparse.Namespace) -> int:
    from pytest_execgo.cli.scaffold import new_scenario

    return new_scenario(options)


def _chaos_list(options: argparse.Namespace) -> int:
    from pytest_execgo.cli.listings import list_profiles

    return list_profiles(options)


def _chaos_validate(options: argparse.Namespace) -> int:
    from pytest_execgo.cli.listings import validate_profiles

    return validate_profiles(options)


def _schema_export(options: argparse.Namespace) -> int:
    from pytest_execgo.cli.schema import export

    return export(options)


def _conformance(options: argparse.Namespace) -> int:
    from pytest_execgo.cli.conformance import conformance

    return conformance(options)


def _harness_up(options: argparse.Namespace) -> int:
    from pytest_execgo.cli.harness import up

    return up(options)


def _harness_status(options: argparse.Namespace) -> int:
    from pytest_execgo.cli.harness import status

    return status(options)


def _harness_down(options: argparse.Namespace) -> int:
    from pytest_execgo.cli.harness import down

    return down(options)


def _doctor(options: argparse.Namespace) -> int:
    from pytest_execgo.cli.doctor import doctor

    return doctor(options)
