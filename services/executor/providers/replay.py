"""Recorded answers as a provider: what a model wrote to a question, it writes again.

Only that can be asked which was recorded: a question alone, with or without a system message before it. Whoever asks a
model to fuse, judge, split or argue is refused, as a provider refuses what it does not serve, and the strategy goes on
as it would in production.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from executor import recording
from executor.chat import CallError, ChatReply, ChatRequest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from executor.recording import Question


class Replay:
    """A provider of recorded answers."""

    def __init__(self, answers: Mapping[str, Mapping[str, str]], *, once: bool = False) -> None:
        """Make a provider.

        Args:
            answers: question → model → text, as `index` makes it; owned by the caller, and not changed.
            once: refuse to give an answer a second time. Recorded answers are single ones: a second sample would be the
                first one again, and would agree with it. For one request alone.
        """
        self._answers = answers
        self._once = once
        self._given: set[str] = set()

    async def chat(self, request: ChatRequest, on_text: Callable[[str], None] | None = None) -> ChatReply:
        """Answer as recorded; see Provider. Limit and temperature count for nothing; tokens are estimates."""
        said = [message.text for message in request.messages if message.role != "system"]
        text = self._answers.get(said[0], {}).get(request.model) if len(said) == 1 else None
        if text is None or (self._once and request.model in self._given):
            raise CallError("rejected", "no such answer was recorded")
        self._given.add(request.model)
        if on_text is not None and text:
            on_text(text)
        prompt = sum(recording.tokens(message.text) for message in request.messages)
        return ChatReply(text, "stop", prompt, recording.tokens(text))


def index(questions: Iterable[Question]) -> dict[str, Mapping[str, str]]:
    """Return question → model → text."""
    return {question.prompt: question.answers for question in questions}
