"""What a call costs: by the provider's counts where they are possible, by our own guess where they are not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from executor.chat import CallError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from executor.chat import ChatReply, Message
    from executor.plan import Model
    from executor.stages import Stage

#: Counts beyond these are absurd: a token has at least a byte, and an answer was limited.
_TOKEN_SLACK: Final = 1_000
_HIDDEN_REASONING: Final = 4


def text_tokens(text: str) -> int:
    """Guess the tokens of a text, upwards: 3 bytes a token."""
    return len(text.encode(errors="replace")) // 3 + 1


def prompt_tokens(messages: Sequence[Message]) -> int:
    """Guess the tokens of a prompt, upwards: its texts, and 8 a message for its frame."""
    return sum(text_tokens(message.text) + 8 for message in messages)


def cost(model: Model, prompt: int, completion: int) -> int:
    """Return what so many tokens cost in 1e-12 USD; 0 when the price is not known."""
    if model.input_price is None or model.output_price is None:
        return 0
    return prompt * model.input_price + completion * model.output_price


def guess(stage: Stage) -> None:
    """Charge a call that ended without a count: the prompt, which its provider may have read, and what it wrote."""
    stage.prompt_tokens = prompt_tokens(stage.request.messages)
    stage.completion_tokens = text_tokens(stage.output) if stage.output else 0
    stage.cost = cost(stage.model, stage.prompt_tokens, stage.completion_tokens)
    stage.estimated = True


def count(stage: Stage, reply: ChatReply) -> None:
    """Charge a call that was answered.

    Raises:
        CallError: the answer is none, or no text; it is charged all the same.
    """
    stage.output = reply.text
    try:
        written = len(reply.text.encode())
    except UnicodeEncodeError as error:
        raise CallError("bad_response", "the answer holds half a surrogate pair", worked=True) from error
    prompt, completion = reply.prompt_tokens, reply.completion_tokens
    size = sum(len(message.text.encode()) for message in stage.request.messages)
    if prompt is None or not 0 < prompt <= size + _TOKEN_SLACK:
        prompt, stage.estimated = prompt_tokens(stage.request.messages), True
    most = max(stage.request.max_tokens * _HIDDEN_REASONING, written) + _TOKEN_SLACK
    if completion is None or not 0 <= completion <= most:
        completion, stage.estimated = text_tokens(reply.text), True
    stage.prompt_tokens, stage.completion_tokens = prompt, completion
    stage.cost = cost(stage.model, prompt, completion)
    if not reply.text.strip():
        raise CallError("empty_answer", "the model answered nothing", worked=True)
