"""What the texts and codes of ExecGo and the runtime mean."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_execgo.models.events import TaskError
from pytest_execgo.verdict.wording import (
    Failure,
    addresses,
    failure,
    http_status,
    is_cut_off,
    rejection,
    signal_of,
)
from tests.event_makers import failed

RUNTIME = {"source": "execgo-runtime"}


@pytest.mark.parametrize(
    ("error", "attempt", "expected"),
    [
        ({**RUNTIME, "raw_code": "conflict"}, 2, Failure("process", "retry_refused")),
        ({**RUNTIME, "raw_code": "conflict"}, 1, Failure("runtime", "conflict")),
        ({**RUNTIME, "raw_code": "exit_nonzero"}, 1, Failure("process", "exit_non_zero")),
        ({**RUNTIME, "raw_code": "launch_failed"}, 1, Failure("process", "launch_failed")),
        ({**RUNTIME, "code": "timeout"}, 1, Failure("process", "timeout")),
        ({**RUNTIME, "raw_code": "timeout"}, 1, Failure("process", "timeout")),
        (
            {**RUNTIME, "code": "memory_limit_exceeded"},
            1, Failure("process", "memory_limit_exceeded"),
        ),
        ({**RUNTIME, "code": "cpu_limit_exceeded"}, 1, Failure("process", "cpu_limit_exceeded")),
        ({"message": "task terminated by signal 9"}, 1, Failure("process", "killed_by_signal")),
        ({"message": "handle not found: x"}, 1, Failure("runtime", "handle_lost")),
        ({"message": "runtime submit returned status 502"}, 1, Failure("runtime", "http_error")),
        ({"message": "unknown os tool"}, 1, Failure("plan", "unknown_tool")),
        ({"code": "cancelled", "message": "context canceled"}, 1, Failure("cancelled", "cancelled")),
        ({"message": "shutting down"}, 1, Failure("cancelled", "cancelled")),
        ({"raw_code": "conflict"}, 2, Failure("process", "retry_refused")),
        ({"raw_code": "conflict"}, 1, Failure("process", "conflict")),
        (
            {**RUNTIME, "raw_code": "unsupported_capability", "message": "unsupported capability: x"},
            1, Failure("plan", "unsupported_capability"),
        ),
        (
            {**RUNTIME, "raw_code": "permission_denied", "message": "permission denied: kill"},
            1, Failure("plan", "permission_denied"),
        ),
        (
            {"message": "non-terminal runtime result missing handle_id"},
            1, Failure("runtime", "bad_answer"),
        ),
        (
            {"source": "executor", "code": "external_failure", "message": "task failed"},
            1, Failure("runtime", "no_reason"),
        ),
        ({**RUNTIME, "code": "invalid_input"}, 1, Failure("plan", "invalid_input")),
        ({**RUNTIME, "message": "Failed to parse the body"}, 1, Failure("plan", "invalid_input")),
        (
            {**RUNTIME, "raw_code": "insufficient_resources",
             "message": "insufficient resources: task requires 9 memory_bytes"},
            1, Failure("plan", "insufficient_resources"),
        ),
        (
            {**RUNTIME, "raw_code": "insufficient_resources",
             "message": "insufficient resources: task requires 1 task slots but runtime capacity is 0"},
            1, Failure("runtime", "insufficient_resources"),
        ),
        # The code alone may be that of a proxy in between.
        (
            {**RUNTIME, "raw_code": "permission_denied", "message": "blocked by policy"},
            1, Failure("runtime", "permission_denied"),
        ),
        ({**RUNTIME, "code": "internal", "message": "recovery_lost"}, 1, Failure("runtime", "internal")),
        (RUNTIME, 1, Failure("runtime", "failed")),
        # The answer to the submission has an error status, and its body is not the runtime's.
        (
            {**RUNTIME, "code": "external_failure", "message": "<html>blocked by policy</html>"},
            1, Failure("runtime", "http_error"),
        ),
        (
            {**RUNTIME, "code": "external_failure", "raw_code": "overloaded"},
            1, Failure("runtime", "overloaded"),
        ),
        (
            {"source": "runtime-executor", "code": "invalid_input", "message": "parse runtime input"},
            1, Failure("plan", "invalid_input"),
        ),
        (
            {"source": "executor", "code": "external_failure", "message": "task cancelled"},
            1, Failure("runtime", "no_reason"),
        ),
        (
            {"source": "executor", "message": "decode runtime submit response: EOF"},
            1, Failure("runtime", "bad_answer"),
        ),
        (
            {"source": "executor", "code": "external_failure", "message": "exit status 3"},
            1, Failure("process", "external_failure"),
        ),
    ],
)  # fmt: skip
def test_a_failure_is_that_of_the_process_the_plan_or_the_runtime(
    error: dict[str, Any], attempt: int, expected: Failure
) -> None:
    event = failed(TaskError(**error)).model_copy(update={"attempt": attempt})
    assert failure(event) == expected


def test_a_failure_without_an_error_has_no_reason() -> None:
    event = failed(TaskError()).model_copy(update={"error": None})
    assert failure(event) == Failure("unclear", "no_reason")
    assert not is_cut_off(event)
    assert signal_of(event) is None


def test_a_signal_is_named_by_its_number() -> None:
    assert signal_of(failed(TaskError(message="task terminated by signal 9"))) == 9
    assert signal_of(failed(TaskError(message="task exited with code 9"))) is None


def test_a_rejection_names_a_rule_only_below_500() -> None:
    assert rejection(400, "cycle detected in task graph") == "cycle"
    assert rejection(499, "cycle detected in task graph") == "cycle"
    assert rejection(500, "cycle detected in task graph") is None
    assert rejection(400, "blocked by policy") is None


def test_addresses_and_statuses_are_found_in_words() -> None:
    text = "GET http://127.0.0.1:8090/x\nerror at 12:30: HTTP 503 from [::1]:80"
    assert {"127.0.0.1:8090", "[::1]:80"} <= addresses(text)
    assert http_status(text) == 503
    assert http_status("404\nKeyError: 'x'") is None
