"""The parts that come with the package: one line each."""

from __future__ import annotations

from pluggy import HookimplMarker

from pytest_execgo.adapter.agent_framework import AgentFrameworkAdapter
from pytest_execgo.adapter.autogen import AutoGenAdapter
from pytest_execgo.adapter.base import Adapter
from pytest_execgo.adapter.crewai import CrewAIAdapter
from pytest_execgo.adapter.langgraph import LangGraphAdapter
from pytest_execgo.adapter.pydantic_ai import PydanticAIAdapter
from pytest_execgo.adapter.reference import ReferenceAdapter
from pytest_execgo.benchmark.reports.base import ReportFormat
from pytest_execgo.benchmark.reports.ctrf import CtrfReport
from pytest_execgo.benchmark.reports.json_report import JsonReport
from pytest_execgo.benchmark.reports.junit import JunitReport
from pytest_execgo.benchmark.reports.markdown import MarkdownReport
from pytest_execgo.chaos.action import Action
from pytest_execgo.chaos.actions.bad_dependency import BadDependency
from pytest_execgo.chaos.actions.corrupt_output import CorruptOutput
from pytest_execgo.chaos.actions.drop_binding import DropBinding
from pytest_execgo.chaos.actions.error import FixtureError
from pytest_execgo.chaos.actions.exhaust_timeout import ExhaustTimeout
from pytest_execgo.chaos.actions.garbage import FixtureGarbage
from pytest_execgo.chaos.actions.invalid_tool import InvalidTool
from pytest_execgo.chaos.actions.kill import Kill
from pytest_execgo.chaos.actions.latency import FixtureLatency
from pytest_execgo.chaos.actions.limit import Limit
from pytest_execgo.chaos.actions.malformed import Malformed
from pytest_execgo.chaos.actions.network import Network
from pytest_execgo.chaos.actions.pause import Pause
from pytest_execgo.chaos.actions.rate_limit import RateLimit
from pytest_execgo.chaos.actions.restart import Restart
from pytest_execgo.chaos.actions.server_error import ServerError
from pytest_execgo.chaos.actions.slow_stream import SlowStream
from pytest_execgo.chaos.actions.timeout import ModelTimeout
from pytest_execgo.chaos.actions.truncate import Truncate
from pytest_execgo.chaos.actions.unknown_tool import UnknownTool
from pytest_execgo.chaos.actions.wrong_schema import WrongSchema
from pytest_execgo.chaos.actions.wrong_value import FixtureWrongValue
from pytest_execgo.harness.containers.launcher import ContainerLauncher
from pytest_execgo.harness.containers.persistent_launcher import PersistentLauncher
from pytest_execgo.harness.external import ExternalLauncher
from pytest_execgo.harness.processes.binary import BinaryLauncher
from pytest_execgo.harness.processes.embedded import EmbeddedLauncher
from pytest_execgo.harness.service import Launcher
from pytest_execgo.verdict.rules import RULES
from pytest_execgo.verdict.suspicion import Rule

hookimpl = HookimplMarker("pytest")


@hookimpl
def pytest_execgo_adapters() -> list[Adapter]:
    """Frameworks."""
    return [
        ReferenceAdapter(),
        LangGraphAdapter(),
        CrewAIAdapter(),
        AutoGenAdapter(),
        PydanticAIAdapter(),
        AgentFrameworkAdapter(),
    ]


@hookimpl
def pytest_execgo_chaos_actions() -> list[type[Action]]:
    """Chaos actions."""
    return [
        InvalidTool,
        BadDependency,
        DropBinding,
        ExhaustTimeout,
        CorruptOutput,
        Restart,
        Kill,
        Pause,
        Limit,
        Network,
        FixtureLatency,
        FixtureError,
        FixtureGarbage,
        FixtureWrongValue,
        RateLimit,
        ServerError,
        ModelTimeout,
        SlowStream,
        Truncate,
        Malformed,
        UnknownTool,
        WrongSchema,
    ]


@hookimpl
def pytest_execgo_launchers() -> list[Launcher]:
    """Ways of bringing up services."""
    return [
        EmbeddedLauncher(),
        BinaryLauncher(),
        ContainerLauncher(),
        ExternalLauncher(),
        PersistentLauncher(),
    ]


@hookimpl
def pytest_execgo_attribution_rules() -> list[Rule]:
    """Rules of attribution."""
    return list(RULES)


@hookimpl
def pytest_execgo_report_formats() -> list[ReportFormat]:
    """Files of a run's folder."""
    return [JsonReport(), MarkdownReport(), CtrfReport(), JunitReport()]
