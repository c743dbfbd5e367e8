"""The codes that describe each kind of fault, chosen by what the kind does, not by what is named today.

Many faults have no code of their own. Then the code that says how the fault shows is right: a firewall
that refuses a request shows as an HTTP status.
"""

from __future__ import annotations

from collections.abc import Iterable

_SERVICES = ("fixtures_", "runtime_", "execgo_")

# The connection ends without a whole answer.
_NO_ANSWER = ("closed", "reset", "link_broken", "unreachable", "answer_lost")
# What comes back is not an answer that HTTP allows, or no client can decode it.
_MALFORMED = ("undecodable", "bad_answer", "protocol_error", "answer_lost")
_SILENT = ("silent", "timed_out", "link_slow", "slow", "unreachable")
# The answer has an error status. "altered": the service says that it gave another answer.
_REFUSAL = ("http_status", "http_error", "http_*", "unavailable", "altered")
_ALTERED = ("altered", "answer_altered", "wrong_content", "contradiction")
# Another answer, or one whose form is not that of the contract.
_REPLACED = (*_ALTERED, *_MALFORMED)
# The service gets another request than was sent. It answers to that one.
_SENT = (*_ALTERED, "request_altered")
_FILES = ("file_removed", "file_content", "file_mode")
_LIMITS = ("limited", "memory_limit_exceeded", "cpu_limit_exceeded")
_IN_PLAN = ("exit_non_zero", "bad_output", "wrong_output")

_CODES: dict[str, Iterable[str]] = {
    # Answers, first to third batch.
    "closed": _NO_ANSWER,
    "reset": _NO_ANSWER,
    "half_open": _SILENT,
    "slow_body": _SILENT,
    "cut_body": (*_NO_ANSWER, *_MALFORMED),
    "cut_right_length": _REPLACED,
    "duplicated": _REPLACED,
    "every_second": _NO_ANSWER,
    "html": _REPLACED,
    "forbidden": _REFUSAL,
    "gateway": _REFUSAL,
    "bad_request": _REFUSAL,
    "empty": _REPLACED,
    "flipped": _REPLACED,
    "says_failed": (*_ALTERED, "no_reason"),
    "redirect": _REFUSAL,
    "too_many": _REFUSAL,
    "bad_chunks": (*_NO_ANSWER, *_MALFORMED),
    "not_gzip": _MALFORMED,
    "late": _SILENT,
    "half_a_head": (*_NO_ANSWER, *_MALFORMED),
    "null": _REPLACED,
    "empty_object": _REPLACED,
    "third_time": _NO_ANSWER,
    "utf16_mark": _REPLACED,
    "trailing": _REPLACED,
    "not_utf8": _REPLACED,
    "no_content": _REPLACED,
    "long_head": _MALFORMED,
    "bandwidth": _SILENT,
    "other_protocol": _MALFORMED,
    "no_stdout": _ALTERED,
    "exit_3": _ALTERED,
    "no_status": _REPLACED,
    "always_running": ("stuck", *_ALTERED),
    "no_output": _REPLACED,
    # Requests.
    "sent_altered": (*_SENT, "task_lost"),
    "sent_twice": ("submitted_twice", "contradiction"),
    "sent_cut": _REFUSAL,
    "sent_empty": _REFUSAL,
    # Fourth batch.
    "shared_cache": _ALTERED,
    "older_data": _ALTERED,
    "starting": _REFUSAL,
    "compressed": _REPLACED,
    "replica": ("handle_lost", "answer_lost", *_ALTERED),
    "swapped_stdout": _ALTERED,
    "rate_limited": _REFUSAL,
    "late_gateway": _REFUSAL,
    "firewall": _REFUSAL,
    "lost_env": _SENT,
    "standby": _REFUSAL,
    "lost_dependencies": _SENT,
    "body_limit": _REFUSAL,
    "microcache": _ALTERED,
    # Fifth batch.
    "session_expired": _REFUSAL,
    "login_page": _REPLACED,
    "html_escaped": _ALTERED,
    "numeric_severity": _ALTERED,
    "cold_start": _SILENT,
    "renamed_ids": _REPLACED,
    "two_clocks": ("contradiction",),
    "connection_limit": _NO_ANSWER,
    "redacted": _ALTERED,
    "wrapped_lines": _ALTERED,
    "local_times": _REPLACED,
    "idempotency": ("contradiction", "task_lost"),
    "list_limit": ("contradiction", "task_lost"),
    "lower_keys": _REPLACED,
    "early_hints": _MALFORMED,
    # Sixth batch.
    "shifted": _ALTERED,
    "error_as_200": _REPLACED,
    "spaced_ranges": _ALTERED,
    "envelope": _REPLACED,
    "upper_status": ("stuck", *_REPLACED),
    "stdout_capped": _ALTERED,
    "stdout_base64": _ALTERED,
    "prefixed_lines": _ALTERED,
    "queue_full": _REFUSAL,
    "no_capacity": (*_REFUSAL, "insufficient_resources"),
    "numbers_as_texts": (*_REFUSAL, *_SENT),
    "quotes_sanitised": _SENT,
    "env_cut": _SENT,
    "acknowledgement_lost": _NO_ANSWER,
    "double_encoded": _REPLACED,
    "kept_for_ever": ("stuck", *_ALTERED),
    "retention": ("task_lost", "handle_lost", *_REFUSAL),
    "not_modified": _REFUSAL,
    "sorted_lists": _ALTERED,
    "clock_stepped": ("contradiction",),
    "idle_drop": _NO_ANSWER,
    "request_reset": _NO_ANSWER,
    "black_hole": _SILENT,
    "stalls": _SILENT,
    "late_packet": _SILENT,
    "half_closed": _NO_ANSWER,
    # The machine.
    "no_space": ("no_space",),
    "no_inodes": ("no_space",),
    "read_only": ("read_only",),
    "tool_removed": _FILES,
    "emptied": _FILES,
    "broken_tool": _FILES,
    "workspace_moved": _FILES,
    "reverted": _FILES,
    "inputs_cut": _FILES,
    "mounted_as_folder": _FILES,
    "outputs_swept": _FILES,
    "data_folder_replaced": _FILES,
    "logs_rotated": (*_FILES, "contradiction"),
    "killed": ("killed",),
    "terminated": ("killed",),
    "segfault": ("killed", "killed_by_signal"),
    "shims_killed": ("killed",),
    "task_stopped": ("process_stopped", "stuck"),
    "engine_terminated": ("process_exited", "silent", "unreachable"),
    "runtime_suspended": ("process_stopped", "silent"),
    "no_descriptors": ("too_many_files", *_LIMITS),
    "memory": ("out_of_memory", *_LIMITS),
    "file_size": _LIMITS,
    "cpu_time": _LIMITS,
    "busy": ("overloaded", "unobserved"),
    "driver_stopped": ("unobserved",),
    "interpreter_bare": ("exit_non_zero", *_FILES),
    "interpreter_banner": ("bad_output", *_FILES),
    "interpreter_mode": ("launch_failed", *_FILES),
    "interpreter_shebang": ("launch_failed", *_FILES),
    "scratch_full": ("no_space",),
    "output_immutable": ("read_only", *_FILES),
    "link_loop": _FILES,
    "inputs_transcoded": _FILES,
    "outputs_overwritten": _FILES,
    "one_task_killed": ("killed",),
    "port_stolen": ("process_exited", *_REPLACED),
    "cancelled_by_other": (),
    # The plan.
    "wrong_field": ("exit_non_zero", "bad_output"),
    "wrong_key": ("binding_missing",),
    "own_error": ("exit_non_zero",),
    "wrong_argument": ("exit_non_zero",),
    "wrong_file": ("exit_non_zero", "launch_failed"),
    "wrong_route": ("exit_non_zero",),
    "short_time": ("timeout",),
    "wrong_variable": ("exit_non_zero",),
    "wrong_program": ("launch_failed",),
    "wrong_source": _IN_PLAN,
    "hard_coded_url": ("exit_non_zero",),
    "not_joined": ("exit_non_zero",),
    "no_dependency": ("exit_non_zero",),
    "debug_print": ("bad_output",),
    "deadline_in_seconds": (),
    "first_left_out": _IN_PLAN,
    "other_output_name": _IN_PLAN,
    "hours_as_minutes": _IN_PLAN,
    "version_for_name": _IN_PLAN,
    "other_source": _IN_PLAN,
    "same_target": _IN_PLAN,
    "whole_output": _IN_PLAN,
    "swapped_arguments": ("exit_non_zero",),
    "engine_seconds": ("timeout",),
    "memory_in_megabytes": _LIMITS,
    "output_in_kilobytes": ("bad_output", *_LIMITS),
    "limit_as_text": (),
    "endless_loop": ("timeout",),
    "one_part_less": ("exit_non_zero",),
    "one_too_far": ("exit_non_zero",),
    "trailing_log": ("bad_output",),
    "reads_too_early": ("exit_non_zero",),
    "relative_path": ("exit_non_zero",),
    "reads_stdin": ("exit_non_zero",),
    "value_not_text": (),
    "count_as_exit_code": ("exit_non_zero",),
    "aborts_itself": ("killed_by_signal",),
    "child_keeps_pipe": (),
    "works_in_background": _IN_PLAN,
    # Two faults: the first cause describes one of them.
    "two_layers": (*_REFUSAL, *_NO_ANSWER),
    "two_layers_again": (*_REPLACED, *_NO_ANSWER),
    "replica_and_missing_page": (*_REFUSAL, "task_lost"),
    "starting_and_swapped_files": (*_REFUSAL, *_IN_PLAN),
    "killed_and_prefixed": ("killed", *_ALTERED),
    "locked_and_dropped": ("read_only", *_FILES, *_NO_ANSWER),
    "quota_and_cache": (*_REPLACED, *_REFUSAL),
    "version_and_queue_full": (*_IN_PLAN, *_REFUSAL),
}  # fmt: skip


def right_codes(kind: str) -> frozenset[str]:
    """The codes of a kind; one with ``*`` stands for a family. Empty: no code describes it."""
    if kind not in _CODES:
        kind = kind.removeprefix(next((s for s in _SERVICES if kind.startswith(s)), ""))
    return frozenset(_CODES[kind])
