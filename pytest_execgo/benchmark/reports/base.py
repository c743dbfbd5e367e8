"""What a report format is."""

from __future__ import annotations

from typing import Protocol

from pytest_execgo.models.benchmark import BenchmarkResult


class ReportFormat(Protocol):
    """Renders a run as one file of its folder."""

    filename: str

    def render(self, result: BenchmarkResult) -> str:
        """The content of the file; a pure function of the result."""
