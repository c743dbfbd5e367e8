"""The codes that attribution may name: for checking what users expect, and for docs/chaos.md."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from fnmatch import fnmatchcase
from typing import get_args

from pytest_execgo.errors import choice, did_you_mean
from pytest_execgo.models.cause import ExpectedCause, Layer
from pytest_execgo.models.messages import Source
from pytest_execgo.verdict.rules import RULES
from pytest_execgo.verdict.suspicion import Rule

_WITHOUT_RULES: dict[Layer, tuple[str, ...]] = {
    "none": ("no_failure",),
    "harness": ("rule_failed",),
    "unknown": ("unexplained", "unobserved"),
}
# Adapters, models and runtimes have codes of their own.
_OPEN: frozenset[Layer] = frozenset({"adapter", "plan", "runtime", "task"})


def known_codes(rules: Iterable[Rule] = RULES) -> dict[Layer, tuple[str, ...]]:
    """The codes of each layer, sorted; one that ends in ``*`` stands for a family."""
    found: dict[Layer, set[str]] = {layer: set() for layer in get_args(Layer)}
    for codes in (_WITHOUT_RULES, *(rule.codes for rule in rules)):
        for layer, names in codes.items():
            found[layer] |= set(names) - {"*"}
    return {layer: tuple(sorted(names)) for layer, names in found.items()}


def check_causes(
    causes: Sequence[ExpectedCause], source: Source, rules: Iterable[Rule] = RULES
) -> None:
    """Raise :class:`UsageError` for a code that no rule names.

    In a layer with codes from outside of this package, only one that looks like a misspelt code.
    """
    known = known_codes(rules)
    for cause in causes:
        for code in cause.codes:
            names = known[cause.layer]
            if any(fnmatchcase(code, pattern) for pattern in names):
                continue
            if did_you_mean(code, names) or cause.layer not in _OPEN:
                message = f"no rule names {cause.layer}/{code}{choice(code, names)}"
                raise source.mistake(message)


def codes_table() -> str:
    """The layers and codes as a Markdown table."""
    lines = ["| layer | codes |", "| --- | --- |"]
    for layer, codes in known_codes().items():
        own = " and others" if layer in _OPEN else ""
        lines.append(f"| `{layer}` | {' '.join(f'`{code}`' for code in codes)}{own} |")
    return "\n".join(lines)
