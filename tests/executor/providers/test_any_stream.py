"""Answers in pieces, without a network: no bytes at all make anything but a valid reply or a CallError."""

from __future__ import annotations

import asyncio
import json
from contextlib import asynccontextmanager
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from executor.chat import CallError, ChatReply, ChatRequest, Message
from executor.providers.anthropic import Anthropic
from executor.providers.openai import OpenAICompatible

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from executor.chat import Provider

REQUEST = ChatRequest("m", (Message("user", "Hi"),), 50, 0.7, logprobs=True)
DONE = b"data: [DONE]\n\n"


def event(data: Any) -> bytes:
    return b"data: %s\n\n" % json.dumps(data).encode()


class Body:
    """What aiohttp gives to who reads a body, without a network."""

    def __init__(self, chunks: list[bytes], content_type: str) -> None:
        self.status = 200
        self.headers = {"content-type": content_type}
        self.content = self
        self._chunks = chunks

    async def iter_any(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk

    def close(self) -> None:
        pass

    @asynccontextmanager
    async def post(self, *_: Any, **__: Any) -> AsyncIterator[Body]:
        yield self


DIALECTS: dict[str, Callable[[Any], Provider]] = {
    "openai": lambda client: OpenAICompatible(client, "http://x", None),
    "anthropic": lambda client: Anthropic(client, "http://x", "key"),
}


@pytest.fixture(scope="module")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner() as it:
        yield it


def outcome(
    runner: asyncio.Runner, dialect: str, chunks: list[bytes], kind: str = "text/event-stream"
) -> tuple[ChatReply | str, str]:
    """Ask; return what came of it, and the text that was handed on."""
    pieces: list[str] = []
    provider = DIALECTS[dialect](Body(chunks, kind))
    try:
        reply = runner.run(provider.chat(REQUEST, pieces.append))
    except CallError as error:
        result: ChatReply | str = str(error)
    else:
        assert reply.text == "".join(pieces)
        result = reply
    assert "" not in pieces
    for piece in pieces:
        piece.encode()  # valid, each of them
    return result, "".join(pieces)


#: Scraps of streams; joined at random, they come near to one.
SCRAPS = [
    *(
        b"data: ",
        b"data:",
        b"event: error\n",
        b"\n",
        b"\n\n",
        b"\r",
        b": ping",
        b"[DONE]",
        b"{}",
        b"null",
        b"[]",
        b"NaN",
    ),
    *(b'{"error": 1}', b'{"choices": [7]}', b'{"usage": [7]}', b'{"type": "message_stop"}'),
    *(b'{"choices": [{"delta": {"content": "', b'"}}]}', b'"}, "finish_reason": "stop"}]}'),
    *(b'{"type": "content_block_delta", "delta": {"type": "text_delta", "text": "', b'"}}'),
    b'{"type": "message_start", "message": {"usage": {"input_tokens": -1}}}',
    *("é😀".encode(), b"\\ud83d", b"\\ude00", b"\xff"),
]
SOUP = st.lists(st.one_of(st.sampled_from(SCRAPS), st.binary(max_size=8)), max_size=30)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(chunks=SOUP, kind=st.sampled_from(["text/event-stream", "application/json"]))
@example(chunks=[b'data: {"error": {"code": 1' + b"0" * 5000 + b"}}\n\n"], kind="text/event-stream")
@example(chunks=[b"data: " + b"[" * 200_000 + b"\n\n"], kind="text/event-stream")
@example(chunks=[b'data: {"error":' + b"[" * 900 + b"]" * 900 + b"}\n\n"], kind="text/event-stream")
def test_any_bytes_in_any_chunks_make_a_reply_or_a_call_error(
    runner: asyncio.Runner, dialect: str, chunks: list[bytes], kind: str
) -> None:
    outcome(runner, dialect, chunks, kind)


NAMES = [
    *("choices", "delta", "content", "refusal", "text", "usage", "logprobs", "logprob", "finish_reason", "message"),
    *("type", "error", "code", "status", "object", "input_tokens", "content_block", "stop_reason"),
]
WORDS = ["text", "text_delta", "message_start", "message_delta", "content_block_delta", "message_stop"]
NUMBERS = st.integers(-(10**30), 10**30) | st.floats(allow_nan=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=4) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("dialect", DIALECTS)
@given(objects=st.lists(JSON, max_size=4), ended=st.booleans())
def test_any_json_in_events_makes_a_reply_or_a_call_error(
    runner: asyncio.Runner, dialect: str, objects: list[Any], ended: bool
) -> None:
    outcome(runner, dialect, [*map(event, objects), DONE if ended else b""])


STREAMS = {
    "openai": b"\r\n".join(
        [
            b'data: {"choices": [{"delta": {"role": "assistant", "content": ""}}], "usage": null}\r\n',
            'data: {"choices":[{"delta":{"content":"É😀"},"logprobs":{"content":[{"logprob":-0.5}]}}]}\r\n'.encode(),
            b': ping\r\ndata: {"choices": [{"delta":\r\ndata: {"content": "\\ud83d"}}]}\r\n',
            b'data: {"choices": [{"delta": {"content": "\\ude00"}, "logprobs": {"content": [{"logprob": -1.5}]}}]}\r\n',
            b'data: {"choices": [{"delta": {}, "finish_reason": "length"}]}\r\n',
            b'data: {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}}\r\n',
            b"data: [DONE]\r\n\r\n",
        ]
    ),
    "anthropic": b"\n".join(
        [
            b'event: message_start\ndata: {"type": "message_start", "message": {"usage": {"input_tokens": 3}}}\n',
            b'data: {"type": "ping"}\n',
            'data: {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "É😀"}}\n'.encode(),
            b'data: {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "\\ud83d"}}\n',
            b'data: {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "\\ude00"}}\n',
            b'data: {"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 2}}\n',
            b'event: message_stop\ndata: {"type": "message_stop"}\n\n',
        ]
    ),
}


@pytest.mark.parametrize("dialect", DIALECTS)
@given(places=st.lists(st.integers(0, 1000)))
def test_any_cut_of_a_stream_into_chunks_gives_the_same_reply(
    runner: asyncio.Runner, dialect: str, places: list[int]
) -> None:
    body = STREAMS[dialect]
    bounds = sorted({0, len(body), *(place % len(body) for place in places)})
    chunks = [body[start:end] for start, end in pairwise(bounds)]
    logprob = -1.0 if dialect == "openai" else None
    assert outcome(runner, dialect, chunks) == (ChatReply("É😀😀", "length", 3, 2, logprob), "É😀😀")


@pytest.mark.parametrize("dialect", DIALECTS)
@given(length=st.integers(0, 2000))
def test_a_stream_that_breaks_off_anywhere_is_cut_or_whole(runner: asyncio.Runner, dialect: str, length: int) -> None:
    result, text = outcome(runner, dialect, [STREAMS[dialect][:length]])
    assert "É😀😀".startswith(text)
    if isinstance(result, str):
        assert result == "bad_response: the answer was cut"
    else:
        assert result.text == "É😀😀"


HIGH, LOW = chr(0xD800), chr(0xDC00)


@pytest.mark.parametrize("text", [HIGH, LOW, f"x{HIGH}y", LOW + HIGH])
@pytest.mark.parametrize("dialect", DIALECTS)
def test_half_a_character_is_never_handed_on(runner: asyncio.Runner, dialect: str, text: str) -> None:
    delta_of = {
        "openai": {"choices": [{"delta": {"content": text}, "finish_reason": "stop"}]},
        "anthropic": {"type": "content_block_delta", "delta": {"type": "text_delta", "text": text}},
    }
    whole = {
        "openai": {"choices": [{"message": {"content": text}}]},
        "anthropic": {"content": [{"type": "text", "text": text}]},
    }
    ends = [DONE if dialect == "openai" else event({"type": "message_stop"})]
    said, _ = outcome(runner, dialect, [event(delta_of[dialect]), *ends])
    assert said == "bad_response: the answer holds half a surrogate pair"
    said, _ = outcome(runner, dialect, [json.dumps(whole[dialect]).encode()], "application/json")
    assert said == "bad_response: the answer holds half a surrogate pair"
