"""An upstream that tells by the prompt what it is asked for, and answers as a script of roles says."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from system.upstream import says

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import web

    from system.upstream import Behaviour, Upstream

#: Role → words of our prompt for it.
_WORDS = {
    "judge": "Which one serves the user better?",
    "arbiter": "Which one is right?",
    "debater": "Check your answer against theirs.",
    "writer": "Then write a line that says FINAL ANSWER:",
    "planner": "Split the task of the conversation above into parts",
    "replanner": "Reply with the corrected JSON",
    "worker": "Answer only this, briefly and completely.",
    "reporter": "The task of the conversation above was split into parts",
}


def role_of(body: Mapping[str, Any]) -> str:
    """Return what a call is for; `answerer`: the client's own question."""
    asked = body["messages"][-1]["content"]
    return next((role for role, words in _WORDS.items() if words in asked), "answerer")


def quoted(body: Mapping[str, Any]) -> list[str]:
    """Return the answers that a call reads, as they stand in its prompt."""
    return re.findall(r'^Answer [A-H]: (".*")$', body["messages"][-1]["content"], re.MULTILINE)


def plays(**roles: Behaviour | Callable[[Mapping[str, Any]], Behaviour]) -> Behaviour:
    """Answer by role; a role without a script says that it is Paris. A script may look at the call's body first."""

    async def behave(request: web.Request, body: dict[str, Any]) -> web.StreamResponse:
        script: Any = roles.get(role_of(body), says("The capital of France is Paris."))
        found: Behaviour = script(body) if getattr(script, "looks", False) else script
        return await found(request, body)

    return behave


def looking(script: Callable[[Mapping[str, Any]], Behaviour]) -> Callable[[Mapping[str, Any]], Behaviour]:
    """Mark a script that looks at the body."""
    script.looks = True  # type: ignore[attr-defined]
    return script


STRATEGIES = ("single", "cascade", "ensemble_moa", "rank_fuse", "decompose_and_route", "self_consistency", "debate")


PLAN = json.dumps(
    {
        "nodes": [
            {"id": "1", "task": "Name the capital of France.", "capability": "factual"},
            {"id": "2", "task": "What is 6 times 7?", "capability": "math"},
            {"id": "3", "task": "Write a line about $1 and the number.", "needs": ["1", "2"], "capability": "creative"},
        ]
    }
)


WROTE = says("They differ in little.\nFINAL ANSWER:\nParis, as all say.")


def script() -> Behaviour:
    """One of all roles, in which nobody fails and everybody differs."""
    return plays(
        answerer=looking(lambda body: says(f"I take it to be {body['model']}, for reasons of my own.", 100, 10)),
        judge=says("A"),
        arbiter=says("A"),
        debater=says("DECISION: KEEP\nREASON: It holds.\nFINAL ANSWER:\nas before"),
        writer=WROTE,
        planner=says(PLAN),
        worker=says("Done."),
        reporter=says("Paris, and 42."),
    )


def roles(upstream: Upstream) -> list[str]:
    return [role_of(call.body) for call in upstream.calls]


def run_of(body: Any) -> Any:
    return body["prysm"]["orchestration"]


def said(body: Any) -> str:
    text: str = body["choices"][0]["message"]["content"]
    return text
