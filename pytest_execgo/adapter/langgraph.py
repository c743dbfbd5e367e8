"""LangGraph: a ``StateGraph`` of draft → validate → (repair → draft) → emit, traced step by step."""

from __future__ import annotations

from typing import Any, TypedDict

from pytest_execgo.adapter.base import PlanTrace
from pytest_execgo.adapter.framework import (
    FrameworkAdapter,
    client_settings,
    plan_format,
    repair_request,
)
from pytest_execgo.adapter.landing import Landing, land_text
from pytest_execgo.adapter.prompt import prompt
from pytest_execgo.models.context import PlanContext


class PlanState(TypedDict):
    """The state of the graph: the conversation, the last landing, and the number of repairs."""

    messages: list[Any]
    landing: Landing | None
    repairs: int


class LangGraphAdapter(FrameworkAdapter):
    """The loop is part of the graph: conditional edges decide, not code around it."""

    name = extra = "langgraph"
    packages = ("langgraph", "langchain-openai", "openai")

    def run_framework(self, context: PlanContext, trace: PlanTrace) -> None:
        """Run the graph to its end; every step that it reports goes into the trace."""
        texts = prompt(context)
        start: PlanState = {
            "messages": [("system", texts.system), ("user", texts.task)],
            "landing": None,
            "repairs": 0,
        }
        for update in _graph(context, trace).stream(start, stream_mode="updates"):
            for node, changed in update.items():
                trace.add("node", node=node, changed=sorted(changed or {}))


def _graph(context: PlanContext, trace: PlanTrace) -> Any:
    from langchain_core.messages import AIMessage
    from langgraph.graph import END, START, StateGraph
    from openai import ContentFilterFinishReasonError, LengthFinishReasonError

    model = _model(context)

    def draft(state: PlanState) -> dict[str, Any]:
        try:
            answer = model.invoke(state["messages"])
        except LengthFinishReasonError as error:
            # An answer that was cut off breaks a rule and is repaired like any other.
            answer = AIMessage(error.completion.choices[0].message.content or "")
        except ContentFilterFinishReasonError:
            # So does one that a filter cut off; the exception does not hold its text.
            answer = AIMessage("")
        return {"messages": [*state["messages"], answer]}

    def validate(state: PlanState) -> dict[str, Any]:
        # The content may be a list of parts; `text` joins those that are text.
        text = str(state["messages"][-1].text)
        return {"landing": trace.record_landing(land_text(text, context))}

    def repair(state: PlanState) -> dict[str, Any]:
        landing = state["landing"]
        assert landing is not None
        message = ("user", f"{repair_request(landing)}\nAnswer with the whole plan again.")
        return {"messages": [*state["messages"], message], "repairs": state["repairs"] + 1}

    def emit(state: PlanState) -> dict[str, Any]:
        return {}

    def after_validation(state: PlanState) -> str:
        landing = state["landing"]
        if landing is not None and landing.plan is not None:
            return "emit"
        return "repair" if state["repairs"] < context.max_repairs else END

    graph = StateGraph(PlanState)
    for node in (draft, validate, repair, emit):
        graph.add_node(node.__name__, node)
    graph.add_edge(START, "draft")
    graph.add_edge("draft", "validate")
    graph.add_conditional_edges("validate", after_validation, ["emit", "repair", END])
    graph.add_edge("repair", "draft")
    graph.add_edge("emit", END)
    return graph.compile()


def _model(context: PlanContext) -> Any:
    from langchain_openai import ChatOpenAI

    profile = context.model
    chat = ChatOpenAI(
        model=profile.model,
        temperature=profile.temperature,
        max_completion_tokens=profile.max_tokens,
        **client_settings(context),
    )
    return chat.bind(response_format=plan_format())
