"""A comparison of two runs in Markdown, and its rows for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_execgo.benchmark.change_gate import gate_text, percent
from pytest_execgo.benchmark.reports.table import duration, markdown_table
from pytest_execgo.models.comparison import Comparison, MetricComparison
from pytest_execgo.models.safe_text import for_markdown, for_markdown_code

HEADERS = ("metric", "base", "new", "difference", "95 % interval", "p", "result")
_MOST_NAMES = 30


def metric_rows(comparison: Comparison) -> list[list[str]]:
    """One row for each metric."""
    return [
        [
            metric.name,
            _value(metric, metric.base),
            _value(metric, metric.new),
            percent(metric.difference),
            "–"
            if metric.low is None or metric.high is None
            else f"{percent(metric.low)} … {percent(metric.high)}",
            f"{metric.p_value:.3f}",
            metric.change,
        ]
        for metric in comparison.metrics
    ]


def success_gate_line(comparison: Comparison) -> str:
    """The verdict of the gate, with what would decide it."""
    return f"{comparison.gate.verdict}: success rate {gate_text(comparison.gate)}"


def change_lines(comparison: Comparison) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What is new, gone, red and green, each with its names; only lists that are not empty."""
    for title, names in (
        ("newly red", comparison.newly_red),
        ("newly green", comparison.newly_green),
        ("newly named causes", comparison.newly_named),
        ("new cells", comparison.new_cells),
        ("cells that are gone", comparison.gone_cells),
    ):
        if names:
            yield title, names


def comparison_lines(comparison: Comparison) -> Iterator[str]:
    """The comparison in a few lines: the gate, what changed, and the metrics with evidence."""
    yield f"compared with {comparison.base}: {success_gate_line(comparison)}"
    for metric in comparison.metrics:
        if metric.change != "no evidence":
            values = f"{_value(metric, metric.base)} → {_value(metric, metric.new)}"
            yield f"{metric.change}: {metric.name} {values} ({percent(metric.difference)})"
    for title, names in change_lines(comparison):
        yield f"{title}: {', '.join(names[:_MOST_NAMES])}"
    yield from (f"note: {text}" for text in comparison.warnings)


def comparison_markdown(comparison: Comparison) -> str:
    """The comparison for a pull request: the verdict first, details folded."""
    lines = [f"# {for_markdown(f'{comparison.new} compared with {comparison.base}')}", ""]
    lines += [f"**{success_gate_line(comparison)}.**", ""]
    lines += [f"- note: {for_markdown(text)}" for text in comparison.warnings]
    lines += [
        f"- {gate.verdict}: `{for_markdown_code(gate.expression)}`: {for_markdown(gate.reason)}"
        for gate in comparison.gates
    ]
    for title, names in change_lines(comparison):
        shown = ", ".join(f"`{for_markdown_code(name)}`" for name in names[:_MOST_NAMES])
        more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
        lines.append(f"- {title} ({len(names)}): {shown}{more}")
    lines += ["", "<details><summary>Metrics</summary>", ""]
    lines += [markdown_table(metric_rows(comparison), HEADERS), "", "</details>", ""]
    return "\n".join(lines)


def _value(metric: MetricComparison, value: float) -> str:
    return f"{value * 100:.1f} %" if metric.unit == "rate" else duration(value)
