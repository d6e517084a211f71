"""The executor's adapter and a real local model: pieces, usage and log-probabilities."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import aiohttp
import pytest

from executor.chat import CallError, ChatRequest, Message
from executor.providers.http import session
from executor.providers.openai import OpenAICompatible

if TYPE_CHECKING:
    from local.conftest import Service

pytestmark = pytest.mark.models

REQUEST = ChatRequest("smol", (Message("user", "Say hello."),), 12, 0.0, logprobs=True)


async def test_a_local_model_answers_in_pieces_what_it_answers_as_a_whole(service: Service) -> None:
    pieces: list[str] = []
    async with session(aiohttp.UnixConnector(str(service.socket))) as client:
        provider = OpenAICompatible(client, "http://local/v1", None)
        whole = await provider.chat(REQUEST)
        reply = await provider.chat(REQUEST, pieces.append)
    assert len(pieces) > 1
    assert "".join(pieces) == reply.text == whole.text
    assert (reply.finish_reason, reply.prompt_tokens, reply.completion_tokens) == (
        whole.finish_reason,
        whole.prompt_tokens,
        12,
    )
    assert whole.logprob is not None
    assert whole.logprob < 0
    # The second answer comes from the prompt's cache, whose arithmetic differs a little.
    assert reply.logprob == pytest.approx(whole.logprob, abs=0.1)


async def test_who_stops_listening_frees_the_model_for_those_who_wait(service: Service) -> None:
    heard = asyncio.Event()
    long = replace(REQUEST, messages=(Message("user", "Tell a long story."),), max_tokens=900)
    async with session(aiohttp.UnixConnector(str(service.socket))) as client, asyncio.timeout(60):
        provider = OpenAICompatible(client, "http://local/v1", None)
        for _ in range(4):
            heard.clear()
            call = asyncio.create_task(provider.chat(long, lambda _: heard.set()))
            await heard.wait()
            waiting = [asyncio.create_task(provider.chat(REQUEST)) for _ in range(2)]
            call.cancel()
            await asyncio.wait({call})
            assert call.cancelled()
            for one in waiting:
                assert (await one).text


async def test_what_a_local_server_refuses_is_rejected(service: Service) -> None:
    async with session(aiohttp.UnixConnector(str(service.socket))) as client:
        provider = OpenAICompatible(client, "http://local/v1", None)
        for request in (replace(REQUEST, model="other"), replace(REQUEST, messages=(Message("user", "word " * 5000),))):
            with pytest.raises(CallError, match=r"^rejected: "):
                await provider.chat(request, lambda _: None)
