"""The rules of attribution. Each turns evidence into suspicions and knows no other rule."""

from __future__ import annotations

from pytest_execgo.verdict.rules import (
    bindings,
    checks,
    engine,
    files,
    fixtures,
    links,
    machine,
    outputs,
    planning,
    runtime,
    services,
    slow,
    stuck,
    submissions,
    tasks,
    witnesses,
)
from pytest_execgo.verdict.suspicion import Rule

RULES: tuple[Rule, ...] = (
    planning.RULE,
    bindings.RULE,
    submissions.RULE,
    engine.RULE,
    services.RULE,
    runtime.RULE,
    stuck.RULE,
    fixtures.RULE,
    tasks.RULE,
    checks.RULE,
    outputs.RULE,
    files.RULE,
    witnesses.RULE,
    links.RULE,
    machine.RULE,
    slow.RULE,
)
