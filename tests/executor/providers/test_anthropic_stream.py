"""Anthropic's messages in pieces: what is made of the events."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from executor.chat import CallError, ChatReply
from executor.providers import http
from executor.providers.anthropic import Anthropic

if TYPE_CHECKING:
    import aiohttp

    from executor.providers.conftest import Upstream


def message(text: Any = "Paris", **changes: Any) -> Any:
    return {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn", **changes}


def delta(text: Any, kind: str = "text_delta") -> Any:
    return {"type": "content_block_delta", "index": 0, "delta": {"type": kind, "text": text}}


def start(usage: Any) -> Any:
    return {"type": "message_start", "message": {"content": [], "stop_reason": None, "usage": usage}}


def end(stop_reason: Any = "end_turn", usage: Any = None) -> Any:
    return {"type": "message_delta", "delta": {"stop_reason": stop_reason}, "usage": usage}


STOP = {"type": "message_stop"}


async def stream(
    upstream: Upstream, client: aiohttp.ClientSession, *events: Any, then: str = "hold"
) -> tuple[ChatReply, list[str]]:
    """Ask for pieces; the answer is these events."""
    lines = [b"event: %s\ndata: %s\n\n" % (event["type"].encode(), json.dumps(event).encode()) for event in events]
    upstream.streams(*lines, then=then)
    pieces: list[str] = []
    reply = await Anthropic(client, upstream.url, upstream.key).chat(upstream.request, pieces.append)
    assert "".join(pieces) == reply.text
    return reply, pieces


async def test_pieces_are_asked_for_and_log_probabilities_never(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    upstream.answers(message())
    provider, request = Anthropic(client, upstream.url, upstream.key), replace(upstream.request, logprobs=True)
    assert (await provider.chat(request)).logprob is None
    assert (await provider.chat(request, lambda _: None)).logprob is None
    whole, pieces = (seen.body for seen in upstream.seen)
    assert "logprobs" not in whole
    assert pieces == {**whole, "stream": True}


async def test_a_stream_is_read_as_anthropic_writes_it(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    reply, pieces = await stream(
        upstream,
        client,
        start(
            {"input_tokens": 5, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 20, "output_tokens": 1}
        ),
        {"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "signature_delta", "signature": "x"}},
        {"type": "content_block_stop", "index": 0},
        {"type": "content_block_start", "index": 1, "content_block": {"type": "text", "text": ""}},
        {"type": "ping"},
        delta("Pa"),
        {"type": "an event of next year", "delta": 7},
        delta(""),
        delta("ris"),
        {"type": "content_block_stop", "index": 1},
        end("max_tokens", {"output_tokens": 7}),
        STOP,
    )
    assert (reply, pieces) == (ChatReply("Paris", "length", 35, 7), ["Pa", "ris"])


@pytest.mark.parametrize(
    ("first", "last", "counts"),
    [
        (None, None, (None, None)),
        ({"input_tokens": 5, "output_tokens": 1}, None, (5, 1)),
        ({"input_tokens": 5, "output_tokens": 1}, {"output_tokens": 7}, (5, 7)),
        ({"input_tokens": 0, "output_tokens": 0}, {"input_tokens": 9, "output_tokens": 7}, (9, 7)),
        ({"input_tokens": 5}, {"input_tokens": None, "output_tokens": -1}, (5, -1)),
        ({"input_tokens": "5"}, {"output_tokens": 7.5}, (None, None)),
    ],
)
async def test_the_last_count_of_a_stream_holds(
    upstream: Upstream, client: aiohttp.ClientSession, first: Any, last: Any, counts: Any
) -> None:
    reply, _ = await stream(upstream, client, start(first), delta("x"), end(usage=last), STOP)
    assert (reply.prompt_tokens, reply.completion_tokens) == counts


async def test_a_stop_reason_or_the_last_event_is_the_end_and_nothing_else(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    assert (await stream(upstream, client, delta("x"), end(), then="cut"))[1] == ["x"]
    assert (await stream(upstream, client, delta("x"), STOP))[1] == ["x"]
    for events in ([delta("x")], [delta("x"), end(None)], [start({})]):
        with pytest.raises(CallError, match="the answer was cut") as caught:
            await stream(upstream, client, *events, then="cut")
        assert (caught.value.transient, caught.value.worked) == (True, True)


async def test_after_a_stop_reason_the_last_event_is_waited_for_only_a_moment(
    upstream: Upstream, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_FIGURES_S", 0.1)
    async with asyncio.timeout(5):
        assert (await stream(upstream, client, delta("x"), end(), then="hold"))[1] == ["x"]
        await upstream.gone.wait()


async def test_an_answer_that_comes_as_a_whole_is_one_piece(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    upstream.answers(message(usage={"input_tokens": 5, "output_tokens": 7}))
    pieces: list[str] = []
    reply = await Anthropic(client, upstream.url, upstream.key).chat(upstream.request, pieces.append)
    assert (reply, pieces) == (ChatReply("Paris", "stop", 5, 7), ["Paris"])


@pytest.mark.parametrize(
    ("kind", "reason", "transient"),
    [
        ("overloaded_error", "unavailable", True),
        ("api_error", "unavailable", True),
        ("timeout_error", "unavailable", True),
        ("rate_limit_error", "rate_limited", True),
        ("invalid_request_error", "bad_response", False),
        ("authentication_error", "bad_response", False),
    ],
)
async def test_an_error_in_mid_stream_is_typed_and_never_quoted(
    upstream: Upstream, client: aiohttp.ClientSession, kind: str, reason: str, transient: bool
) -> None:
    error = {"type": "error", "error": {"type": kind, "message": f"canary {upstream.key}"}}
    with pytest.raises(CallError) as caught:
        await stream(upstream, client, start({}), delta("x"), error)
    assert (caught.value.reason, caught.value.transient, caught.value.worked) == (reason, transient, True)
    assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r}"


@pytest.mark.parametrize(
    "wrong",
    [
        {"type": "content_block_delta"},
        {"type": "content_block_delta", "delta": 7},
        {"type": "content_block_start", "content_block": None},
        {"type": "message_start", "message": 7},
        {"type": "message_delta", "delta": None},
        start([7]),
        delta(None),
        delta(7),
    ],
    ids=str,
)
async def test_what_is_no_event_of_a_message_is_a_bad_response(
    upstream: Upstream, client: aiohttp.ClientSession, wrong: Any
) -> None:
    with pytest.raises(CallError, match="the answer is no message") as caught:
        await stream(upstream, client, wrong, STOP)
    assert (caught.value.reason, caught.value.worked) == ("bad_response", True)
