"""Makes five red trials, and writes what a terminal of 80 columns shows of them to docs/failures.md:
python -m tests.failure_page"""

from __future__ import annotations

import html
import re
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ScenarioMaker
from tests.terminals import SEQUENCE, at_terminal

DOCS = Path(__file__).parents[1] / "docs"
_COLOURS = {"31": "#c4341c", "32": "#2d7d2d", "33": "#8f6a00", "36": "#0f7a86"}
_ROW, _CHARACTER, _COLUMNS = 17, 7.83, 80
_VOLATILE = (
    (re.compile(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{4}"), "20261126-100000-0a1b"),
    (re.compile(r'"[^"\n]*/lib/python3'), '"/usr/lib/python3'),
)
"""Names of runs and paths of this machine, and what the page has instead."""


@dataclass(frozen=True)
class Failure:
    """A mistake in the scenario that ``scenario new`` makes: what is replaced in which file."""

    name: str
    title: str
    text: str
    file: str = ""
    before: str = ""
    after: str = ""
    chaos: str = ""

    def make(self, maker: ScenarioMaker) -> None:
        folder = maker(self.name)
        if self.file:
            path = folder / self.file
            assert self.before in path.read_text()
            path.write_text(path.read_text().replace(self.before, self.after))
        if self.chaos:
            when = {"phase": "runtime", "after": "task_running"}
            maker.chaos(
                self.chaos,
                expectation="should_recover",
                expected_cause={"layer": "engine"},
                faults=[{"action": "kill", "target": "execgo", "when": when}],
            )

    def shown(self, root: Path) -> str:
        """What the terminal shows from the heading of the failures on, with colours."""
        chaos = [f"--execgo-chaos={self.chaos}"] if self.chaos else []
        seen = at_terminal(root, f"scenarios/{self.name}", *chaos)
        text = seen.replace("\r\n", "\n")
        return text[text.index("= FAILURES =") :].partition("\n")[2]


FAILURES = (
    Failure(
        "task_error", "A task ends with an error",
        "The cause has the last line that the task wrote, and `stderr` has the lines before it.",
        "workspace/greet.py", "names.txt", "people.txt",
    ),
    Failure(
        "wrong_value", "A value is not the expected one",
        "No fault was injected and every task succeeded, so either the plan or the check is wrong.",
        "scenario.yaml", "equals: 3", "equals: 4",
    ),
    Failure(
        "wrong_file", "A file is not the expected one",
        "`difference` shows the lines. `--execgo-update-expected` accepts the new content.",
        "workspace/greet.py", "Hello, ", "Welcome, ",
    ),
    Failure(
        "lost_binding", "A binding finds no value",
        "The cause names what the source task printed instead.",
        "workspace/greet.py", '{"names": names}', '{"people": names}',
    ),
    Failure(
        "killed_engine", "ExecGo dies and stays away",
        "The chain has the fault, its first symptom and the end, with times from the start of the "
        "trial.",
        chaos="engine_dies",
    ),
)  # fmt: skip


def picture(text: str) -> str:
    """A terminal with ``text``, whose colours are escape sequences, as SVG."""
    lines = [row for line in text.rstrip("\n").split("\n") for row in _rows(_pieces(line))]
    height, width = len(lines) * _ROW + 20, round(_COLUMNS * _CHARACTER) + 24
    rows = []
    for number, line in enumerate(lines):
        spans = "".join(f"<tspan{style}>{_escaped(part)}</tspan>" for part, style in line)
        rows.append(f'<text x="12" y="{number * _ROW + 22}">{spans}</text>')
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        'font-family="ui-monospace, Menlo, Consolas, monospace" font-size="13">'
    )
    frame = '<rect width="100%" height="100%" rx="6" fill="#ffffff" stroke="#c8c8c8"/>'
    return "\n".join([head, frame, *rows, "</svg>", ""])


def _escaped(text: str) -> str:
    """Text of SVG, in which browsers would fold spaces."""
    return html.escape(text).replace(" ", "\N{NO-BREAK SPACE}")


def _rows(pieces: Iterator[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    """The parts of a line in rows, as a terminal breaks it."""
    rows: list[list[tuple[str, str]]] = [[]]
    room = _COLUMNS
    for part, style in pieces:
        rest = part
        while len(rest) > room:
            rows[-1].append((rest[:room], style))
            rows.append([])
            rest, room = rest[room:], _COLUMNS
        rows[-1].append((rest, style))
        room -= len(rest)
    return rows


def _pieces(line: str) -> Iterator[tuple[str, str]]:
    """The parts of a line, each with the attributes of its style."""
    codes: set[str] = set()
    position = 0
    for found in SEQUENCE.finditer(line):
        if found.start() > position:
            yield line[position : found.start()], _style(codes)
        position = found.end()
        if found[0].endswith("m"):
            given = found[0][2:-1].split(";")
            codes = set() if given in (["0"], [""]) else codes | set(given)
    if line[position:]:
        yield line[position:], _style(codes)


def _style(codes: set[str]) -> str:
    colour = next((_COLOURS[code] for code in codes if code in _COLOURS), "#1a1a1a")
    return f' fill="{colour}"' + (' font-weight="bold"' if "1" in codes else "")


def page(texts: dict[str, str]) -> str:
    """The page with what each failure shows."""
    lines = [
        "# Failures at a glance",
        "",
        "What a terminal of 80 columns shows of five red trials. The first lines say what happened,",
        "where, and what to do; the chain below says how it came to that. The same text is in",
        "`summary.md` of the trial, in `benchmark.md`, in JUnit XML and in the report of a test that",
        "called `execgo_run`.",
        "",
        "This page is written by `python -m tests.failure_page`.",
    ]
    for failure in FAILURES:
        plain = SEQUENCE.sub("", texts[failure.name]).rstrip()
        lines += ["", f"## {failure.title}", "", failure.text, "", "```text", plain, "```", ""]
        lines += [f"![{failure.title}](images/failure-{failure.name}.svg)"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write the page and its pictures."""
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        maker = ScenarioMaker(root / "scenarios")
        texts = {}
        for failure in FAILURES:
            failure.make(maker)
            text = failure.shown(root)
            for pattern, other in _VOLATILE:
                text = pattern.sub(other, text)
            texts[failure.name] = text
    (DOCS / "images").mkdir(exist_ok=True)
    for name, text in texts.items():
        (DOCS / f"images/failure-{name}.svg").write_text(picture(text))
    (DOCS / "failures.md").write_text(page(texts))


if __name__ == "__main__":
    main()
