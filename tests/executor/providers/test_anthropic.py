"""Anthropic's messages: what is sent, field by field, and what is made of what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executor.chat import CallError, ChatReply, ChatRequest, Message
from executor.providers.anthropic import Anthropic

if TYPE_CHECKING:
    import aiohttp

    from executor.providers.conftest import Upstream


def message(text: Any = "Paris", **changes: Any) -> Any:
    return {"content": [{"type": "text", "text": text}], "stop_reason": "end_turn", **changes}


async def ask(upstream: Upstream, client: aiohttp.ClientSession, answer: Any) -> ChatReply:
    upstream.answers(answer)
    return await Anthropic(client, upstream.url, upstream.key).chat(upstream.request)


async def test_the_body_has_exactly_the_fields_of_a_call(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    upstream.answers(message())
    messages = (
        Message("system", "Be brief."),
        Message("user", "Hi"),
        Message("assistant", "Hello"),
        Message("system", "Be kind."),
        Message("user", "Why?"),
    )
    await Anthropic(client, upstream.url + "/", upstream.key).chat(ChatRequest("claude", messages, 50, 0.3))
    (seen,) = upstream.seen
    assert seen.path == "/v1/messages"
    assert seen.headers["x-api-key"] == upstream.key
    assert seen.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in seen.headers
    assert seen.body == {
        "model": "claude",
        "system": "Be brief.\n\nBe kind.",
        "messages": [
            {"role": "user", "content": "Hi"},
            {"role": "assistant", "content": "Hello"},
            {"role": "user", "content": "Why?"},
        ],
        "max_tokens": 50,
        "temperature": 0.3,
    }


async def test_without_a_system_message_the_field_is_absent(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    await ask(upstream, client, message())
    assert "system" not in upstream.seen[0].body


@pytest.mark.parametrize(("asked", "sent"), [(0.0, 0.0), (1.0, 1.0), (1.2, 1.0), (2.0, 1.0)])
async def test_a_temperature_over_one_is_sent_as_one(
    upstream: Upstream, client: aiohttp.ClientSession, asked: float, sent: float
) -> None:
    upstream.answers(message())
    await Anthropic(client, upstream.url, upstream.key).chat(ChatRequest("claude", (Message("user", "Hi"),), 5, asked))
    assert upstream.seen[0].body["temperature"] == sent


@pytest.mark.parametrize(
    ("stop_reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "length"),
        (None, "stop"),
        ([], "stop"),
    ],
)
async def test_a_stop_reason_is_stop_or_length(
    upstream: Upstream, client: aiohttp.ClientSession, stop_reason: Any, finish: str
) -> None:
    assert (await ask(upstream, client, message(stop_reason=stop_reason))).finish_reason == finish


async def test_only_text_blocks_are_the_answer(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    blocks = [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Pa"}, {"type": "text", "text": "ris"}]
    assert (await ask(upstream, client, {"content": blocks})).text == "Paris"


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (None, (None, None)),
        ({"input_tokens": 5, "output_tokens": 7}, (5, 7)),
        ({"input_tokens": 5, "cache_read_input_tokens": 10, "cache_creation_input_tokens": 20}, (35, None)),
        ({"input_tokens": 5, "cache_read_input_tokens": "x", "cache_creation_input_tokens": None}, (5, None)),
        ({"input_tokens": "5", "output_tokens": False}, (None, None)),
        ({"input_tokens": 5, "cache_read_input_tokens": -10, "output_tokens": -1}, (-5, -1)),
    ],
)
async def test_cached_tokens_count_as_read(
    upstream: Upstream, client: aiohttp.ClientSession, usage: Any, counts: Any
) -> None:
    reply = await ask(upstream, client, message(usage=usage))
    assert (reply.prompt_tokens, reply.completion_tokens) == counts


@pytest.mark.parametrize(
    "answer",
    [
        [],
        {},
        {"type": "error", "error": {"type": "overloaded_error"}},
        {"content": None},
        {"content": "Paris"},
        {"content": [None]},
        {"content": [{"text": "Paris"}]},
        message(None),
        message(usage=[7]),
    ],
    ids=str,
)
async def test_what_is_no_message_is_a_bad_response(
    upstream: Upstream, client: aiohttp.ClientSession, answer: Any
) -> None:
    with pytest.raises(CallError) as caught:
        await ask(upstream, client, answer)
    assert (caught.value.reason, caught.value.worked) == ("bad_response", True)
