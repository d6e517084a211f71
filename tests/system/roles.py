"""An upstream that tells by the prompt what it is asked for, and answers as a script of roles says."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from system.upstream import says

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aiohttp import web

    from system.upstream import Behaviour

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
