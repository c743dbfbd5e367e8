"""Where the plan of a trial comes from: an earlier run, an adapter alone, or an adapter with a model
(live or recorded). Connects adapters with fleet, recordings and scripts; independent of pytest."""

from __future__ import annotations

import os
import signal
import threading
import warnings
from collections.abc import Iterator
from contextlib import closing, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pytest_execgo.adapter.answer import AnswerSource
from pytest_execgo.adapter.base import Adapter, PlanTrace
from pytest_execgo.adapter.budget import Budget
from pytest_execgo.adapter.endpoint import Endpoint
from pytest_execgo.adapter.gateway import ModelAttempt, ModelGateway
from pytest_execgo.adapter.key_filter import KeyFilter
from pytest_execgo.adapter.landing import Landing
from pytest_execgo.adapter.packages import environment, versions
from pytest_execgo.adapter.recorded import DIVERGENCE, Recorded
from pytest_execgo.adapter.script import answers
from pytest_execgo.chaos.model_proxy import ModelProxy
from pytest_execgo.errors import HarnessError, PlanError, UsageError, checked_return
from pytest_execgo.files.writing import make_folder, write_json, write_model
from pytest_execgo.models.context import ModelProfile, PlanBudget, PlanContext
from pytest_execgo.models.document import SCHEMA_VERSION, load
from pytest_execgo.models.events import AnswerJudged, ModelReplied, ModelUsed
from pytest_execgo.models.plan import StandardPlan, plan_digest
from pytest_execgo.models.recording import Recording
from pytest_execgo.models.safe_text import without_surrogates
from pytest_execgo.observability.recorder import TimelineRecorder
from pytest_execgo.run.context import TrialContext
from pytest_execgo.transport.bounded import BadAnswer, ExchangeError, fetch

SCRIPTED = "scripted"
PLAN = "plan.json"
_MODEL_TIMEOUT_SECONDS = 120.0
# The scripted model runs on this machine and answers from memory.
_SCRIPTED_TIMEOUT_SECONDS = 5.0
_CONTROL_TIMEOUT_SECONDS = 5.0


def _diverged(answers: int, why: str) -> PlanError:
    return PlanError(DIVERGENCE, f"replay divergence after answer {answers}: {why}")


@contextmanager
def _ended_by_interrupt(gateway: ModelGateway) -> Iterator[None]:
    """Stop the gateway on Ctrl-C. Otherwise a framework waits, in its own loop or threads, until the
    model has answered, which may take minutes."""
    before = signal.getsignal(signal.SIGINT)
    if threading.current_thread() is not threading.main_thread() or not callable(before):
        yield
        return

    def stop(number: int, frame: Any) -> None:
        gateway.stop()
        before(number, frame)

    signal.signal(signal.SIGINT, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def _no_proxy() -> dict[str, str]:
    """``NO_PROXY`` of the user, extended by this machine."""
    exempt = os.environ.get("NO_PROXY") or os.environ.get("no_proxy") or ""
    value = ",".join(part for part in (exempt, "127.0.0.1", "localhost") if part)
    return {"NO_PROXY": value, "no_proxy": value}


@dataclass
class Planning:
    """The planning of one trial; leaves ``plan.json`` and ``adapter_trace.json`` in its folder.
    ``proxy`` is in front of the model if chaos injects faults into its answers."""

    context: TrialContext
    recorder: TimelineRecorder
    proxy: ModelProxy | None = None
    recording: Recording | None = field(default=None, init=False)

    def make(self, workspace: Path) -> StandardPlan:
        """The plan; raises :class:`PlanError` if there is none, and every exception of the adapter."""
        cell, trace = self.context.trial.cell, PlanTrace(on_landing=self._landed)
        recorded = self.context.plan or self.context.run.plans.get(self.context.trial.trial_id)
        try:
            plan = load(StandardPlan, recorded) if recorded else self._ask(workspace, trace)
            plan = self._without_key(plan)
            write_model(self.context.folder / PLAN, plan)
            return plan
        finally:
            document = {
                "schema_version": SCHEMA_VERSION,
                "scenario_id": cell.scenario,
                "framework": cell.framework,
                "mode": cell.mode,
                "model": self._used_model(),
                "steps": self._hide.value(without_surrogates(trace.steps)),
            }
            write_json(self.context.folder / "adapter_trace.json", document)

    def _without_key(self, plan: StandardPlan) -> StandardPlan:
        """``plan`` as it is recorded and submitted: a framework may have found the key by itself."""
        text = plan.model_dump_json(by_alias=True)
        clean = self._hide.record(text)
        try:
            return plan if clean == text else StandardPlan.model_validate_json(clean)
        except ValidationError:
            raise PlanError(
                "key_in_plan", "an id in the plan holds the key of OPENAI_API_KEY"
            ) from None

    def _used_model(self) -> dict[str, str] | None:
        profile = self.context.run.request.model
        if self.context.trial.cell.mode != "live" or profile is None:
            return None
        return {"provider": profile.provider, "model": profile.model}

    def _ask(self, workspace: Path, trace: PlanTrace) -> StandardPlan:
        adapter = self.context.matrix.registry.adapter(self.context.trial.cell.framework)
        if not adapter.asks_model:
            reference = self.context.scenario.reference_plan
            return _plan_of(adapter, self._context(workspace), trace, reference)
        if self.context.trial.cell.mode == "live":
            return self._live(adapter, workspace, trace)
        return self._replay(adapter, workspace, trace)

    def _live(self, adapter: Adapter, workspace: Path, trace: PlanTrace) -> StandardPlan:
        profile = self.context.run.request.model
        assert profile is not None
        asked = SCRIPTED if profile.provider == SCRIPTED else profile.model
        repairs = self.context.run.request.max_repairs
        budget = Budget(self.context.run.request.budget, repairs)
        with (
            self._endpoint(profile) as source,
            self._gateway(source, trace, budget) as gateway,
        ):
            given = profile.model_copy(update={"model": asked, "base_url": gateway.url})
            context = self._context(workspace, given, repairs)
            plan = self._without_key(self._through(gateway, adapter, context, trace, profile))
        # With a proxy, the answers may be those of chaos and not of the model.
        if self.context.run.record and self.proxy is None:
            self.recording = Recording(
                scenario_id=self.context.scenario.id,
                framework=adapter.name,
                packages=versions(adapter.packages),
                provider=profile.provider,
                model=profile.model,
                max_repairs=self.context.run.request.max_repairs,
                exchanges=tuple(gateway.exchanges),
                plan_digest=plan_digest(plan),
            )
        return plan

    def keep_recording(self) -> None:
        """Write the recording, if there is one; raises :class:`HarnessError`. Called only if the trial
        passed: a plan that does not work is not worth replaying."""
        if self.recording is None:
            return
        path = self.context.scenario.recording_path(self.recording.framework)
        make_folder(path.parent)
        write_model(path, self.recording)

    def _replay(self, adapter: Adapter, workspace: Path, trace: PlanTrace) -> StandardPlan:
        recording = self._recording(adapter.name)
        profile = ModelProfile(provider=recording.provider, model=recording.model)
        repairs = recording.max_repairs
        # Allow one request more than recorded, so that the recording, not the budget, reports the
        # divergence.
        limits = PlanBudget(requests=len(recording.exchanges) + 1)
        source, budget = Recorded(recording.exchanges), Budget(limits, repairs)
        with self._gateway(source, trace, budget) as gateway:
            given = profile.model_copy(update={"base_url": gateway.url})
            context = self._context(workspace, given, repairs)
            try:
                plan = self._through(gateway, adapter, context, trace, profile)
            except Exception as error:
                # A recording ends with a legal plan, so every error is a divergence.
                raise gateway.divergence or _diverged(len(gateway.exchanges), str(error)) from None
        if gateway.divergence is not None:
            raise gateway.divergence
        if len(gateway.exchanges) < len(recording.exchanges):
            count = len(recording.exchanges)
            raise _diverged(
                len(gateway.exchanges),
                f"the recording has {count}, but the framework sends no more",
            )
        if plan_digest(plan) != recording.plan_digest:
            raise _diverged(len(gateway.exchanges), "the plan differs from the recorded one")
        return plan

    @property
    def _hide(self) -> KeyFilter:
        return self.context.run.hide

    def _gateway(self, source: AnswerSource, trace: PlanTrace, budget: Budget) -> ModelGateway:
        return ModelGateway(source, trace, budget, self._attempted, hide=self._hide.value)

    def _recording(self, framework: str) -> Recording:
        path = self.context.scenario.recording_path(framework)
        try:
            found = load(Recording, path)
        except UsageError as error:
            raise PlanError("recording_broken", str(error)) from None
        if (found.scenario_id, found.framework) != (self.context.scenario.id, framework):
            raise PlanError(
                "recording_broken",
                f"{path.name} is a recording of {found.scenario_id} with {found.framework}; "
                "record it again",
            )
        return found

    def _through(
        self,
        gateway: ModelGateway,
        adapter: Adapter,
        context: PlanContext,
        trace: PlanTrace,
        profile: ModelProfile,
    ) -> StandardPlan:
        """Plan through the gateway. A problem of the gateway is raised as it is, not as the exception
        that the framework made of it."""
        # Warnings of a framework go into the trace; they must not fail a trial under `-W error`.
        # The gateway is on this machine, so requests to it must not go through the user's HTTP proxy.
        with (
            warnings.catch_warnings(record=True) as warned,
            environment(**_no_proxy()),
            _ended_by_interrupt(gateway),
        ):
            warnings.simplefilter("default")
            try:
                plan = _plan_of(adapter, context, trace, None)
            except Exception as error:
                message = gateway.without_secret(f"{type(error).__name__}: {error}")
                trace.add("raised", message=message)
                if gateway.problem is not None:
                    raise gateway.problem from None
                raise
            finally:
                for one in warned:
                    message = gateway.without_secret(str(one.message))
                    trace.add("warning", category=one.category.__name__, message=message)
                self._used(gateway, profile)
        return plan

    def _landed(self, attempt: int, landing: Landing) -> None:
        self.recorder.add(AnswerJudged(attempt=attempt, rules=landing.rules))

    def _attempted(self, one: ModelAttempt) -> None:
        problem = one.problem
        self.recorder.add(
            ModelReplied(
                number=one.number,
                attempt=one.attempt,
                status=one.answer.status,
                took_ms=one.took_ms,
                stalled_ms=one.answer.stalled_ms,
                code=problem.code if problem else None,
                message=str(problem) if problem else "",
            )
        )

    def _used(self, gateway: ModelGateway, profile: ModelProfile) -> None:
        prompt, completion = gateway.tokens or (None, None)
        self.recorder.add(
            ModelUsed(
                provider=profile.provider,
                model=profile.model,
                requests=gateway.requests,
                answers=gateway.answers,
                prompt_tokens=prompt,
                completion_tokens=completion,
            )
        )

    @contextmanager
    def _endpoint(self, profile: ModelProfile) -> Iterator[AnswerSource]:
        """The model to ask, through the chaos proxy if there is one."""
        scripted = profile.provider == SCRIPTED
        base_url = self._scripted() if scripted else profile.base_url
        assert base_url is not None
        key = None if scripted else self.context.run.api_key
        usual = _SCRIPTED_TIMEOUT_SECONDS if scripted else _MODEL_TIMEOUT_SECONDS
        seconds = profile.model_timeout or usual
        with (
            self.proxy.before(base_url, seconds) if self.proxy else nullcontext(base_url) as url,
            closing(Endpoint(url, key, seconds, self._hide)) as endpoint,
        ):
            yield endpoint

    def _scripted(self) -> str:
        """Give the scenario's script to the scripted model; returns its base URL for this trial."""
        profile = self.context.run.request.model
        assert profile is not None
        fleet, scope = self.context.fleet, self.context.trial.trial_id
        try:
            texts = answers(
                self.context.scenario.path.parent,
                profile.model,
                self.context.scenario.reference_plan,
            )
        except UsageError as error:
            raise PlanError("script_missing", str(error)) from None
        script = {"scope": scope, "answers": texts}
        timeout = _CONTROL_TIMEOUT_SECONDS
        try:
            reply = fetch(
                "POST",
                f"{fleet.services['fixtures'].url}/__control/scripts",
                json=script,
                headers=fleet.headers("fixtures"),
                timeout=timeout,
            )
            if reply.status >= 300:
                raise BadAnswer(f"status {reply.status}: {reply.shown()}")
        except ExchangeError as error:
            raise HarnessError(f"fixtures refused the script: {error}") from None
        return f"{fleet.url('fixtures')}/t/{scope}/model/v1"

    def _context(
        self, workspace: Path, profile: ModelProfile | None = None, repairs: int = 0
    ) -> PlanContext:
        cell = self.context.trial.cell
        return PlanContext(
            scenario_id=cell.scenario,
            framework=cell.framework,
            mode=cell.mode,
            model_profile=profile,
            max_repairs=repairs,
            prompt_pack=self.context.scenario.prompts,
            seed=self.context.run.seed + self.context.scenario.manifest.seed,
            capabilities=self._tools() if profile else (),
            chaos_profile=cell.chaos,
            budget=self.context.run.request.budget,
            scenario_input=self.context.scenario.manifest.input,
            workspace_dir=str(workspace),
        )

    def _tools(self) -> tuple[str, ...]:
        """The tools of type ``os`` that ExecGo lists."""
        fleet = self.context.fleet
        url, headers = f"{fleet.services['execgo'].url}/adapters/tools", fleet.headers("execgo")
        try:
            reply = fetch("GET", url, headers=headers, timeout=_CONTROL_TIMEOUT_SECONDS)
            kinds = [str(tool["action_kind"]) for tool in reply.object()["tools"]]
        except ExchangeError as error:
            raise PlanError("no_tools", f"ExecGo does not list its tools: {error}") from None
        except (KeyError, TypeError):
            answer = f"status {reply.status}: {reply.shown()}"
            raise PlanError("no_tools", f"ExecGo does not list its tools: {answer}") from None
        return tuple(kind.removeprefix("os.") for kind in kinds if kind.startswith("os."))


def _plan_of(
    adapter: Adapter, context: PlanContext, trace: PlanTrace, recording: Path | None
) -> StandardPlan:
    plan = adapter.plan(context, trace, recording)
    return checked_return(plan, StandardPlan, f"plan() of {adapter.name}")
