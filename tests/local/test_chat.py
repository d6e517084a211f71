from __future__ import annotations

import json
from typing import Any

import pytest

from local.chat import ChatError, fold, parse, refused

HELLO = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}


def test_a_request_passes_on_what_the_engine_knows_and_drops_what_says_nothing() -> None:
    ask = parse(json.dumps({**HELLO, "seed": 7, "user": "me", "stop": None, "max_completion_tokens": 5}).encode())
    assert (ask.model, ask.stream) == ("m", False)
    assert ask.body == {"messages": HELLO["messages"], "seed": 7, "max_tokens": 5}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'{"model": "m", "messages": [], "temperature": NaN}',
        b"[" * 100_000,
        b"\xff",
        json.dumps({**HELLO, "model": 1}).encode(),
        json.dumps({**HELLO, "stream": "yes"}).encode(),
        json.dumps({**HELLO, "tools": []}).encode(),
        json.dumps({**HELLO, "max_tokens": 0}).encode(),
        json.dumps({**HELLO, "max_tokens": True}).encode(),
        json.dumps({**HELLO, "max_tokens": 1.5}).encode(),
        json.dumps({**HELLO, "max_tokens": 1 << 31}).encode(),
        json.dumps({**HELLO, "logprobs": True, "top_logprobs": 21}).encode(),
        b'{"model": "m"}',
        b'{"model": "m", "messages": []}',
        b'{"model": "m", "messages": {}}',
        b'{"model": "m", "messages": ["hello"]}',
        b'{"model": "m", "messages": [{"content": "x"}]}',
        b'{"model": "m", "messages": [{"role": "user"}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": {}}]}',
        b'{"model": "m", "messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]}',
    ],
)
def test_a_request_that_is_none_is_refused_with_400(body: bytes) -> None:
    with pytest.raises(ChatError) as refusal:
        parse(body)
    assert refusal.value.status == 400
    assert refusal.value.body()["error"]["type"] == "invalid_request_error"


def test_an_engine_s_overflow_has_openai_s_code() -> None:
    error = refused({"code": 400, "type": "exceed_context_size_error", "message": "too long"})
    assert (error.status, error.code, str(error)) == (400, "context_length_exceeded", "too long")


def test_a_folded_stream_is_the_whole_answer() -> None:
    def chunk(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
        return {"id": "1", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": delta, **more}]}

    answer = fold(
        [
            chunk({"role": "assistant", "content": None}, finish_reason=None),
            chunk({"content": "He"}, logprobs={"content": [1]}),
            chunk({"content": "llo"}, logprobs={"content": [2]}),
            chunk({}, finish_reason="stop"),
            {"id": "1", "choices": [], "usage": {"total_tokens": 3}},
        ]
    )
    assert answer == {
        "id": "1",
        "object": "chat.completion",
        "usage": {"total_tokens": 3},
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello"},
                "finish_reason": "stop",
                "logprobs": {"content": [1, 2]},
            }
        ],
    }
