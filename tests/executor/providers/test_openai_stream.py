"""Chat completions in pieces: what is asked for, and what is made of the chunks."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from executor.chat import CallError, ChatReply
from executor.providers.openai import OpenAICompatible

if TYPE_CHECKING:
    import aiohttp

    from executor.providers.conftest import Upstream


def completion(content: Any = "Paris", **changes: Any) -> Any:
    return {"choices": [{"message": {"role": "assistant", "content": content}, "finish_reason": "stop"}], **changes}


async def stream(
    upstream: Upstream, client: aiohttp.ClientSession, *chunks: Any, logprobs: bool = False
) -> tuple[ChatReply, list[str]]:
    """Ask for pieces; the answer is these chunks and the end."""
    lines = [b"data: %s\n\n" % json.dumps(chunk).encode() for chunk in chunks]
    upstream.streams(*lines, b"data: [DONE]\n\n")
    pieces: list[str] = []
    request = replace(upstream.request, logprobs=logprobs)
    reply = await OpenAICompatible(client, upstream.url, upstream.key).chat(request, pieces.append)
    assert "".join(pieces) == reply.text
    return reply, pieces


def chunk(delta: Any = None, finish: Any = None, **changes: Any) -> Any:
    return {"choices": [{"index": 0, "delta": delta, "finish_reason": finish, **changes}]}


@pytest.mark.parametrize(
    ("asks_usage", "asked"),
    [(True, {"stream": True, "stream_options": {"include_usage": True}}), (False, {"stream": True})],
)
async def test_pieces_are_asked_for_with_their_usage_where_that_is_allowed(
    upstream: Upstream, client: aiohttp.ClientSession, asks_usage: bool, asked: dict[str, Any]
) -> None:
    upstream.answers(completion())
    provider = OpenAICompatible(client, upstream.url, None, asks_usage=asks_usage)
    await provider.chat(upstream.request)
    await provider.chat(upstream.request, lambda _: None)
    whole, pieces = (seen.body for seen in upstream.seen)
    assert pieces == {**whole, **asked}


@pytest.mark.parametrize("on_text", [None, lambda _: None])
async def test_log_probabilities_are_asked_for_when_they_are_wanted(
    upstream: Upstream, client: aiohttp.ClientSession, on_text: Any
) -> None:
    upstream.answers(completion())
    provider = OpenAICompatible(client, upstream.url, None)
    await provider.chat(upstream.request, on_text)
    await provider.chat(replace(upstream.request, logprobs=True), on_text)
    without, wanted = (seen.body for seen in upstream.seen)
    assert wanted == {**without, "logprobs": True}


async def test_a_stream_is_read_as_openai_writes_it(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 2, "total_tokens": 5}
    reply, pieces = await stream(
        upstream,
        client,
        {**chunk({"role": "assistant", "content": "", "refusal": None}), "usage": None},
        {**chunk({"content": "Pa"}), "usage": None},
        {**chunk({"content": "ris"}), "usage": None},
        {**chunk({}, "length"), "usage": None},
        {"choices": [], "usage": usage},
    )
    assert (reply, pieces) == (ChatReply("Paris", "length", 3, 2), ["Pa", "ris"])


async def test_a_stream_is_read_as_mistral_writes_it(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    reply, pieces = await stream(
        upstream,
        client,
        chunk({"role": "assistant", "content": ""}),
        chunk({"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}),
        chunk({"content": [{"type": "text", "text": "Pa"}]}),
        {**chunk({"content": "ris"}, "model_length"), "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    )
    assert (reply, pieces) == (ChatReply("Paris", "length", 3, 2), ["Pa", "ris"])


async def test_a_running_total_counts_once(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    totals = [{**chunk({"content": "x"}), "usage": {"prompt_tokens": 3, "completion_tokens": n}} for n in (1, 2, 3)]
    reply, _ = await stream(upstream, client, *totals, chunk(None, "stop"))
    assert (reply.prompt_tokens, reply.completion_tokens) == (3, 3)


async def test_a_text_that_a_filter_stopped_is_cut(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    reply, pieces = await stream(upstream, client, chunk({"content": "Pa"}), chunk({}, "content_filter"))
    assert (reply.finish_reason, pieces) == ("length", ["Pa"])


@pytest.mark.parametrize("finish", ["insufficient_system_resource", "error", "abort"])
async def test_pieces_that_the_vendor_s_own_trouble_broke_off_may_be_asked_for_again(
    upstream: Upstream, client: aiohttp.ClientSession, finish: str
) -> None:
    with pytest.raises(CallError, match="the answer was cut") as caught:
        await stream(upstream, client, chunk({"content": "Pa"}), chunk({}, finish))
    assert (caught.value.reason, caught.value.transient, caught.value.worked) == ("bad_response", True, True)


async def test_the_error_that_follows_a_finish_reason_says_more(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    with pytest.raises(CallError, match=r"^rate_limited: "):
        await stream(upstream, client, chunk({"content": "Pa"}, "error"), {"error": {"code": 429}})


async def test_a_refusal_in_pieces_is_the_answer(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    first, second = chunk({"content": None, "refusal": "I "}), chunk({"refusal": "can't."})
    assert (await stream(upstream, client, first, second))[1] == ["I ", "can't."]


async def test_hidden_reasoning_is_not_the_answer(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    thought = chunk({"content": None, "reasoning_content": "hm"})
    assert (await stream(upstream, client, thought, chunk({"content": "x"})))[1] == ["x"]


@pytest.mark.parametrize("content", ["Paris", "", None, [{"type": "text", "text": "Paris"}]])
async def test_an_answer_that_comes_as_a_whole_is_one_piece(
    upstream: Upstream, client: aiohttp.ClientSession, content: Any
) -> None:
    upstream.answers(completion(content, usage={"prompt_tokens": 3, "completion_tokens": 2}))
    pieces: list[str] = []
    reply = await OpenAICompatible(client, upstream.url, None).chat(upstream.request, pieces.append)
    assert reply == ChatReply("Paris" if content else "", "stop", 3, 2)
    assert pieces == (["Paris"] if content else [])


@pytest.mark.parametrize(
    "wrong",
    [
        7,
        [],
        "x",
        {"choices": 7},
        {"choices": {"0": {}}},
        {"choices": [None]},
        chunk(7),
        chunk("x"),
        chunk({"content": 7}),
        chunk({"content": {}}),
        chunk({"content": ["x"]}),
        chunk({"content": [{"type": "text"}]}),
        chunk({"refusal": 7}),
        {"choices": [], "usage": "many"},
    ],
    ids=str,
)
async def test_what_is_no_chunk_is_a_bad_response(
    upstream: Upstream, client: aiohttp.ClientSession, wrong: Any
) -> None:
    with pytest.raises(CallError, match="the answer is no chat completion") as caught:
        await stream(upstream, client, chunk({"content": "x"}), wrong)
    assert (caught.value.reason, caught.value.transient, caught.value.worked) == ("bad_response", False, True)


@pytest.mark.parametrize(
    ("error", "reason", "transient"),
    [
        ({"error": {"type": "server_error", "code": None}}, "unavailable", True),
        ({"error": {"code": 503, "status": "UNAVAILABLE"}}, "unavailable", True),
        ({"error": {"code": "502"}}, "unavailable", True),
        ({"error": {"type": "requests", "code": "rate_limit_exceeded"}}, "rate_limited", True),
        ({"error": {"code": 429}, **chunk({}, "error")}, "rate_limited", True),
        ({"object": "error", "type": "service_tier_capacity_exceeded", "code": "3505"}, "rate_limited", True),
        ({"error": {"type": "insufficient_quota"}}, "rejected", False),
        ({"error": {"type": "invalid_request_error", "code": 400}}, "bad_response", False),
        ({"error": "overloaded, I think"}, "bad_response", False),
        ({"error": [7]}, "bad_response", False),
        ({"error": {"type": ["x"], "code": {}, "status": 7.5}}, "bad_response", False),
    ],
    ids=str,
)
async def test_an_error_in_mid_stream_is_typed_and_never_quoted(
    upstream: Upstream, client: aiohttp.ClientSession, error: Any, reason: str, transient: bool
) -> None:
    if isinstance(error["error" if "error" in error else "type"], dict):
        error["error"]["message"] = f"canary {upstream.key}"
    with pytest.raises(CallError) as caught:
        await stream(upstream, client, chunk({"content": "x"}), error)
    assert (caught.value.reason, caught.value.transient, caught.value.worked) == (reason, transient, True)
    assert "canary" not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_an_event_named_error_is_one(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    upstream.streams(b'event: error\ndata: {"code": 529, "message": "canary"}\n\n', b"data: [DONE]\n\n")
    with pytest.raises(CallError, match=r"^unavailable: (?!.*canary)"):
        await OpenAICompatible(client, upstream.url, None).chat(upstream.request, lambda _: None)


def told(*values: Any) -> Any:
    return {"content": [{"token": "x", "logprob": value, "top_logprobs": []} for value in values]}


LOGPROBS = [
    (told(-0.5, -1.5), -1.0),
    (told(0, -1, -0.5), -0.5),
    (told(-9999.0), -9999.0),
    (told(), None),
    (None, None),
    ({"content": None}, None),
    (told(0.1), None),
    (told(-0.5, None), None),
    (told(-0.5, "-1"), None),
    (told(False), None),
    (told(-(10**400)), None),
    (told(-1e308, -1e308), None),
    ({"tokens": ["x"], "token_logprobs": [-0.5]}, None),
    ({"content": 7}, None),
    ({"content": "xy"}, None),
    ({"content": {"logprob": -1}}, None),
    ("x", None),
    ([7], None),
]


@pytest.mark.parametrize(("logprobs", "mean"), LOGPROBS, ids=lambda value: str(value)[:40])
async def test_the_mean_log_probability_is_a_number_at_most_0_or_nothing(
    upstream: Upstream, client: aiohttp.ClientSession, logprobs: Any, mean: float | None
) -> None:
    upstream.answers({"choices": [{"message": {"content": "x"}, "logprobs": logprobs}]})
    provider = OpenAICompatible(client, upstream.url, None)
    assert (await provider.chat(replace(upstream.request, logprobs=True))).logprob == mean
    assert (await provider.chat(upstream.request)).logprob is None
    reply, _ = await stream(upstream, client, chunk({"content": "x"}, logprobs=logprobs), logprobs=True)
    assert reply.logprob == mean


async def test_the_mean_is_taken_over_the_tokens_of_all_chunks(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    chunks = [chunk({"content": "x"}, logprobs=one) for one in (None, told(-1.0), told(-2.0, -6.0))]
    assert (await stream(upstream, client, *chunks, logprobs=True))[0].logprob == -3.0
    spoilt = chunk({"content": "x"}, logprobs=told(1.0))
    assert (await stream(upstream, client, spoilt, *chunks, logprobs=True))[0].logprob is None
