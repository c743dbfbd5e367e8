"""What the embedded engine does otherwise than the real one, on purpose: case, quirk, and why.

Quirks are numbered as in the contract. The list is exact: a case that is on it must differ, one that is
not must fit.
"""

from __future__ import annotations

DIFFERENCES = {
    "json-bad-utf8": "Q21: replies of the embedded engine are always valid UTF-8",
    "json-null-task": "Q5: a null task is answered with 400; the real one drops the connection",
    "translate-null-task": "Q5: the same through an adapter action",
    "shell-timeout-grandchild": "Q8: the timeout ends the whole process group, not only its leader",
    "sleep-overflow": "Q18: a duration beyond ten minutes is refused, also one that overflows",
    "mcp-timeout": "Q30: an mcp task that timed out shows no result of success",
    "mcp-retry-keeps-handle": "Q30: likewise for each attempt",
    "resubmit-running": "Q4: the end of an old run is never written into a new record of its id",
    "resubmit-graph-reruns-child": "Q4: a child runs once for each submission that holds it",
    "resubmit-parent-reruns-old-child": "Q4: a graph wakes its own children only",
    "runtime-payload-float": "Q15: integers go to the runtime as they came",
    "runtime-error-text-body": "Q3: a text body becomes a JSON string, and the task stays readable",
    "runtime-poll-text-body": "Q3: the same while polling",
    "runtime-null-input": "Q1: a null payload is an empty one; the real engine dies of it",
    "persist-null-entry": "Q19: a null entry in state.json is left out; the real engine does not start",
    "persist-shutdown-waits-for-retries": "Q20: a stop does not wait for backoffs",
    "cross-graph-recursion": "Q2: graphs do not share children, so nothing recurses",
}
