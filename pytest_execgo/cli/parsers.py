"""The arguments of every command. A handler is named, not imported: ``--help`` stays fast."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from pytest_execgo import __version__
from pytest_execgo.options.table import OPTIONS


class CommandParser(argparse.ArgumentParser):
    """A parser that reports a mistake in one line, without the usage of the command. An option must have
    its whole name: an abbreviation would change its meaning when another option is added."""

    def __init__(self, **options: Any) -> None:
        options["allow_abbrev"] = False
        super().__init__(**options)

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"error: {message}; see {self.prog} --help\n")


Commands = Callable[..., CommandParser]


def command_line() -> CommandParser:
    """The parser of ``python -m pytest_execgo``. The result of parsing has ``handler``, such as
    ``pytest_execgo.cli.run:run``, which takes the parsed options and returns the exit code."""
    parser = CommandParser(
        prog="python -m pytest_execgo",
        description="Evidence that agent plans land on ExecGo, run there, and fail explainably.",
    )
    parser.add_argument("--version", action="version", version=f"pytest-execgo {__version__}")
    add = parser.add_subparsers(required=True, metavar="COMMAND").add_parser
    _run(add)
    _describe(add)
    _replay(add)
    _show(add)
    _report(add)
    _merge(add)
    _compare(add)
    _matrix(add)
    _scenario(add)
    _chaos(add)
    _schema(add)
    _conformance(add)
    _harness(add)
    _doctor(add)
    return parser


def _command(add: Commands, name: str, handler: str, text: str) -> CommandParser:
    """A command or action; ``handler`` is ``module:function`` in this package."""
    parser = add(name, help=text, description=text)
    parser.set_defaults(handler=f"pytest_execgo.cli.{handler}")
    return parser


def _actions(add: Commands, name: str, text: str) -> Commands:
    """A command that has actions of its own; returns what adds one."""
    group = add(name, help=text, description=text)
    return group.add_subparsers(required=True, metavar="ACTION").add_parser


def _json(parser: CommandParser) -> None:
    parser.add_argument("--json", action="store_true", help="print JSON for another program")


def _run(add: Commands) -> None:
    for name, text in (
        ("run", "run the matrix with pytest"),
        ("benchmark", "run a BenchmarkRunRequest with pytest; by default five trials per cell"),
    ):
        parser = _command(add, name, "run:run", text)
        parser.set_defaults(benchmark=name == "benchmark")
        _of_matrix(parser)
        _of_child_process(parser)
    text = "count the trials of a run, and say how long it may take by the times of the newest run"
    parser = _command(add, "estimate", "run:estimate", text)
    parser.set_defaults(benchmark=False)
    _of_matrix(parser)
    _json(parser)


def _of_matrix(parser: CommandParser) -> None:
    """Every option of a run."""
    parser.epilog = "Arguments after -- are passed to pytest unchanged."
    for option in OPTIONS:
        flag, meaning = f"--{option.word}", option.summary
        if option.kind == "flag":
            parser.add_argument(flag, action="store_true", help=meaning)
            continue
        action = "append" if option.kind == "many" else "store"
        parser.add_argument(flag, action=action, metavar=option.metavar, help=meaning)
    parser.add_argument("-n", "--workers", metavar="N", help="number of xdist workers")


def _describe(add: Commands) -> None:
    text = "list what can be run here: scenarios, chaos profiles, frameworks, launchers, options"
    _json(_command(add, "describe", "describe:describe", text))


def _replay(add: Commands) -> None:
    parser = _command(add, "replay", "run:replay", "repeat a recorded trial, or all of a run")
    parser.add_argument("folder", metavar="DIR", help="reports/RUN/trials/ID or reports/RUN")
    _of_child_process(parser)


def _of_child_process(parser: CommandParser) -> None:
    """The options for a program that starts a run and follows it."""
    parser.add_argument("--events", choices=["-"], help="stream events.ndjson to standard output")
    parser.add_argument(
        "--stop-with-parent",
        action="store_true",
        help="end the run, as Ctrl-C would, when standard input is closed",
    )
    _json(parser)


def _show(add: Commands) -> None:
    parser = _command(add, "show", "viewer:show_run", "open the page of a run in the browser")
    parser.add_argument(
        "run", nargs="?", default="reports/latest", metavar="RUN", help="reports/RUN"
    )
    parser.add_argument("--print", action="store_true", help="print the address and open nothing")


def _report(add: Commands) -> None:
    text = "write the reports of runs anew; 'report html RUN... -o FILE': one page of several runs"
    parser = _command(add, "report", "benchmark:report", text)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="reports/RUN, or a folder above it")
    parser.add_argument("-o", "--output", metavar="FILE", help="of 'report html'")
    parser.add_argument(
        "--html-budget", default="24", metavar="MIB", help="the most that index.html may hold (24)"
    )
    parser.add_argument(
        "--summary",
        metavar="FILE",
        help='also append a summary in Markdown, as to "$GITHUB_STEP_SUMMARY"',
    )
    _json(parser)


def _compare(add: Commands) -> None:
    text = "say whether a run is better or worse than an earlier one; exit 11 if it is worse"
    parser = _command(add, "compare", "benchmark:compare_runs", text)
    for name, meaning in (("base", "the earlier run"), ("new", "the run to judge")):
        help_ = f"{meaning}: reports/RUN, or its benchmark.json"
        parser.add_argument(name, metavar=name.upper(), help=help_)
    parser.add_argument(
        "--margin",
        default="0.05",
        metavar="SHARE",
        help="by how much the success rate may be lower (default: 0.05)",
    )
    parser.add_argument(
        "--fail-if",
        action="append",
        metavar="EXPR",
        help="a further condition for NEW, as of --execgo-fail-if (repeatable)",
    )
    parser.add_argument("--markdown", metavar="FILE", help="also write the comparison as Markdown")
    parser.add_argument("--html", metavar="FILE", help="also write a page that shows both runs")
    _json(parser)


def _matrix(add: Commands) -> None:
    text = "print what a CI matrix needs to run the trials in shards"
    parser = _command(add, "matrix", "benchmark:ci_matrix", text)
    parser.add_argument("--shards", required=True, metavar="N", help="number of CI jobs")
    parser.add_argument(
        "--format", choices=["github", "json"], default="github", help="default: github"
    )


def _merge(add: Commands) -> None:
    text = "make one run of shards and of parts of interrupted runs"
    parser = _command(add, "merge", "benchmark:merge_runs", text)
    parser.add_argument("runs", nargs="+", metavar="RUN", help="reports/RUN, or a folder above it")
    parser.add_argument(
        "-o", "--output", required=True, metavar="DIR", help="folder of the new run"
    )
    parser.add_argument("--partial", action="store_true", help="shards may be missing")
    _json(parser)


def _scenario(add: Commands) -> None:
    action = _actions(add, "scenario", "list, show, validate or make scenarios")
    listing = _command(action, "list", "listings:list_scenarios", "list scenarios")
    text = "show stages, bindings, checks and fixtures of a scenario"
    show = _command(action, "show", "show:show_scenario", text)
    show.add_argument("name", metavar="NAME_OR_PATH")
    text = "check manifests, plans and the files they name"
    validate = _command(action, "validate", "listings:validate_scenarios", text)
    validate.add_argument("names", nargs="*", metavar="NAME_OR_PATH")
    validate.add_argument(
        "--strict", action="store_true", help="also check the payloads of ExecGo's own tools"
    )
    new = _command(action, "new", "scaffold:new_scenario", "make a small scenario that passes")
    new.add_argument("name", metavar="NAME")
    _of_scenarios(listing, show, validate, new)


def _chaos(add: Commands) -> None:
    action = _actions(add, "chaos", "list, show, validate, make or search chaos profiles")
    listing = _command(action, "list", "listings:list_profiles", "list profiles")
    text = "show the faults of a profile, and the scenarios that it is applicable to"
    show = _command(action, "show", "show:show_profile", text)
    show.add_argument("name", metavar="NAME_OR_PATH")
    validate = _command(action, "validate", "listings:validate_profiles", "check profiles")
    validate.add_argument("names", nargs="*", metavar="NAME_OR_PATH")
    new = _command(action, "new", "scaffold:new_profile", "make a profile with comments")
    new.add_argument("name", metavar="NAME")
    _of_scenarios(listing, show, validate, new, _chaos_search(action))


def _chaos_search(action: Commands) -> CommandParser:
    text = "find the fewest faults under which a scenario fails, and print them as a profile"
    parser = _command(action, "search", "chaos_search:search", text)
    parser.add_argument("scenario", metavar="SCENARIO")
    parser.add_argument("--budget", default="200", metavar="N", help="most trials (default: 200)")
    parser.add_argument(
        "--repeats", default="3", metavar="N", help="trials of each smaller schedule (default: 3)"
    )
    parser.add_argument("--seed", default="7", metavar="N", help="seed of the search (default: 7)")
    parser.add_argument(
        "--action", action="append", metavar="NAME", help="only these actions (repeatable)"
    )
    parser.add_argument(
        "--target", action="append", metavar="NAME", help="only these targets (repeatable)"
    )
    parser.add_argument("--name", metavar="ID", help="id of the profile (default: found_SCENARIO)")
    parser.add_argument("--harness", default="embedded", metavar="KIND", help="as --execgo-harness")
    parser.add_argument(
        "--service", action="append", metavar="NAME=KIND[:TARGET]", help="as --execgo-service"
    )
    parser.add_argument(
        "--database",
        type=Path,
        default=Path(".execgo/search"),
        metavar="DIR",
        help="folder that keeps schedules that failed, to try them first the next time "
        "(default: .execgo/search)",
    )
    return parser


def _of_scenarios(*parsers: CommandParser) -> None:
    for parser in parsers:
        parser.add_argument("--scenarios", metavar="DIR", help="folder of scenarios")
        _json(parser)


def _schema(add: Commands) -> None:
    action = _actions(add, "schema", "JSON Schema of every document")
    export = _command(action, "export", "schema:export", "write one file per document")
    export.add_argument(
        "folder",
        type=Path,
        metavar="DIR",
        nargs="?",
        default=Path("schemas"),
        help="default: schemas",
    )


def _conformance(add: Commands) -> None:
    text = "compare an engine with ExecGo's contract"
    parser = _command(add, "conformance", "conformance:conformance", text)
    parser.add_argument(
        "--service", action="append", metavar="execgo=KIND:TARGET", help="default: the embedded one"
    )
    parser.add_argument("--area", action="append", metavar="NAME", help="only these areas")
    parser.add_argument("--search", default="0", metavar="N", help="also run N generated programs")
    parser.add_argument("--seed", default="7", metavar="N", help="seed of the search")
    parser.add_argument(
        "--known",
        action="append",
        metavar="ID=REASON",
        help="accept a finding as known: violations that it explains do not count",
    )
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write a report")
    _json(parser)


def _harness(add: Commands) -> None:
    action = _actions(add, "harness", "keep a fleet of containers up between runs")
    _harness_up(action)
    status = _command(action, "status", "harness:status", "show health, addresses and versions")
    status.add_argument("name", nargs="?", metavar="NAME")
    _json(status)
    down = _command(action, "down", "harness:down", "take a fleet down")
    down.add_argument("name", nargs="?", default=None, metavar="NAME")
    down.add_argument("--all", action="store_true", help="every persistent fleet")
    down.add_argument("--images", action="store_true", help="also remove the images that we built")


def _harness_up(action: Commands) -> None:
    text = "bring a fleet up; runs use it with --execgo-fleet NAME"
    parser = _command(action, "up", "harness:up", text)
    parser.add_argument("name", nargs="?", default="default", metavar="NAME")
    parser.add_argument(
        "--service",
        action="append",
        metavar="NAME=container:TARGET",
        help="an image, build:PATH or embedded, as for --execgo-service",
    )
    parser.add_argument("--python-image", metavar="IMAGE", help="as --execgo-python-image")
    parser.add_argument(
        "--publish",
        action="append",
        metavar="NAME=PORT",
        help="make a service reachable on this port of the loopback interface, too",
    )
    parser.add_argument("--ready-timeout", metavar="SECONDS", help="as --execgo-ready-timeout")
    _json(parser)


def _doctor(add: Commands) -> None:
    text = "check what a run needs, and show the command that fixes what is missing"
    parser = _command(add, "doctor", "doctor:doctor", text)
    parser.add_argument("--reports", type=Path, default=Path("reports"), metavar="DIR")
    _json(parser)
