"""OpenAI's chat completions: what a request may say, what an answer and an error look like."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NoReturn

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Fields that the engine understands; it checks their types. The last five are llama.cpp's own.
_PASSED: Final = frozenset(
    {"messages", "max_tokens", "temperature", "top_p", "seed", "stop", "n", "logprobs", "top_logprobs", "logit_bias"}
    | {"presence_penalty", "frequency_penalty", "response_format", "stream_options"}
    | {"top_k", "min_p", "repeat_penalty", "cache_prompt", "ignore_eos"}
)
#: Fields that say nothing about the answer.
_IGNORED: Final = frozenset(
    {"user", "metadata", "store", "service_tier", "safety_identifier", "prompt_cache_key", "stream", "model"}
)


class ChatError(Exception):
    """A request that is not answered.

    Attributes:
        status: of HTTP.
        code: OpenAI's, or None.
        retry_after_s: seconds after which a retry makes sense; None when it makes none.
    """

    def __init__(self, status: int, message: str, code: str | None = None, retry_after_s: int | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.retry_after_s = retry_after_s

    def body(self) -> dict[str, Any]:
        """Return the error as OpenAI's servers write it."""
        kinds = {404: "not_found_error", 429: "rate_limit_error"}
        server = "server_error" if self.status >= 500 else "invalid_request_error"  # noqa: PLR2004 - HTTP's classes
        kind = kinds.get(self.status, server)
        return {"error": {"message": str(self), "type": kind, "param": None, "code": self.code}}


@dataclass(frozen=True)
class Ask:
    """A request, checked."""

    model: str
    stream: bool
    #: For the engine.
    body: dict[str, Any]


def parse(raw: bytes) -> Ask:
    """Read the body of a request.

    Raises:
        ChatError: it is no chat request, or asks for what is not offered.
    """
    body = read_object(raw)
    model, stream = body.get("model"), body.get("stream") or False
    if not isinstance(model, str):
        raise ChatError(400, "model: must be a model's id")
    if not isinstance(stream, bool):
        raise ChatError(400, "stream: must be true or false")
    if "max_completion_tokens" in body:
        body["max_tokens"] = body.pop("max_completion_tokens")
    # Null is how several clients say nothing.
    said = {name: value for name, value in body.items() if value is not None and name not in _IGNORED}
    for name in said.keys() - _PASSED:
        raise ChatError(400, f"{name[:64]}: not offered here", "unsupported_parameter")
    _check_messages(said.get("messages"))
    _check_integer(said, "max_tokens", 1, (1 << 31) - 1)
    _check_integer(said, "top_logprobs", 0, 20)
    return Ask(model, stream, said)


def read_object(raw: bytes) -> dict[str, Any]:
    """Read a body as JSON.

    Raises:
        ChatError: it is none, or no object.
    """
    try:
        body = json.loads(raw, parse_constant=_refuse_constant)
    except (ValueError, RecursionError):
        raise ChatError(400, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise ChatError(400, "the body must be a JSON object")
    return body


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _check_integer(said: dict[str, Any], name: str, least: int, most: int) -> None:
    value = said.get(name, least)
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ChatError(400, f"{name}: must be an integer from {least} to {most}")


def _check_messages(messages: Any) -> None:
    if not isinstance(messages, list) or not messages:
        raise ChatError(400, "messages: must be a list with at least one message")
    for message in messages:
        if not isinstance(message, dict) or not isinstance(message.get("role"), str):
            raise ChatError(400, "messages: each must be an object with a role")
        content = message.get("content")
        parts = content if isinstance(content, list) else [{"type": "text", "text": content}]
        for part in parts:
            if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
                raise ChatError(400, "messages: content must be text")


def refused(error: dict[str, Any]) -> ChatError:
    """Return the engine's refusal as ours."""
    overflow = error.get("type") == "exceed_context_size_error"
    code = "context_length_exceeded" if overflow else None
    return ChatError(int(error.get("code", 500)), str(error.get("message", "the engine failed")), code)


def fold(chunks: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Make of a stream's chunks the answer that a client gets who did not ask for a stream."""
    answer: dict[str, Any] = {}
    message: dict[str, Any] = {"role": "assistant", "content": ""}
    tokens: list[Any] = []
    finish: str | None = None
    for chunk in chunks:
        answer |= {name: value for name, value in chunk.items() if name != "choices"}
        for choice in chunk.get("choices", ()):
            for name, value in choice["delta"].items():
                if name != "role" and isinstance(value, str):
                    message[name] = message.get(name, "") + value
            tokens += (choice.get("logprobs") or {}).get("content") or []
            finish = choice.get("finish_reason") or finish
    choice = {
        "index": 0,
        "message": message,
        "finish_reason": finish,
        "logprobs": {"content": tokens} if tokens else None,
    }
    return {**answer, "object": "chat.completion", "choices": [choice]}
