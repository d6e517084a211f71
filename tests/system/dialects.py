"""What vendors write: one answer, whole or in pieces, in OpenAI's dialect or, below `…/messages`, in Anthropic's."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

_PIECES = 4


@dataclass(frozen=True)
class Answer:
    """One answer of one model. Tokens may be anything that a careless vendor tells."""

    text: str
    prompt_tokens: Any = 20
    completion_tokens: Any = 10
    finish: str = "stop"
    #: Of each piece, told in OpenAI's dialect to who asks.
    logprob: float | None = None

    def whole(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return the answer to who did not ask for a stream."""
        if path.endswith("/messages"):
            usage = {"input_tokens": self.prompt_tokens, "output_tokens": self.completion_tokens}
            return {
                "content": [{"type": "text", "text": self.text}],
                "stop_reason": self._stop_reason(),
                "usage": usage,
            }
        message = {"role": "assistant", "content": self.text}
        choice = {"index": 0, "message": message, "finish_reason": self.finish, **self._logprobs(self.text, body)}
        return {"object": "chat.completion", "choices": [choice], "usage": self._usage()}

    def stream(self, path: str, body: dict[str, Any]) -> tuple[bytes, list[bytes], bytes]:
        """Return the events before the text, those of its pieces, and those after it."""
        step = max(1, -(-len(self.text) // _PIECES))
        pieces = [self.text[start : start + step] for start in range(0, len(self.text), step)]
        return self._messages(pieces) if path.endswith("/messages") else self._chunks(pieces, body)

    def _messages(self, pieces: list[str]) -> tuple[bytes, list[bytes], bytes]:
        before: list[dict[str, Any]] = [
            {
                "type": "message_start",
                "message": {"content": [], "usage": {"input_tokens": self.prompt_tokens, "output_tokens": 1}},
            },
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "ping"},
        ]
        deltas = [
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": piece}}
            for piece in pieces
        ]
        after: list[dict[str, Any]] = [
            {"type": "content_block_stop", "index": 0},
            {
                "type": "message_delta",
                "delta": {"stop_reason": self._stop_reason()},
                "usage": {"output_tokens": self.completion_tokens},
            },
            {"type": "message_stop"},
        ]
        return b"".join(map(event, before)), [event(delta) for delta in deltas], b"".join(map(event, after))

    def _chunks(self, pieces: list[str], body: dict[str, Any]) -> tuple[bytes, list[bytes], bytes]:
        def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
            choice = {"index": 0, "delta": delta, "finish_reason": finish, **more}
            return {"object": "chat.completion.chunk", "choices": [choice]}

        before = event(chunk({"role": "assistant", "content": ""}))
        deltas = [event(chunk({"content": piece}, **self._logprobs(piece, body))) for piece in pieces]
        last = chunk({}, self.finish)
        if (body.get("stream_options") or {}).get("include_usage"):
            after = event(last) + event({"object": "chat.completion.chunk", "choices": [], "usage": self._usage()})
        else:  # as Mistral does, which refuses to be asked
            after = event({**last, "usage": self._usage()})
        return before, deltas, after + b"data: [DONE]\n\n"

    def _usage(self) -> dict[str, Any]:
        return {"prompt_tokens": self.prompt_tokens, "completion_tokens": self.completion_tokens}

    def _stop_reason(self) -> str:
        return "max_tokens" if self.finish == "length" else "end_turn"

    def _logprobs(self, piece: str, body: dict[str, Any]) -> dict[str, Any]:
        if not body.get("logprobs") or self.logprob is None:
            return {}
        return {"logprobs": {"content": [{"token": piece, "logprob": self.logprob, "top_logprobs": []}]}}


def event(data: dict[str, Any]) -> bytes:
    """Return one event; Anthropic's are named as their type."""
    name = f"event: {data['type']}\n" if "type" in data else ""
    return f"{name}data: {json.dumps(data)}\n\n".encode()
