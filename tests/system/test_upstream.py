"""The scripted edge: vendors' own client and our adapters read its answers alike."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import openai
import pytest

from executor.chat import CallError, ChatReply, ChatRequest, Message
from executor.providers.anthropic import Anthropic
from executor.providers.http import session
from executor.providers.openai import OpenAICompatible
from system.upstream import Upstream, breaks, cuts, endless, fails, hangs, raw, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from system.upstream import Behaviour

TEXT = "The capital is Paris. 😀"
DIALECTS = ["openai", "mistral", "anthropic"]


@pytest.fixture(scope="module")
def edge() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


async def ask(
    edge: Upstream, dialect: str, behaviour: Behaviour, *, whole: bool = False
) -> tuple[ChatReply, list[str]]:
    edge.reset()
    edge.scripts["*"] = [behaviour]
    url, pieces = f"http://127.0.0.1:{edge.port}", list[str]()
    async with session() as client:
        provider = (
            Anthropic(client, url, "key")
            if dialect == "anthropic"
            else OpenAICompatible(client, url + "/v1", "key", asks_usage=dialect == "openai")
        )
        request = ChatRequest("m", (Message("user", "Hi"),), 50, 0.7, logprobs=True)
        reply = await provider.chat(request, None if whole else pieces.append)
    return reply, pieces


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("text", [TEXT, "", "x"])
async def test_an_answer_in_pieces_is_the_whole_answer(edge: Upstream, dialect: str, text: str) -> None:
    behaviour = says(text, 3, 2, "length", logprob=-0.5)
    whole, _ = await ask(edge, dialect, behaviour, whole=True)
    reply, pieces = await ask(edge, dialect, behaviour)
    logprob = None if dialect == "anthropic" else -0.5
    assert whole == ChatReply(text, "length", 3, 2, logprob)
    assert reply == ChatReply(text, "length", 3, 2, logprob if text else None)
    assert "".join(pieces) == text
    assert len(pieces) == min(4, len(text))


async def test_openai_s_own_client_reads_the_stream(edge: Upstream) -> None:
    edge.reset()
    edge.scripts["*"] = [says(TEXT, 3, 2)]
    async with openai.AsyncOpenAI(base_url=f"http://127.0.0.1:{edge.port}/v1", api_key="key") as client:
        stream = await client.chat.completions.create(
            model="m",
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            stream_options={"include_usage": True},
        )
        chunks = [chunk async for chunk in stream]
    assert "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices) == TEXT
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.completion_tokens == 2


@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        (fails(429, {"retry-after": "1"}), "rate_limited"),
        (cuts(), "bad_response"),
        (cuts("Pa"), "bad_response"),
        (breaks(), "unavailable"),
        (breaks("Pa"), "unavailable"),
        (breaks("Pa", "rate_limit_error"), "rate_limited"),
        (endless("and " * 50_000), "too_large"),
        (raw(b"<html>", "text/html"), "bad_response"),
        (raw(b'data: {"choices": []}\n\n', "text/plain"), "bad_response"),
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_faults_are_typed(edge: Upstream, dialect: str, behaviour: Behaviour, reason: str) -> None:
    async with asyncio.timeout(20):
        with pytest.raises(CallError) as caught:
            await ask(edge, dialect, behaviour)
    assert caught.value.reason == reason
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("behaviour", "least_s"),
    [(says("Paris", after_s=0.2), 0.2), (says("Paris", every_s=0.05), 0.15)],
)
async def test_an_answer_may_be_slow(edge: Upstream, behaviour: Behaviour, least_s: float) -> None:
    began = time.monotonic()
    assert (await ask(edge, "openai", behaviour))[0].text == "Paris"
    assert time.monotonic() - began >= least_s


@pytest.mark.parametrize(
    "behaviour", [hangs(), endless(every_s=0.001), says("Paris", every_s=60), says("x", after_s=60)]
)
async def test_who_hangs_up_is_noticed_within_a_second(edge: Upstream, behaviour: Any) -> None:
    edge.reset()
    call = asyncio.create_task(ask(edge, "openai", behaviour))
    async with asyncio.timeout(10):
        while not edge.calls and not call.done():
            await asyncio.sleep(0.01)
    call.cancel()
    left = time.monotonic()
    await asyncio.wait({call})
    assert await asyncio.to_thread(edge.cancelled.wait, 5)
    assert time.monotonic() - left < 1
