"""Examples that Hypothesis proposes for a search. The search reduces what fails by its own means."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pytest_execgo.errors import UsageError

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

T = TypeVar("T")
INSTALL = "pip install 'pytest-execgo[search]'"


def require_hypothesis() -> None:
    """Raise :class:`UsageError` if Hypothesis is not installed, before anything that takes long."""
    if find_spec("hypothesis") is None:
        raise UsageError(f"the search needs Hypothesis; install it with: {INSTALL}")


class Fails(AssertionError):
    """Raised by a test: the example is one that the search looks for."""


def propose(
    strategy: Callable[[], SearchStrategy[T]],
    test: Callable[[T], None],
    *,
    examples: int,
    seed: int,
    database: Path | None = None,
) -> bool:
    """Call ``test`` with at most ``examples`` examples until it raises :class:`Fails`; whether it did.

    It is then called a second time with the same example. ``strategy`` is called once. ``database`` is a
    folder for examples that failed: they are proposed first the next time. Raises :class:`UsageError`
    if Hypothesis is not installed.
    """
    require_hypothesis()
    import hypothesis
    from hypothesis.database import DirectoryBasedExampleDatabase
    from hypothesis.errors import Flaky, HypothesisSideeffectWarning

    settings = hypothesis.settings(
        max_examples=examples,
        deadline=None,
        # On a CI system Hypothesis would switch this on, which switches the database off.
        derandomize=False,
        database=DirectoryBasedExampleDatabase(database) if database else None,
        suppress_health_check=list(hypothesis.HealthCheck),
        print_blob=False,
        phases=[hypothesis.Phase.reuse, hypothesis.Phase.generate],
        report_multiple_bugs=False,
        verbosity=hypothesis.Verbosity.quiet,
    )

    # A function of its own, because Hypothesis sets attributes of it.
    def run(example: T) -> None:
        test(example)

    with warnings.catch_warnings():
        # pytest was asked for the parts of the project and ended before it configured its plugins. That
        # of Hypothesis therefore takes this for the import of a conftest.py.
        warnings.simplefilter("ignore", HypothesisSideeffectWarning)
        # A seed switches the database off, the settings then switch it on again.
        runs = settings(hypothesis.seed(seed)(hypothesis.given(strategy())(run)))
        try:
            runs()
        except (Fails, Flaky):
            return True
    return False
