"""Chat completions: what is sent, field by field, and what is made of what comes back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from executor.chat import CallError, ChatReply, ChatRequest, Message
from executor.providers.openai import OpenAICompatible

if TYPE_CHECKING:
    import aiohttp

    from executor.providers.conftest import Upstream


def completion(content: Any = "Paris", **changes: Any) -> Any:
    return {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}], **changes}


async def ask(upstream: Upstream, client: aiohttp.ClientSession, answer: Any) -> ChatReply:
    upstream.answers(answer)
    return await OpenAICompatible(client, upstream.url, None).chat(upstream.request)


@pytest.mark.parametrize("limit_field", ["max_tokens", "max_completion_tokens"])
async def test_the_body_has_exactly_the_fields_of_a_call(
    upstream: Upstream, client: aiohttp.ClientSession, limit_field: str
) -> None:
    upstream.answers(completion())
    messages = (
        Message("system", "Be brief."),
        Message("user", "Ünïcode \ud83d\ude00 \u0000"),
        Message("assistant", ""),
    )
    request = ChatRequest("gpt-5.2", messages, 50, 1.5)
    await OpenAICompatible(client, upstream.url + "/v1/", upstream.key, limit_field).chat(request)
    (seen,) = upstream.seen
    assert seen.path == "/v1/chat/completions"
    assert seen.headers["authorization"] == f"Bearer {upstream.key}"
    assert seen.headers["content-type"] == "application/json"
    assert seen.body == {
        "model": "gpt-5.2",
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "Ünïcode 😀 \0"},
            {"role": "assistant", "content": ""},
        ],
        "temperature": 1.5,
        limit_field: 50,
    }


async def test_without_a_key_no_authorization_is_sent(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    await ask(upstream, client, completion())
    assert "authorization" not in upstream.seen[0].headers


async def test_an_answer_is_read_with_its_counts(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    assert await ask(upstream, client, completion(usage=usage)) == ChatReply("Paris", "stop", 3, 2)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (None, ""),
        ("", ""),
        ([], ""),
        (
            [{"type": "text", "text": "Pa"}, {"type": "thinking", "thinking": []}, {"type": "text", "text": "ris"}],
            "Paris",
        ),
        ([{"type": []}], ""),
    ],
)
async def test_content_may_be_absent_or_parts(
    upstream: Upstream, client: aiohttp.ClientSession, content: Any, text: str
) -> None:
    assert (await ask(upstream, client, completion(content))).text == text


async def test_a_refusal_stands_for_the_content_that_it_replaces(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    answer = {"choices": [{"message": {"content": None, "refusal": "I can't help with that."}}]}
    assert (await ask(upstream, client, answer)).text == "I can't help with that."


@pytest.mark.parametrize(
    ("finish", "read"),
    [
        ("stop", "stop"),
        ("length", "length"),
        ("max_tokens", "length"),
        ("model_length", "length"),
        ("content_filter", "length"),
        ("tool_calls", "stop"),
        (None, "stop"),
        (7, "stop"),
        ([], "stop"),
        ({}, "stop"),
    ],
)
async def test_a_finish_reason_is_stop_or_length(
    upstream: Upstream, client: aiohttp.ClientSession, finish: Any, read: str
) -> None:
    answer = {"choices": [{"message": {"content": "x"}, "finish_reason": finish}]}
    assert (await ask(upstream, client, answer)).finish_reason == read


@pytest.mark.parametrize("finish", ["insufficient_system_resource", "error", "abort"])
@pytest.mark.parametrize("content", ["Par", "", None])
async def test_what_the_vendor_s_own_trouble_broke_off_may_be_asked_for_again(
    upstream: Upstream, client: aiohttp.ClientSession, finish: str, content: Any
) -> None:
    answer = {"choices": [{"message": {"content": content}, "finish_reason": finish}]}
    with pytest.raises(CallError, match="the answer was cut") as caught:
        await ask(upstream, client, answer)
    assert (caught.value.reason, caught.value.transient, caught.value.worked) == ("bad_response", True, True)


@pytest.mark.parametrize("content", ["", None])
async def test_a_filter_that_leaves_nothing_leaves_an_empty_answer(
    upstream: Upstream, client: aiohttp.ClientSession, content: Any
) -> None:
    answer = {"choices": [{"message": {"content": content}, "finish_reason": "content_filter"}]}
    assert (await ask(upstream, client, answer)).text == ""


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        (None, (None, None)),
        ({}, (None, None)),
        ([], (None, None)),
        ({"prompt_tokens": "7", "completion_tokens": "8"}, (None, None)),
        ({"prompt_tokens": True, "completion_tokens": 1.0}, (None, None)),
        ({"prompt_tokens": None, "completion_tokens": 9}, (None, 9)),
        ({"prompt_tokens": -1, "completion_tokens": 10**30}, (-1, 10**30)),
    ],
)
async def test_counts_are_whole_numbers_or_nothing(
    upstream: Upstream, client: aiohttp.ClientSession, usage: Any, counts: Any
) -> None:
    reply = await ask(upstream, client, completion(usage=usage))
    assert (reply.prompt_tokens, reply.completion_tokens) == counts


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        7,
        {"error": {"message": "overloaded"}},
        {"choices": []},
        {"choices": None},
        {"choices": {"0": {}}},
        {"choices": [None]},
        {"choices": [{"message": None}]},
        {"choices": [{"message": {}}]},
        {"choices": [{"message": {"content": None, "refusal": 7}}]},
        completion(7),
        completion({}),
        completion(["x"]),
        completion([{"type": "text"}]),
        completion([{"type": "text", "text": None}]),
        completion(usage="many"),
    ],
    ids=str,
)
async def test_what_is_no_chat_completion_is_a_bad_response(
    upstream: Upstream, client: aiohttp.ClientSession, answer: Any
) -> None:
    with pytest.raises(CallError) as caught:
        await ask(upstream, client, answer)
    assert (caught.value.reason, caught.value.worked) == ("bad_response", True)
