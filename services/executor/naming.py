"""What the spans of an orchestration are called, and what they say."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias

from chassis import conventions as names

if TYPE_CHECKING:
    from collections.abc import Mapping

    from executor.orchestrate import Outcome
    from executor.plan import Plan
    from executor.stages import Stage

    Attributes: TypeAlias = Mapping[str, str | bool | int | float]


def planning(policy: str) -> tuple[str, Attributes]:
    """Return the span of a call of the planner."""
    return "plan", {names.OPERATION: names.PLAN, "prysm.policy": policy}


def workflow(plan: Plan) -> tuple[str, Attributes]:
    """Return the span of the run of a plan."""
    agent = f"prysm.{plan.strategy}"
    return f"{names.WORKFLOW} {agent}", {
        names.OPERATION: names.WORKFLOW,
        names.AGENT: agent,
        "prysm.policy": plan.policy,
        "prysm.strategy": plan.strategy,
        "prysm.forced": plan.forced,
    }


def outcome(outcome: Outcome) -> Attributes:
    """Return what a run came to."""
    answer = outcome.answer
    said: dict[str, str | bool | int | float] = {
        "prysm.calls": len(outcome.stages),
        "prysm.cost.usd": outcome.totals.cost / 1e12,
        "prysm.confidence": answer.confidence.value,
        "prysm.confidence.source": answer.confidence.source,
        "prysm.degraded": bool(outcome.degradations),
    }
    if answer.agreement is not None:
        said["prysm.agreement"] = answer.agreement
    return said


def call(stage: str) -> tuple[str, Attributes]:
    """Return the span of one call with all its attempts, whoever is asked."""
    return f"{names.AGENT_CALL} {stage}", {
        names.OPERATION: names.AGENT_CALL,
        names.AGENT: stage,
        "prysm.stage": stage,
    }


def attempt(stage: Stage) -> tuple[str, Attributes]:
    """Return the span of one attempt, which is one stage."""
    model, asked = stage.model, stage.request
    return f"{names.CHAT} {model.id}", {
        names.OPERATION: names.CHAT,
        names.PROVIDER: model.provider,
        names.MODEL: model.upstream,
        names.MAX_TOKENS: asked.max_tokens,
        names.TEMPERATURE: asked.temperature,
        "prysm.stage": stage.name,
        "prysm.stage.index": stage.index,
        "prysm.attempt": stage.attempt,
    }


def ended(stage: Stage) -> Attributes:
    """Return what came of an attempt."""
    return {
        names.INPUT_TOKENS: stage.prompt_tokens,
        names.OUTPUT_TOKENS: stage.completion_tokens,
        "prysm.cost.usd": stage.cost / 1e12,
        "prysm.status": stage.status,
    }


def texts(stage: Stage) -> Attributes:
    """Return what was asked and answered, in the conventions' JSON: only for operators who have switched it on."""
    asked = [_message(message.role, message.text) for message in stage.request.messages]
    return {
        names.INPUT_MESSAGES: json.dumps(asked, ensure_ascii=False),
        names.OUTPUT_MESSAGES: json.dumps([_message("assistant", stage.output)], ensure_ascii=False),
    }


def _message(role: str, text: str) -> dict[str, object]:
    return {"role": role, "parts": [{"type": "text", "content": text}]}
