"""The readers of files against mutated inputs.

    python -m tests.fuzz.files --inputs 10000 --seed 1

Every input must be read or refused with one line: no other exception, no wait of more than ten seconds,
no message of more than 2,000 characters or with a character that cannot be seen. Prints each input that
breaks this, and exits with 1.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from time import monotonic

from pytest_execgo.errors import UsageError
from pytest_execgo.extensions.registry import Registry
from pytest_execgo.models.benchmark import BenchmarkResult
from pytest_execgo.models.document import load, read_data
from pytest_execgo.models.finding import FindingsBook
from pytest_execgo.models.recording import Recording
from pytest_execgo.models.request import BenchmarkRunRequest
from pytest_execgo.models.script import Script
from pytest_execgo.models.trial_result import TrialResult
from pytest_execgo.observability.recorder import read_timeline
from pytest_execgo.scenario.library import builtin_folder
from pytest_execgo.scenario.manifest import load_plan, load_scenario
from tests.results import result, trial

ROOT = Path(__file__).parent.parent.parent
SCENARIO = "codegen_exec"
MOST_SECONDS = 10.0
LONGEST_MESSAGE = 2000
_TIMELINE = (
    '{"event_type": "planning_started", "event_id": "e1", "at_ms": 1.0}\n'
    '{"event_type": "check_evaluated", "event_id": "e2", "at_ms": 2.0, "index": 0, "kind": "value", '
    '"ok": true, "message": "m"}\n'
)
# Pieces that parsers and validators stumble over.
_PIECES = [
    b"\x00", b"\xff\xfe", b"\xef\xbb\xbf", b"\xed\xa0\x80", b"\\ud800", b"\x1b[31m", b"\xe2\x80\xae",
    b"[" * 300, b"{" * 300, b'{"a":' * 300, b"- " * 300, b"&a [*a]", b"*a", b"<<: *x", b"!!map a",
    b"!!timestamp x", b"2026-99-99", b".nan", b".inf", b"1e400", b"9" * 400, b"-0", b"null", b"~", b"[]",
    b"{}", b'""', b"on:", b"? [a]\n: b", b"--- x\n", b"%YAML 3.0\n", b"\t", b"\r", b"  ", b'"', b"'",
    b"\\", b": ", b"#", b"${x}", b"a" * 5000, b"../../../etc/passwd", b"NaN", b"Infinity", b"true",
    b"1.0",
]  # fmt: skip


def formats(folder: Path) -> dict[str, tuple[Path, Callable[[Path], object]]]:
    """A copy of a valid file for each format, below ``folder``, and its reader."""
    scenario = folder / SCENARIO
    shutil.copytree(builtin_folder() / SCENARIO, scenario)
    registry = Registry.build()
    chaos = folder / "runtime_kill.yaml"
    shutil.copy(builtin_folder() / "chaos/runtime_kill.yaml", chaos)
    findings = folder / "findings.yaml"
    shutil.copy(ROOT / "pytest_execgo/scenario/findings.yaml", findings)
    documents = {
        "request.json": BenchmarkRunRequest(seed=7).model_dump_json(indent=1),
        "result.json": trial(0).model_dump_json(indent=1),
        "benchmark.json": result([trial(0), trial(1)], []).model_dump_json(indent=1),
        "timeline.jsonl": _TIMELINE,
    }
    for name, text in documents.items():
        (folder / name).write_text(text)
    expected = next((scenario / "expected").iterdir())
    return {
        "scenario": (scenario / "scenario.yaml", load_scenario),
        "plan": (scenario / "plan.yaml", lambda path: load_plan(path, SCENARIO)),
        "chaos profile": (chaos, registry.load_profile),
        "findings": (findings, lambda path: load(FindingsBook, path)),
        "request": (folder / "request.json", lambda path: load(BenchmarkRunRequest, path)),
        "result": (folder / "result.json", lambda path: load(TrialResult, path)),
        "benchmark": (folder / "benchmark.json", lambda path: load(BenchmarkResult, path)),
        "timeline": (folder / "timeline.jsonl", read_timeline),
        "recording": (scenario / "traces/langgraph.json", lambda path: load(Recording, path)),
        "script": (scenario / "scripts/repaired.yaml", lambda path: load(Script, path)),
        "expected value": (expected, read_data),
    }


def mutated(content: bytes, rng: Random) -> bytes:
    """``content`` with up to four pieces replaced, inserted, repeated, moved or cut off."""
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(content) + 1)
        end = min(len(content), at + rng.choice((0, 1, 3, 20, 200)))
        change = rng.randrange(6)
        if change == 0:
            content = content[:at] + rng.choice(_PIECES) + content[end:]
        elif change == 1:
            content = content[:at] + rng.choice(_PIECES) + content[at:]
        elif change == 2:
            content = content[:at] + content[at:end] * rng.choice((2, 50)) + content[end:]
        elif change == 3:
            content = content[:at] + content[end:]
        elif change == 4:
            content = content[:at] + bytes([rng.randrange(256)]) + content[at + 1 :]
        else:
            lines = content.split(b"\n")
            rng.shuffle(lines)
            content = b"\n".join(lines)
    return content[:200_000]


def problems(inputs: int, seed: int) -> Iterator[str]:
    """One line for each input that a reader does not handle."""
    with tempfile.TemporaryDirectory() as name:
        for kind, (path, read) in formats(Path(name)).items():
            valid = path.read_bytes()
            read(path)
            for number in range(inputs):
                rng = Random(f"{kind}:{seed}:{number}")
                path.write_bytes(mutated(valid, rng))
                problem = _problem(read, path)
                if problem is not None:
                    yield f"{kind}, seed {seed}, input {number}: {problem}"
            path.write_bytes(valid)


def _problem(read: Callable[[Path], object], path: Path) -> str | None:
    began = monotonic()
    message = ""
    try:
        read(path)
    except UsageError as error:
        message = str(error)
    except Exception as error:
        return f"{type(error).__name__}: {error}"[:300]
    if monotonic() - began > MOST_SECONDS:
        return f"took {monotonic() - began:.0f} s"
    if len(message) > LONGEST_MESSAGE:
        return f"a message of {len(message)} characters"
    if message and not message.isprintable():
        return f"not printable: {message!r}"[:300]
    return None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz.files")
    parser.add_argument("--inputs", type=int, default=10_000, help="for each format")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    count = 0
    for line in problems(options.inputs, options.seed):
        count += 1
        print(line)
    print(f"{count} problems")
    return 1 if count else 0


if __name__ == "__main__":
    sys.exit(main())
