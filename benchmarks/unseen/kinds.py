"""Kinds of faults that no rule of attribution was written for."""

from __future__ import annotations

import resource
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace

from benchmarks.unseen import (
    answers,
    fifth_answers,
    fourth_answers,
    machine,
    sixth_answers,
    sixth_machine,
)
from benchmarks.unseen.fleet_site import Inject, Site
from benchmarks.unseen.front import Ask, Corrupt
from benchmarks.unseen.pairs import Make, as_it_is


@dataclass(frozen=True)
class Kind:
    """``right``: the layers that may be named. ``inject`` is a context manager around a trial.
    ``edit``: for a fault of the plan, a text of the plan file and its replacement."""

    name: str
    right: frozenset[str]
    inject: Inject | None = None
    scenarios: tuple[str, ...] = ("vuln_scan", "multi_step_agent", "long_chain_dag", "codegen_exec")
    edit: tuple[str, str] | None = None
    batch: int = 1


_MACHINE = frozenset({"unknown"})
_PLAN = frozenset({"task", "plan", "dsl", "binding"})
_LAYERS = {"fixtures": "fixture", "runtime": "runtime", "execgo": "engine"}
_SLOW = {"half_open", "slow_body", "bandwidth", "always_running"}
_FILES = ("vuln_scan", "codegen_exec")
_STAGED = ("vuln_scan", "multi_step_agent", "codegen_exec")
"""Scenarios with more than one stage."""


def _is_work(method: str, path: str) -> bool:
    return not path.startswith(("/health", "/readyz", "/healthz", "/__control", "/metrics"))


def _on_front(
    service: str,
    corrupt: Corrupt = as_it_is,
    applies: Callable[[str, str], bool] = _is_work,
    change: Ask | None = None,
) -> Inject:
    @contextmanager
    def inject(site: Site) -> Iterator[None]:
        front = site.fronts[service]
        front.begin(corrupt, applies, change)
        try:
            yield
        finally:
            front.end()

    return inject


def _made(
    service: str,
    make: Make,
    applies: Callable[[str, str], bool] = _is_work,
) -> Inject:
    """As :func:`_on_front`, with a state of its own for each trial."""

    def inject(site: Site) -> AbstractContextManager[None]:
        corrupt, change = make()
        return _on_front(service, corrupt, applies, change)(site)

    return inject


def _linked(service: str, make: sixth_answers.MakeLink) -> Inject:
    """A fault of the connections to a service, from the second stage on: a run does not begin without
    answers of the services to its probes, which it also affects."""

    @contextmanager
    def inject(site: Site) -> Iterator[None]:
        front = site.fronts[service]
        with machine.at_stage(site, 2, lambda workspace: front.begin_link(make())):
            try:
                yield
            finally:
                front.end()

    return inject


def _is_get(method: str, path: str) -> bool:
    return method == "GET" and _is_work(method, path)


def kinds() -> list[Kind]:
    """Every kind, in a fixed order.

    Rules were made with ``batch`` 1 in view. 2 to 6 were added later, each measured before any rule was
    changed for it.
    """
    return [*_first(), *_second(), *_third(), *_fourth(), *_fifth(), *_sixth()]


def _first() -> list[Kind]:
    found = []
    for service, layer in _LAYERS.items():
        for name, corrupt in answers.FIRST.items():
            if service != "fixtures" and name == "slow_body":
                continue
            scenarios = ("vuln_scan",) if service == "fixtures" else Kind.scenarios
            if name in _SLOW:
                scenarios = scenarios[:1]
            inject = _on_front(service, corrupt)
            found.append(Kind(f"{service}_{name}", frozenset({layer}), inject, scenarios))
    both = machine.both(
        _on_front("fixtures", answers.FIRST["gateway"]),
        _on_front("runtime", answers.FIRST["every_second"], lambda method, path: method == "GET"),
    )
    bound = "from_json(runtime.output.stdout).events | to_string(@)"
    return [
        *found,
        Kind("no_space", _MACHINE, machine.no_space, _FILES),
        Kind("read_only", _MACHINE, machine.read_only, _FILES),
        Kind("tool_removed", _MACHINE, machine.removing("*.py", 2), _FILES),
        Kind("killed", _MACHINE, machine.signalling(signal.SIGKILL), _STAGED),
        Kind("terminated", _MACHINE, machine.signalling(signal.SIGTERM), _STAGED),
        Kind("segfault", _MACHINE | {"task"}, machine.signalling(signal.SIGSEGV), _STAGED),
        Kind("no_descriptors", _MACHINE | {"runtime"}, machine.no_descriptors, _STAGED),
        Kind("driver_stopped", _MACHINE, machine.driver_stopped, _STAGED),
        Kind("two_layers", frozenset({"fixture", "runtime"}), both, ("vuln_scan",)),
        _edited("wrong_field", bound, "runtime.output.stdout", _PLAN | _MACHINE),
        _edited("wrong_key", bound, bound.replace("events", "evnts"), frozenset({"binding", "plan"})),
        _edited("own_error", 'key=lambda e: e["at"]', 'key=lambda e: e["on"]', frozenset({"task"})),
    ]  # fmt: skip


def _second() -> list[Kind]:
    return [
        Kind(
            f"{service}_{name}", frozenset({layer}), _on_front(service, corrupt),
            _STAGED[:1] if service == "fixtures" else _STAGED[:2], batch=2,
        )
        for service, layer in _LAYERS.items()
        for name, corrupt in answers.SECOND.items()
    ]  # fmt: skip


def _third() -> list[Kind]:
    found = []
    for service, layer in _LAYERS.items():
        own = answers.THIRD if service == "fixtures" else {**answers.THIRD, **answers.OF_TASKS}
        for name, corrupt in own.items():
            scenarios = _STAGED[:1] if name in _SLOW or service == "fixtures" else _STAGED[:2]
            inject = _on_front(service, corrupt)
            found.append(Kind(f"{service}_{name}", frozenset({layer}), inject, scenarios, batch=3))
        for name, change in {} if service == "fixtures" else answers.REQUESTS.items():
            inject = _on_front(service, change=change)
            found.append(
                Kind(f"{service}_{name}", frozenset({layer}), inject, _STAGED[:2], batch=3)
            )
    of_runtime = _MACHINE | {"runtime"}
    both = machine.both(
        _on_front("fixtures", answers.THIRD["no_content"]),
        _on_front("execgo", answers.FIRST["every_second"], lambda method, path: method == "GET"),
    )
    more = [
        Kind("emptied", _MACHINE, machine.rewriting("*.py", 2, None), _FILES),
        Kind("broken_tool", _MACHINE, machine.rewriting("*.py", 2, "\n)"), _FILES),
        Kind("workspace_moved", _MACHINE, machine.workspace_moved, _FILES),
        Kind("memory", of_runtime, machine.limiting(resource.RLIMIT_AS, 40_000_000), _STAGED),
        Kind("file_size", of_runtime, machine.limiting(resource.RLIMIT_FSIZE, 0), _STAGED),
        Kind("cpu_time", of_runtime, machine.limiting(resource.RLIMIT_CPU, 0), _STAGED[:1]),
        Kind("task_stopped", _MACHINE, machine.signalling(signal.SIGSTOP), _STAGED[:1]),
        Kind("shims_killed", of_runtime, machine.shims_killed, _STAGED),
        Kind("busy", _MACHINE, machine.busy, _STAGED),
        Kind("two_layers_again", frozenset({"fixture", "engine"}), both, ("vuln_scan",)),
        _edited("wrong_argument", 'match.py", ', 'match.py", "--strict", ', _PLAN, "vuln_scan"),
        _edited("wrong_file", "tools/match.py", "tools/mtach.py", _PLAN, "vuln_scan"),
        _edited("wrong_route", "}/advisories", "}/advisory", _PLAN, "vuln_scan"),
        _edited("short_time", "wall_time_ms: 20000", "wall_time_ms: 5", _PLAN, "vuln_scan"),
        _edited("wrong_variable", "env.EVENTS", "env.EVNTS", _PLAN),
        _edited("wrong_program", "program: ${python}", "program: /opt/pyhton", _PLAN, "vuln_scan"),
        _edited("wrong_source", "source_task_id: run-tests", "source_task_id: baseline-tests", _PLAN,
                "codegen_exec"),
    ]  # fmt: skip
    return found + [replace(kind, batch=3) for kind in more]


_OF_FOURTH = {
    "replica": ("vuln_scan", "multi_step_agent"),
    "swapped_stdout": ("vuln_scan", "multi_step_agent"),
    "rate_limited": ("multi_step_agent", "long_chain_dag"),
    "late_gateway": ("vuln_scan", "multi_step_agent"),
    "firewall": ("multi_step_agent", "codegen_exec"),
    "lost_env": ("vuln_scan", "codegen_exec"),
    "standby": ("multi_step_agent", "codegen_exec"),
    "lost_dependencies": ("long_chain_dag",),
    "body_limit": ("vuln_scan", "multi_step_agent"),
    "microcache": ("vuln_scan", "multi_step_agent"),
}
"""Scenarios that have what a fault of the fourth batch changes."""


def _fourth() -> list[Kind]:
    found = []
    for service, makes in (
        ("fixtures", fourth_answers.FIXTURES),
        ("runtime", fourth_answers.RUNTIME),
        ("execgo", fourth_answers.EXECGO),
    ):
        for name, make in makes.items():
            scenarios = _OF_FOURTH.get(name, ("vuln_scan",))
            layer = frozenset({_LAYERS[service]})
            found.append(Kind(f"{service}_{name}", layer, _made(service, make), scenarios))
    replica = machine.both(
        _made("fixtures", fourth_answers.MISSING_PAGE),
        _made("execgo", fourth_answers.FIRST_LOOKS, _is_get),
    )
    files = ("${workspace}/findings.json", "${workspace}/report.md")
    swapped = _edited(
        "starting_and_swapped_files",
        '", "'.join(files),
        '", "'.join(reversed(files)),
        _PLAN,
        "vuln_scan",
    )
    starting = _made("fixtures", fourth_answers.FIXTURES["starting"])
    more = [
        Kind("logs_rotated", _MACHINE | {"runtime"}, machine.logs_rotated, _STAGED[:2]),
        Kind("reverted", _MACHINE, machine.reverted, ("codegen_exec",)),
        Kind("inputs_cut", _MACHINE, machine.inputs_cut, _STAGED[:2]),
        Kind("no_inodes", _MACHINE, machine.no_inodes, ("vuln_scan", "long_chain_dag")),
        _edited("hard_coded_url", "${fixtures_url}", "http://localhost:18080", _PLAN, "vuln_scan"),
        _edited("not_joined", "join(',', @)", "to_string(@)", _PLAN, "vuln_scan"),
        _edited("no_dependency", "[total, split]", "[split]", _PLAN, "long_chain_dag"),
        _edited("debug_print", "events = []", "events = []; print('normalising')", _PLAN),
        Kind("replica_and_missing_page", frozenset({"engine", "fixture"}), replica, ("vuln_scan",)),
        replace(swapped, right=_PLAN | {"fixture"}, inject=starting),
    ]
    return [replace(kind, batch=4) for kind in [*found, *more]]


_OF_FIFTH = {
    "renamed_ids": ("vuln_scan", "multi_step_agent"),
    "two_clocks": ("long_chain_dag",),
    "connection_limit": ("multi_step_agent", "long_chain_dag"),
    "wrapped_lines": ("vuln_scan", "multi_step_agent"),
    "local_times": ("vuln_scan", "multi_step_agent"),
    "idempotency": ("multi_step_agent", "codegen_exec"),
    "list_limit": ("multi_step_agent", "long_chain_dag"),
    "lower_keys": ("vuln_scan", "codegen_exec"),
    "early_hints": ("vuln_scan", "multi_step_agent"),
}
"""Scenarios that have what a fault of the fifth batch changes."""
_FROZEN_SECONDS = 20.0


def _fifth() -> list[Kind]:
    found = []
    for service, makes in (
        ("fixtures", fifth_answers.FIXTURES),
        ("runtime", fifth_answers.RUNTIME),
        ("execgo", fifth_answers.EXECGO),
    ):
        for name, make in makes.items():
            scenarios = _OF_FIFTH.get(name, ("vuln_scan",))
            layer = frozenset({_LAYERS[service]})
            found.append(Kind(f"{service}_{name}", layer, _made(service, make), scenarios))
    of_runtime, of_engine = _MACHINE | {"runtime"}, _MACHINE | {"engine"}
    frozen = machine.suspending("runtime", _FROZEN_SECONDS)
    written = "${workspace}/report.md"
    minutes = "total_seconds() / 60"
    more = [
        Kind("engine_terminated", of_engine, machine.engine_terminated, _STAGED[1:]),
        Kind("runtime_suspended", of_runtime, frozen, ("multi_step_agent",)),
        Kind("mounted_as_folder", _MACHINE, machine.mounted_as_folder, _STAGED[:2]),
        Kind("outputs_swept", _MACHINE, machine.outputs_swept, ("vuln_scan", "long_chain_dag")),
        Kind("data_folder_replaced", of_runtime, machine.data_folder_replaced, _STAGED[:2]),
        _edited("deadline_in_seconds", "deadline_ms: 60000", "deadline_ms: 60", _PLAN, "vuln_scan"),
        _edited("first_left_out", "packages[].name", "packages[1:].name", _PLAN, "vuln_scan"),
        _edited("other_output_name", written, f"{written[:-3]}.txt", _PLAN, "vuln_scan"),
        _edited("hours_as_minutes", minutes, f"{minutes[:-2]}3600", _PLAN),
    ]
    return [replace(kind, batch=5) for kind in [*found, *more]]


_OF_SIXTH = {
    "queue_full": ("vuln_scan", "long_chain_dag"),
    "acknowledgement_lost": ("multi_step_agent",),
    "not_modified": ("vuln_scan", "multi_step_agent"),
    "quotes_sanitised": ("codegen_exec",),
    "clock_stepped": ("vuln_scan", "long_chain_dag"),
}
"""Scenarios that have what a fault of the sixth batch changes."""


def _sixth() -> list[Kind]:
    found = []
    for service, makes in (
        ("fixtures", sixth_answers.FIXTURES),
        ("runtime", sixth_answers.RUNTIME),
        ("execgo", sixth_answers.EXECGO),
    ):
        for name, make in makes.items():
            scenarios = _OF_SIXTH.get(name, ("vuln_scan",))
            layer = frozenset({_LAYERS[service]})
            if name == "clock_stepped":
                # The clock belongs to the machine.
                layer |= _MACHINE
            found.append(Kind(f"{service}_{name}", layer, _made(service, make), scenarios))
    for name, (link, services) in sixth_answers.LINKS.items():
        for service in services:
            layer = frozenset({_LAYERS[service]})
            found.append(Kind(f"{service}_{name}", layer, _linked(service, link), ("vuln_scan",)))
    return [replace(kind, batch=6) for kind in [*found, *_sixth_of_machine(), *_sixth_of_plan()]]


def _sixth_of_machine() -> list[Kind]:
    of_runtime = _MACHINE | {"runtime"}
    killed_and_prefixed = machine.both(
        sixth_machine.one_task_killed, _made("runtime", sixth_answers.PREFIXED_LINES)
    )
    locked_and_dropped = machine.both(
        sixth_machine.output_immutable, _linked("execgo", sixth_answers.IDLE_DROP)
    )
    quota_and_cache = machine.both(
        _made("fixtures", sixth_answers.ERROR_AS_200),
        _made("execgo", sixth_answers.NOT_MODIFIED, _is_get),
    )
    scan = ("vuln_scan",)
    own = str(sixth_machine.INTERPRETER)
    tests = 'tools/run_tests.py", "${workspace}/project"]'
    in_scratch = f"{tests}\n              env: {{ TMPDIR: {sixth_machine.SCRATCH} }}"
    return [
        *(
            replace(_edited(name, "${python}", own, _MACHINE, "vuln_scan"), inject=inject)
            for name, inject in (
                ("interpreter_bare", sixth_machine.interpreter_bare),
                ("interpreter_banner", sixth_machine.interpreter_banner),
                ("interpreter_mode", sixth_machine.interpreter_mode),
                ("interpreter_shebang", sixth_machine.interpreter_shebang),
            )
        ),
        replace(
            _edited("scratch_full", tests, in_scratch, _MACHINE, "codegen_exec"),
            inject=sixth_machine.scratch_full,
        ),
        Kind("output_immutable", _MACHINE, sixth_machine.output_immutable, scan),
        Kind("link_loop", _MACHINE, sixth_machine.link_loop, _STAGED[:2]),
        Kind("inputs_transcoded", _MACHINE, sixth_machine.inputs_transcoded, _STAGED[:2]),
        Kind(
            "outputs_overwritten", _MACHINE, sixth_machine.outputs_overwritten,
            ("vuln_scan", "long_chain_dag"),
        ),
        Kind("one_task_killed", _MACHINE, sixth_machine.one_task_killed, _STAGED[:2]),
        Kind("port_stolen", of_runtime, sixth_machine.port_stolen, _STAGED[:2]),
        Kind("cancelled_by_other", of_runtime, sixth_machine.cancelled_by_other, _STAGED[:2]),
        Kind("killed_and_prefixed", of_runtime, killed_and_prefixed, scan),
        Kind("locked_and_dropped", _MACHINE | {"engine"}, locked_and_dropped, scan),
        Kind("quota_and_cache", frozenset({"fixture", "engine"}), quota_and_cache, scan),
    ]  # fmt: skip


def _sixth_of_plan() -> list[Kind]:
    limits = "limits: { wall_time_ms: 20000 }"
    begin = "events = []"
    by_name, by_version = "packages[].name", "packages[].version"
    version = _edited("version_and_queue_full", by_name, by_version, _PLAN, "vuln_scan")
    scan = "vuln_scan"
    in_bytes = f"{limits[:-2]}, memory_bytes: 64 }}"
    in_kilobytes = f"{limits[:-2]}, stdout_max_bytes: 64 }}"
    printed = 'key=lambda e: e["at"])}))'
    ended = '["text"],\n                }))'
    counted = f"{ended}\n                raise SystemExit(len(events))"
    child = f'{begin}; __import__("subprocess").Popen(["sleep", "25"])'
    forked = f"{begin}; os.fork() and os._exit(0); __import__('time').sleep(2)"
    full = _made("runtime", sixth_answers.QUEUE_FULL)
    tool = "- id: match-versions\n          type: runtime\n"
    return [
        _edited("version_for_name", by_name, by_version, _PLAN, "vuln_scan"),
        _edited("other_source", "source_task_id: collect-log", "source_task_id: collect-tickets", _PLAN),
        _edited("same_target", "env.TICKETS", "env.METRICS", _PLAN),
        _edited("whole_output", ").advisories |", ") |", _PLAN, "vuln_scan"),
        _edited(
            "swapped_arguments", '"${workspace}/fix.json", "${workspace}/project"',
            '"${workspace}/project", "${workspace}/fix.json"', _PLAN, "codegen_exec",
        ),
        _edited("engine_seconds", tool, f"{tool}          timeout: 20\n", _PLAN, "vuln_scan"),
        _edited("memory_in_megabytes", limits, in_bytes, _PLAN, scan),
        _edited("output_in_kilobytes", limits, in_kilobytes, _PLAN, scan),
        _edited("limit_as_text", limits, 'limits: { wall_time_ms: "20s" }', _PLAN, "codegen_exec"),
        _edited("endless_loop", begin, f"{begin}\n                while not events: pass", _PLAN),
        _edited("one_part_less", '"8"]', '"7"]', _PLAN, "long_chain_dag"),
        _edited("one_too_far", "events[-1]", "events[len(events)]", _PLAN),
        _edited("trailing_log", printed, f"{printed}; print('done')", _PLAN),
        _edited("reads_too_early", "depends_on: [match-versions]", "depends_on: []", _PLAN, "vuln_scan"),
        _edited("relative_path", '"${workspace}/findings.json"', '"findings.json"', _PLAN, "vuln_scan"),
        _edited("reads_stdin", 'os.environ["EVENTS"]', "open(0).read()", _PLAN),
        _edited("value_not_text", ").packages | to_string(@)", ").packages", _PLAN, "vuln_scan"),
        _edited("count_as_exit_code", ended, counted, _PLAN),
        _edited("aborts_itself", begin, f"{begin}; os.abort()", _PLAN),
        _edited("child_keeps_pipe", begin, child, _PLAN),
        _edited("works_in_background", begin, forked, _PLAN),
        replace(version, right=_PLAN | {"runtime"}, inject=full),
    ]  # fmt: skip


def _edited(
    name: str, old: str, new: str, right: frozenset[str], scenario: str = "multi_step_agent"
) -> Kind:
    return Kind(name, right, None, (scenario,), (old, new))
