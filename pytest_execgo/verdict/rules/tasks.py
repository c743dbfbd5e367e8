"""Tasks that failed, by what ExecGo says about their end and by their own words.

A failed task is weak evidence against itself: what it read may be wrong, what it asked may not answer,
and the machine may refuse it something. So no suspicion of this rule is certain, and where the words of
the task do not tell, it says that it does not know.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from pytest_execgo.models.cause import Layer
from pytest_execgo.models.events import TaskChanged, TaskInputs, TaskOutput
from pytest_execgo.models.verdict import Confidence
from pytest_execgo.verdict import wording
from pytest_execgo.verdict.evidence import Evidence
from pytest_execgo.verdict.suspicion import Rule, Suspicion

# A process brings these signals on itself: SIGILL, SIGABRT, SIGBUS, SIGFPE and SIGSEGV on Linux, where
# runtimes run tasks.
_CRASHES = frozenset({4, 6, 7, 8, 11})
# What shells exit with if a child was ended by SIGKILL or SIGTERM.
_KILLED_CHILD = frozenset({137, 143})
_NETWORK = tuple(sorted(wording.NETWORK))


def _suspect(evidence: Evidence) -> Iterator[Suspicion]:
    for failed in evidence.failures():
        found = wording.failure(failed)
        if found.kind != "runtime":
            yield from _End(evidence, failed, found.code).suspicions(found.kind)


@dataclass(frozen=True)
class _End:
    """The end of one task, as its ``code`` says."""

    evidence: Evidence
    failed: TaskChanged
    code: str

    def suspicions(self, kind: wording.FailureKind) -> Iterator[Suspicion]:
        """What this end suggests."""
        if kind == "plan":
            yield from self._refused()
        elif kind == "cancelled":
            yield self._suspicion("engine", "cancelled", "possible", "ExecGo cancelled it")
        elif self._contradicted():
            yield self._contradiction()
        elif kind == "unclear":
            yield self._suspicion("unknown", "no_reason", "possible", "ExecGo gives no reason")
        else:
            yield from self._process()

    # -- payloads that the runtime or ExecGo refuses

    def _refused(self) -> Iterator[Suspicion]:
        """The plan is wrong, unless the same payload was accepted before, or has the right form. Then
        the runtime may have got something else."""
        message = self.evidence.message(self.failed)
        if self._proven:
            why = f"{message}; it took the same payload before, so it, or what it got, has changed"
            yield self._suspicion("unknown", "refused_payload", "possible", why)
            return
        if self.code != "invalid_input" or not self._inputs.valid:
            yield self._suspicion("dsl", self.code, "likely")
            return
        why = f"{message}; what was submitted has the right form, so it may have got something else"
        yield self._suspicion("unknown", "refused_payload", "possible", why)
        yield self._suspicion("dsl", self.code, "possible")

    # -- ends that contradict themselves

    def _contradicted(self) -> bool:
        out = self._output
        return out is not None and (out.exit_code == 0 or out.reported_status == "success")

    def _contradiction(self) -> Suspicion:
        """The process ended well, and ExecGo says that the task failed. The runtime is the witness."""
        out = self._output
        assert out is not None
        why = "its process ended well, but ExecGo says that it failed"
        if "success" in (out.runtime_status, out.reported_status):
            return self._suspicion("engine", "contradiction", "likely", why)
        if out.runtime_status is not None:
            why = "its process ended well, but the runtime says that it failed"
            return self._suspicion("runtime", "contradiction", "likely", why)
        return self._suspicion("unknown", "contradiction", "possible", why)

    # -- ends of the task's own process

    def _process(self) -> Iterator[Suspicion]:
        if self.code == "killed_by_signal" or self._exit_code in _KILLED_CHILD:
            yield from self._killed()
        elif self.code == "timeout":
            yield from self._late()
        elif self.code == "retry_refused":
            why = (
                "; ExecGo's retry reused an id that the runtime already knows, so the error of the "
                "first attempt is lost: use max_resubmits instead of retry"
            )
            yield self._suspicion(
                "task", self.code, "likely", self.evidence.message(self.failed) + why
            )
        else:
            yield from self._exited()

    def _killed(self) -> Iterator[Suspicion]:
        out = self._output
        number = (out.exit_signal if out else None) or wording.signal_of(self.failed)
        if number in _CRASHES and not self._proven:
            limited = "; the plan limits its memory, and a program that gets none may end like this"
            why = self._own_message + limited * self._inputs.memory_limit
            yield self._suspicion("task", self.code, "likely", why)
            return
        yield self._suspicion("unknown", "killed", "possible", "something outside of it ended it")
        yield from self._unless_proven()

    def _late(self) -> Iterator[Suspicion]:
        if not self._inputs.services and not self._proven:
            yield self._suspicion("task", "timeout", "likely")
            return
        services = ", ".join(self._inputs.services)
        why = f"it ran out of time{self._limit}; it may have waited for {services or 'the machine'}"
        yield self._suspicion("unknown", "timeout", "possible", why)
        yield from self._unless_proven()

    def _exited(self) -> Iterator[Suspicion]:
        topic = wording.topic(self._words)
        service = self._service
        if topic in wording.NETWORK and service and self._is_about(topic or "", service):
            yield self._network(topic or "", service)
        elif topic == "out_of_memory" and self._inputs.memory_limit:
            yield self._suspicion(
                "task", self.code, "likely", f"within its limit: {self._last_line}"
            )
        elif topic in wording.MACHINE:
            # No service explains it, whatever else went wrong.
            yield replace(
                self._suspicion("unknown", topic or "", "possible", self._last_line),
                notes=frozenset(),
            )
        elif topic == "usage" and not (self._proven or self._inputs.bound):
            # A command line comes from the plan, whatever the task reads.
            known = self.evidence.is_submitted(self.failed.task_id)
            yield self._suspicion("task", self.code, "likely" if known else "possible")
        elif topic in wording.FILES and (how := self.evidence.changed_file(self.failed.task_id)):
            yield self._suspicion("unknown", how.code, "possible", how.message)
        else:
            yield from self._own()

    def _is_about(self, topic: str, service: str) -> bool:
        """A name that does not resolve is not that of a service whose address is a number."""
        own = self.evidence.addresses().get(service, set())
        return topic != "unresolved" or not all(wording.is_numeric(one) for one in own)

    def _network(self, topic: str, service: str) -> Suspicion:
        why = f"a problem with {service}: {self._last_line}"
        if topic == "http_status" and self.evidence.answered(wording.http_status(self._words)):
            # The service itself says so. What it does not have, the plan should not ask for.
            return self._suspicion("task", self.code, "likely", why)
        # Undecodable data may also come from a task before this one.
        unsure = topic == "undecodable" and self._inputs.tasks
        return self._suspicion(
            wording.LAYERS[service], topic, "possible" if unsure else "likely", why, service=service
        )

    def _own(self) -> Iterator[Suspicion]:
        if how := self.evidence.changed_file(self.failed.task_id):
            why = f"{self._last_line}; {how.message}"
            yield self._suspicion("unknown", how.code, "possible", why)
            yield self._suspicion("task", self.code, "possible")
            return
        if self._proven:
            why = (
                f"{self._last_line}; it succeeded before with this payload, so what it reads changed, "
                "or it does not always succeed"
            )
            yield self._suspicion("unknown", "changed_input", "possible", why)
            return
        if not self.evidence.reads(self.failed.task_id):
            # Nothing reached it but its payload and the files of the scenario, as far as is known.
            known = self.evidence.is_submitted(self.failed.task_id)
            yield self._suspicion("task", self.code, "likely" if known else "possible")
            return
        sources = (*self._inputs.services, *self._inputs.tasks) or ("files of earlier stages",)
        why = f"{self._last_line}; either the task or what it read ({', '.join(sources)}) is wrong"
        yield self._suspicion("unknown", "task_or_input", "possible", why)
        yield self._suspicion("task", self.code, "possible")

    def _unless_proven(self) -> Iterator[Suspicion]:
        if not self._proven:
            yield self._suspicion("task", self.code, "possible")

    # -- facts

    @property
    def _proven(self) -> bool:
        return self.evidence.proven(self.failed.task_id)

    @property
    def _output(self) -> TaskOutput | None:
        return self.evidence.output(self.failed)

    @property
    def _stderr(self) -> str:
        return self._output.stderr.strip() if self._output else ""

    @property
    def _exit_code(self) -> int | None:
        return self._output.exit_code if self._output else None

    @property
    def _words(self) -> str:
        return self.evidence.words(self.failed)

    @property
    def _last_line(self) -> str:
        return self._words.rpartition("\n")[2].strip()

    @property
    def _inputs(self) -> TaskInputs:
        return self.evidence.inputs(self.failed.task_id)

    @property
    def _service(self) -> str | None:
        """The service of this fleet that the words of the task are about: by its address, or as the
        only one whose URL the task has if no other address is named."""
        named = wording.addresses(self._words)
        known = self.evidence.addresses()
        ours = [service for service, own in known.items() if named & own]
        if ours:
            return ours[0]
        services = self._inputs.services
        return services[0] if len(services) == 1 and not named else None

    def _suspicion(
        self,
        layer: Layer,
        code: str,
        confidence: Confidence,
        why: str | None = None,
        service: str = "",
    ) -> Suspicion:
        failed, out = self.failed, self._output
        notes = {"cut_off"} if wording.is_cut_off(failed) else set()
        if self.evidence.killed_at_shutdown(failed):
            notes.add("cut_off")
        if layer != "dsl":
            notes.add("task")
        ids = (failed.event_id, out.event_id) if out and self._stderr else (failed.event_id,)
        message = f"task {failed.task_id}: {why or self._own_message}"
        return Suspicion(
            layer, code, confidence, ids, message, failed.at_ms,
            since=self.evidence.submitted_at(failed), service=service, task=failed.task_id,
            settled_at=self.evidence.settled_at(failed), notes=frozenset(notes),
        )  # fmt: skip

    @property
    def _own_message(self) -> str:
        message = self.evidence.message(self.failed)
        message += self._limit if self.code == "timeout" else ""
        return f"{message}: {self._last_line}" if self._stderr else message

    @property
    def _limit(self) -> str:
        """How long the task was allowed to run, and how long it ran; empty if the plan has no limit."""
        limit, ran = self._inputs.limit_ms, self.failed.duration_ms
        if limit is None:
            return ""
        return f" (limit {limit:.0f} ms{f'; it ran {ran} ms' if ran else ''})"


RULE = Rule(
    "tasks",
    {
        "task": (
            "exit_non_zero", "timeout", "killed_by_signal", "retry_refused", "launch_failed",
            "memory_limit_exceeded", "cpu_limit_exceeded", "failed", "*",
        ),
        "dsl": (
            "invalid_input", "unknown_tool", "unsupported_capability", "insufficient_resources",
            "permission_denied",
        ),
        "engine": ("cancelled", "contradiction", *_NETWORK),
        "runtime": ("contradiction", *_NETWORK),
        "fixture": _NETWORK,
        "unknown": (
            "task_or_input", "changed_input", "killed", "timeout", "no_reason", "contradiction",
            "refused_payload", "file_removed", "file_mode", "file_content", *sorted(wording.MACHINE),
        ),
    },
    _suspect,
)  # fmt: skip
