"""What a report format is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from pytest_execgo.models.benchmark import BenchmarkResult


class ReportFormat(ABC):
    """Renders a run as one file of its folder; ``filename`` is the name of that file."""

    filename: ClassVar[str]

    @abstractmethod
    def render(self, result: BenchmarkResult) -> str:
        """The content of the file; a pure function of the result."""
