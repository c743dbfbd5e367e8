"""What a run is asked to do: ``request.json``."""

from __future__ import annotations

from pydantic import Field

from pytest_execgo.models.context import DEFAULT_MAX_REPAIRS, ModelProfile, PlanBudget
from pytest_execgo.models.document import VersionedDocument
from pytest_execgo.models.finding import AcceptedFinding
from pytest_execgo.models.plan import Mode

MOST_CONFIRMATIONS = 100
SHARD = "^[0-9]+/[0-9]+$"


class BenchmarkRunRequest(VersionedDocument):
    """The request of a run. Empty lists mean all scenarios and all installed frameworks.

    ``confirm``: how often a trial with a failure or a recovery is repeated with its faults and without.
    ``harness`` and ``services`` name launchers, ``KIND`` or ``KIND:TARGET``. ``service_args`` are
    further arguments for services that are launched as binaries. ``python_image`` is the
    base image for the images of our own services (null: the default). ``model`` is the model of live
    trials, ``budget`` the limit for each of their plans. ``adaptive``: ``repetitions`` is the most, and
    a cell gets no more of them when the gates for its success rate are decided. ``shard``: run part i of
    n of the trials (``i/n``), divided by the times with the digest ``shard_weights`` if there is one.

    ``request.json`` of a run names the scenarios, frameworks, profiles and seed that were used.
    """

    scenarios: tuple[str, ...] = ()
    frameworks: tuple[str, ...] = ()
    modes: tuple[Mode, ...] = Field(default=("replay",), min_length=1)
    chaos: tuple[str, ...] = Field(default=("none",), min_length=1)
    repetitions: int = Field(default=1, ge=1, strict=True)
    adaptive: bool = False
    seed: int | None = Field(default=None, ge=0, strict=True)
    shard: str | None = Field(default=None, pattern=SHARD)
    shard_weights: str | None = None
    confirm: int = Field(default=0, ge=0, le=MOST_CONFIRMATIONS, strict=True)
    harness: str = "embedded"
    services: dict[str, str] = {}
    service_args: dict[str, tuple[str, ...]] = {}
    python_image: str | None = None
    model: ModelProfile | None = None
    max_repairs: int = Field(default=DEFAULT_MAX_REPAIRS, ge=0, le=20, strict=True)
    budget: PlanBudget = PlanBudget()
    known_findings: tuple[AcceptedFinding, ...] = ()
