"""Intended differences of the embedded engine from the real one, by case: quirk and reason.

Quirks have the numbers of the contract. The list is exact: a listed case must differ, and any other case
must match.
"""

from __future__ import annotations

DIFFERENCES = {
    "json-bad-utf8": "Q21: replies of the embedded engine are always valid UTF-8",
    "json-null-task": "Q5: a null task gets the answer 400; the real engine drops the connection",
    "translate-null-task": "Q5: the same through an adapter action",
    "shell-timeout-grandchild": "Q8: the timeout ends the whole process group, not only its leader",
    "sleep-overflow": "Q18: a duration over ten minutes is refused, also if it overflows",
    "mcp-timeout": "Q30: an mcp task that timed out has no result of a success",
    "mcp-retry-keeps-handle": "Q30: likewise for each attempt",
    "resubmit-running": "Q4: the end of an old run is never written into a new record of its id",
    "resubmit-graph-reruns-child": "Q4: a child runs once for each submission that contains it",
    "resubmit-parent-reruns-old-child": "Q4: a graph starts only its own children",
    "runtime-payload-float": "Q15: integers reach the runtime unchanged",
    "runtime-error-text-body": "Q3: a text body becomes a JSON string, and the task stays readable",
    "runtime-poll-text-body": "Q3: the same while polling",
    "runtime-null-input": "Q1: a null payload counts as empty; it ends the process of the real engine",
    "persist-null-entry": "Q19: a null entry in state.json is ignored; the real engine does not start",
    "persist-shutdown-waits-for-retries": "Q20: a stop does not wait for backoffs",
    "cross-graph-recursion": "Q2: graphs do not share children, so nothing recurses",
}
