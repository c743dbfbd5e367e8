"""Names and prose: what a reader must be able to rely on in code, documentation and messages."""

from __future__ import annotations

import ast
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

from tests.vocabulary import GONE

ROOT = Path(__file__).parent.parent
LONGEST_LINE = 120
SOURCES = ("pytest_execgo", "fixtures_server", "tests", "benchmarks")
PAGES = (
    "README.md", "README.zh-CN.md", "ARCHITECTURE.md", "CHANGELOG.md", "CONTRIBUTING.md",
    "SECURITY.md", "benchmarks/README.md", "desktop-client/README.md", "reports/README.md",
)  # fmt: skip
SETTINGS = ("pyproject.toml", "conftest.py", ".ci/*", ".github/**/*.yml", ".pre-commit-config.yaml")
# Text that a model wrote.
FOREIGN = ("scenarios/*/traces/*",)
OLD_WORDS = [re.compile(word.replace(" ", r"[\s#]+"), re.IGNORECASE) for word in GONE]
# The dictionary itself, and its examples.
OWN = {ROOT / "tests/vocabulary.py", ROOT / "tests/test_prose.py"}


def sources(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def pages() -> list[Path]:
    named = [ROOT / page for page in PAGES if (ROOT / page).exists()]
    return [*named, *sorted((ROOT / "docs").rglob("*.md"))]


def texts() -> list[Path]:
    """Every file whose words are ours: code, documentation, settings, scenarios and profiles."""
    found = {*sources(*SOURCES), *pages()}
    for pattern in ("*.py", "*.yaml", "*.md", "Dockerfile"):
        for folder in ("scenarios", *SOURCES):
            found |= set((ROOT / folder).rglob(pattern))
    found |= {path for pattern in SETTINGS for path in ROOT.glob(pattern)}
    foreign = {path for pattern in FOREIGN for path in ROOT.glob(pattern)}
    return sorted(found - foreign - OWN)


def at(path: Path, line: int) -> str:
    return f"{path.relative_to(ROOT)}:{line}"


def lines_of(found: Iterable[str]) -> str:
    return "\n" + "\n".join(found)


def long_lines(path: Path) -> Iterator[str]:
    """Lines over the limit, without tables and blocks of code."""
    in_code = False
    for number, line in enumerate(path.read_text().splitlines(), 1):
        if path.suffix == ".md" and line.lstrip().startswith("```"):
            in_code = not in_code
        elif not in_code and not line.startswith("|") and len(line) > LONGEST_LINE:
            yield f"{at(path, number)}: {len(line)} characters"


def as_words(text: str) -> str:
    """``text`` with identifiers as words, on the same lines."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text.replace("_", " "))


def old_words(path: Path) -> Iterator[str]:
    text = path.read_text()
    # The changelog names keys and options as they were called.
    words = as_words(re.sub("`[^`]*`", "", text) if path.name == "CHANGELOG.md" else text)
    for pattern, instead in zip(OLD_WORDS, GONE.values(), strict=True):
        for match in pattern.finditer(words):
            line = words.count("\n", 0, match.start()) + 1
            yield f"{at(path, line)}: {match.group()!r}: write {instead}"


def test_class_names_are_unique_in_the_package() -> None:
    places = defaultdict(list)
    for path in sources("pytest_execgo"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef):
                places[node.name].append(at(path, node.lineno))
    twice = [f"{name}: {', '.join(where)}" for name, where in places.items() if len(where) > 1]
    assert not twice, lines_of(twice)


def test_no_module_has_the_name_of_a_standard_library_module() -> None:
    modules = {path.parent if path.stem == "__init__" else path for path in sources(*SOURCES)}
    shadows = sorted(at(path, 1) for path in modules if path.stem in sys.stdlib_module_names)
    assert not shadows, lines_of(shadows)


def test_no_line_of_documentation_is_too_long() -> None:
    found = [line for path in (*pages(), *sources("pytest_execgo")) for line in long_lines(path)]
    assert not found, lines_of(found)


def test_no_text_uses_a_word_of_the_old_vocabulary() -> None:
    found = [line for path in texts() for line in old_words(path)]
    assert not found, lines_of(found)


def test_no_file_is_named_by_a_word_of_the_old_vocabulary() -> None:
    names = [str(path.relative_to(ROOT)) for path in texts()]
    found = [name for name in names for word in OLD_WORDS if word.search(as_words(name))]
    assert not found, lines_of(found)


@pytest.mark.parametrize(
    "text",
    ["struck", "test_each_strike_counts", "BESIDE US", "beside\n# us", "RandomDice", "is_well"],
)
def test_old_words_are_found_in_prose_and_in_identifiers(text: str) -> None:
    assert any(word.search(as_words(text)) for word in OLD_WORDS)


@pytest.mark.parametrize(
    "text", ["as well", "make sure", "there is no", "no longer", "a white die"]
)
def test_plain_english_is_not_taken_for_old_words(text: str) -> None:
    assert not any(word.search(as_words(text)) for word in OLD_WORDS)
