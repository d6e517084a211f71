"""The end of an answer in pieces: how long a server is listened to that has told it, and says no more."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from executor.chat import ChatReply
from executor.providers import http
from executor.providers.openai import OpenAICompatible

if TYPE_CHECKING:
    import aiohttp

    from executor.providers.conftest import Upstream


def event(data: Any) -> bytes:
    return b"data: %s\n\n" % json.dumps(data).encode()


def delta(text: str) -> bytes:
    return event({"choices": [{"index": 0, "delta": {"content": text}}]})


FINISH = event({"choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
USAGE = event({"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}})
DONE = b"data: [DONE]\n\n"


@pytest.mark.parametrize(("figures", "counts"), [([], (None, None)), ([USAGE], (3, 2))], ids=["no usage", "usage"])
async def test_after_a_finish_reason_the_end_is_waited_for_only_a_moment(
    upstream: Upstream,
    client: aiohttp.ClientSession,
    monkeypatch: pytest.MonkeyPatch,
    figures: list[bytes],
    counts: tuple[int | None, int | None],
) -> None:
    monkeypatch.setattr(http, "_FIGURES_S", 0.1)
    upstream.streams(delta("Paris"), FINISH, *figures, then="hold")
    async with asyncio.timeout(5):
        reply = await OpenAICompatible(client, upstream.url, None).chat(upstream.request, lambda _: None)
        await upstream.gone.wait()
    assert reply == ChatReply("Paris", "stop", *counts)


async def test_a_server_that_goes_on_after_a_finish_reason_is_not_listened_to_for_ever(
    upstream: Upstream, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_FIGURES_S", 0.1)

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(delta("Paris") + FINISH)
        while True:
            await response.write(b": ping\n\n" + FINISH)
            await asyncio.sleep(0.01)

    upstream.handler = handle
    async with asyncio.timeout(5):
        reply = await OpenAICompatible(client, upstream.url, None).chat(upstream.request, lambda _: None)
    assert reply.text == "Paris"


async def test_before_a_finish_reason_pieces_are_waited_for(
    upstream: Upstream, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "_FIGURES_S", 0.01)
    heard = asyncio.Event()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(delta("Pa"))
        await heard.wait()
        await asyncio.sleep(0.05)
        await response.write(delta("ris") + FINISH + DONE)
        return response

    upstream.handler = handle
    async with asyncio.timeout(5):
        reply = await OpenAICompatible(client, upstream.url, None).chat(upstream.request, lambda _: heard.set())
    assert reply.text == "Paris"
