"""``benchmark.json``: the result itself."""

from __future__ import annotations

from pytest_execgo.benchmark.reports.base import ReportFormat
from pytest_execgo.models.benchmark import BenchmarkResult


class JsonReport(ReportFormat):
    """Validates against the exported schema ``benchmark_result.schema.json``."""

    filename = "benchmark.json"

    def render(self, result: BenchmarkResult) -> str:
        """Indented JSON."""
        return result.model_dump_json(indent=2) + "\n"
