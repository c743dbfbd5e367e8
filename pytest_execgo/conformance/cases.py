"""The recorded cases, and the engine that each needs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any


@dataclass(frozen=True)
class EngineNeeds:
    """How to start the engine of a case.

    ``fresh``: no other case used the engine before. ``control``: the case stops and starts it.
    ``fatal``: the case ends the process of the real engine.
    """

    env: tuple[tuple[str, str], ...] = ()
    max_concurrency: int | None = None
    fresh: bool = False
    control: bool = False
    fatal: bool = False

    @property
    def own(self) -> bool:
        """Whether the case needs its own engine."""
        return self.fresh or self.control or self.fatal


@dataclass(frozen=True)
class Case:
    """One recorded case. Answers to ``setup`` are not compared, answers to ``requests`` are.

    ``quirk`` is the number of the quirk of the real engine that the case shows, if any.
    """

    name: str
    area: str
    shows: str
    quirk: str | None
    toolchain: bool
    engine: EngineNeeds
    peer: tuple[dict[str, Any], ...] | None
    setup: tuple[dict[str, Any], ...]
    requests: tuple[dict[str, Any], ...]
    peer_expect: tuple[dict[str, Any], ...] | None

    def __str__(self) -> str:
        return self.name


@lru_cache
def load_cases() -> tuple[Case, ...]:
    """All recorded cases in their order."""
    text = (files(__package__) / "exchanges.json").read_text(encoding="utf-8")
    return tuple(_case(item) for item in json.loads(text)["cases"])


def _case(item: dict[str, Any]) -> Case:
    engine = dict(item.get("engine", {}))
    env = tuple(sorted(engine.pop("env", {}).items()))
    peer, expect = item.get("peer"), item.get("peer_expect")
    return Case(
        name=item["name"],
        area=item["area"],
        shows=item["shows"],
        quirk=item.get("quirk"),
        toolchain=bool(item.get("toolchain")),
        engine=EngineNeeds(env=env, **engine),
        peer=None if peer is None else tuple(peer),
        setup=tuple(item.get("setup", ())),
        requests=tuple(item["requests"]),
        peer_expect=None if expect is None else tuple(expect),
    )
