"""Imports go one way: models and errors, then the layers (never each other), then wiring, then the
two fronts. The emulators import nothing of the package but themselves; only the plugin knows pytest."""

from __future__ import annotations

import ast
from pathlib import Path

ROOT = Path(__file__).parent.parent
PACKAGE = "pytest_execgo"
BASE = {"errors", "models", "transport", "ports", "files", "system"}
LAYERS = {
    "scenario",
    "adapter",
    "runner",
    "harness",
    "chaos",
    "observability",
    "verdict",
    "benchmark",
}
# What pytest loads in every project: it costs nothing to import.
LIGHT = {"options"}
WIRING = {"extensions", "run"}
ALLOWED = {
    "errors": set(),
    "system": {"errors", "system"},
    "transport": {"errors", "models", "transport", "system"},
    "models": {"errors", "files", "models", "system"},
    "ports": {"models"},
    "files": {"errors", "files"},
    **{layer: {layer} | BASE for layer in LAYERS},
    "options": {"errors", "options"},
    "extensions": {"extensions"} | LAYERS | BASE,
    "run": WIRING | LAYERS | BASE,
    "conformance": {"conformance"} | WIRING | LAYERS | BASE,
    "emulators": {"emulators"},
    "plugin": {"plugin"} | WIRING | LAYERS | BASE | LIGHT,
    "cli": {"cli", "plugin", "conformance"} | WIRING | LAYERS | BASE | LIGHT,
    "__main__": {"cli"},
    "fixtures_server": {"emulators", "fixtures_server"},
}


def modules_of_tests() -> list[Path]:
    return sorted((ROOT / "tests").rglob("test_*.py"))


def modules() -> list[Path]:
    folders = (ROOT / PACKAGE, ROOT / "fixtures_server")
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def part_of(dotted: str) -> str | None:
    """The part of the package that a dotted name belongs to."""
    head, *rest = dotted.split(".")
    if head == "fixtures_server":
        return head
    if head != PACKAGE:
        return None
    return rest[0] if rest else "__init__"


def imports(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= (
                {f"{node.module}.{alias.name}" for alias in node.names}
                if node.module == PACKAGE
                else {node.module}
            )
    return names


def own_part(path: Path) -> str:
    relative = path.relative_to(ROOT).with_suffix("")
    return relative.parts[0] if relative.parts[0] != PACKAGE else relative.parts[1]


def test_every_module_has_a_place() -> None:
    assert {own_part(path) for path in modules()} - {"__init__"} == set(ALLOWED)


def test_imports_go_one_way() -> None:
    wrong = []
    for path in modules():
        part = own_part(path)
        if part == "__init__":
            continue
        for name in imports(path):
            target = part_of(name)
            # The version is the one thing that everybody may ask the package itself.
            if target and target not in ALLOWED[part] and name != f"{PACKAGE}.__version__":
                wrong.append(f"{path.relative_to(ROOT)} imports {name}")
    assert not wrong


def test_only_the_plugin_imports_pytest() -> None:
    guilty = [
        str(path.relative_to(ROOT))
        for path in modules()
        if own_part(path) != "plugin"
        and any(name.split(".")[0] in ("pytest", "_pytest") for name in imports(path))
    ]
    assert not guilty


def test_no_private_pytest() -> None:
    assert not [p for p in modules() if any(n.startswith("_pytest") for n in imports(p))]


def test_emulators_need_the_standard_library_alone() -> None:
    import sys

    for path in modules():
        if own_part(path) in ("emulators", "fixtures_server"):
            foreign = {
                name.split(".")[0]
                for name in imports(path)
                if part_of(name) is None and name.split(".")[0] not in sys.stdlib_module_names
            }
            assert not foreign, path


def test_times_come_from_a_clock_that_no_test_can_freeze() -> None:
    """Emulators and fixtures are processes of their own, in which no test of the user runs."""
    guilty = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules()
        if own_part(path) not in ("system", "emulators", "fixtures_server")
        for name in imports(path)
        if name.split(".")[0] == "time" or (name == "datetime" and _asks_for_now(path))
    ]
    assert not guilty, "use pytest_execgo.system.clock"


def _asks_for_now(path: Path) -> bool:
    calls = [
        node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    ]
    return any(
        isinstance(call, ast.Attribute)
        and call.attr in ("now", "utcnow", "today")
        and isinstance(call.value, ast.Name)
        and call.value.id in ("datetime", "date")
        for call in calls
    )


STARTS_A_PROCESS = {
    "subprocess": {"Popen", "run", "call", "check_call", "check_output", "getoutput"},
    "os": {
        "fork",
        "forkpty",
        "system",
        "popen",
        "posix_spawn",
        "posix_spawnp",
        "spawnv",
        "spawnve",
    },
    "multiprocessing": {"Process", "Pool"},
    "asyncio": {"create_subprocess_exec", "create_subprocess_shell"},
}
MAKES_A_SOCKET = {"socket": {"socket", "create_connection", "create_server", "socketpair"}}


def calls(path: Path, wanted: dict[str, set[str]]) -> list[str]:
    """The calls of functions of the standard library, as ``module.function``."""
    nodes = [
        node.func for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Call)
    ]
    return [
        f"{call.value.id}.{call.attr} in {path.relative_to(ROOT)}"
        for call in nodes
        if isinstance(call, ast.Attribute)
        and isinstance(call.value, ast.Name)
        and call.attr in wanted.get(call.value.id, ())
    ]


def test_processes_are_started_in_one_place() -> None:
    """Emulators start the tasks of the user, as ExecGo and its runtime do."""
    apart = ("system", "emulators", "fixtures_server")
    found = [
        call
        for path in modules()
        if own_part(path) not in apart
        for call in calls(path, STARTS_A_PROCESS)
    ]
    assert not found, "use pytest_execgo.system.child"


def test_sockets_of_a_run_are_those_that_no_test_can_replace() -> None:
    """The command line has no test of the user around it."""
    apart = ("system", "emulators", "fixtures_server", "cli", "conformance")
    found = [
        call
        for path in modules()
        if own_part(path) not in apart
        for call in calls(path, MAKES_A_SOCKET)
    ]
    assert not found, "use pytest_execgo.system.sockets"


def test_no_test_module_imports_from_another() -> None:
    guilty = [
        f"{path.relative_to(ROOT)} imports {name}"
        for path in modules_of_tests()
        for name in imports(path)
        if name.startswith("tests.") and name.rpartition(".")[2].startswith("test_")
    ]
    assert not guilty, "move what several tests use to a helper module in tests/"
