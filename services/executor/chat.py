"""One model call: what is asked, what comes back, how it fails."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True)
class Message:
    """One turn of a conversation."""

    #: `system`, `user` or `assistant`.
    role: str
    text: str


@dataclass(frozen=True)
class ChatRequest:
    """What a provider is asked."""

    #: The provider's own name of the model.
    model: str
    messages: tuple[Message, ...]
    #: Tokens.
    max_tokens: int
    temperature: float
    #: Ask for the tokens' log-probabilities; a model that has none must not be asked.
    logprobs: bool = False


@dataclass(frozen=True)
class ChatReply:
    """What a provider answered. Its counts are its own claim; None when it made none."""

    text: str
    #: `stop` or `length`.
    finish_reason: str
    prompt_tokens: int | None
    completion_tokens: int | None
    #: Mean natural logarithm of the probability of the answer's tokens, at most 0; None when it was not told.
    logprob: float | None = None


class CallError(Exception):
    """A model call failed.

    Attributes:
        reason: `timeout`, `rate_limited`, `unavailable`, `bad_response`, `rejected`, `empty_answer`, `too_large`,
            `circuit_open`, `budget` or `call_limit`.
        message: our words; never the provider's.
        transient: the same call may succeed a moment later.
        worked: the provider may have read the prompt, and may charge for it.
        retry_after_s: what the provider asked for, in seconds.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        transient: bool = False,
        worked: bool = False,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message
        self.transient = transient
        self.worked = worked
        self.retry_after_s = retry_after_s


class Provider(Protocol):
    """Somebody who serves models."""

    async def chat(self, request: ChatRequest, on_text: Callable[[str], None] | None = None) -> ChatReply:
        """Ask once.

        Args:
            request: what is asked.
            on_text: is given the answer piece by piece as the model writes it; the pieces joined are the reply's text.
                With None the provider is asked for the whole answer at once. A server that answers as a whole although
                it was asked for pieces has answered all the same.

        Raises:
            CallError: for every failure, also for a stream that breaks off.
        """
