"""Answers in pieces, over sockets: bounds, ends, and who hangs up on whom."""

from __future__ import annotations

import asyncio
import gzip
import json
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from executor.chat import CallError
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
DONE = b"data: [DONE]\n\n"


class Listener:
    """Who is given the pieces."""

    def __init__(self) -> None:
        self.pieces: list[str] = []
        self.heard = asyncio.Event()

    def __call__(self, piece: str) -> None:
        self.pieces.append(piece)
        self.heard.set()


async def ask(upstream: Upstream, client: aiohttp.ClientSession, *chunks: bytes, **how: Any) -> tuple[str, list[str]]:
    upstream.streams(*chunks, **how)
    listener = Listener()
    reply = await OpenAICompatible(client, upstream.url, upstream.key).chat(upstream.request, listener)
    return reply.text, listener.pieces


async def failure(upstream: Upstream, client: aiohttp.ClientSession, *chunks: bytes, **how: Any) -> CallError:
    with pytest.raises(CallError) as caught:
        await ask(upstream, client, *chunks, **how)
    return caught.value


async def test_a_piece_is_handed_on_before_the_next_one_is_written(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    listener = Listener()

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        for text in ("Pa", "ris"):
            await response.write(delta(text))
            await listener.heard.wait()
            listener.heard.clear()
        await response.write(FINISH)
        return response

    upstream.handler = handle
    async with asyncio.timeout(10):
        reply = await OpenAICompatible(client, upstream.url, None).chat(upstream.request, listener)
    assert (reply.text, listener.pieces) == ("Paris", ["Pa", "ris"])


@pytest.mark.parametrize("then", ["end", "cut"])
@pytest.mark.parametrize("end", [FINISH, DONE, FINISH + DONE])
async def test_an_answer_whose_end_was_told_is_whole_however_the_connection_ends(
    upstream: Upstream, client: aiohttp.ClientSession, end: bytes, then: str
) -> None:
    assert await ask(upstream, client, delta("Pa"), delta("ris"), end, then=then) == ("Paris", ["Pa", "ris"])


@pytest.mark.parametrize("then", ["end", "cut"])
@pytest.mark.parametrize("chunks", [[], [delta("Pa")], [delta("Pa"), FINISH[:-9]], [b": ping\n\n"]])
async def test_an_answer_without_an_end_was_cut_and_may_be_asked_for_again(
    upstream: Upstream, client: aiohttp.ClientSession, chunks: list[bytes], then: str
) -> None:
    error = await failure(upstream, client, *chunks, then=then)
    assert (error.reason, error.message) == ("bad_response", "the answer was cut")
    assert (error.transient, error.worked) == (True, True)


async def test_after_the_last_event_nobody_waits_for_the_connection(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    async with asyncio.timeout(5):
        assert (await ask(upstream, client, delta("Paris"), DONE, then="hold"))[0] == "Paris"
        await upstream.gone.wait()


async def test_a_connection_whose_body_ended_serves_the_next_call(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    ports = set()
    upstream.streams(delta("Paris"), FINISH, DONE)
    answer = upstream.handler

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        assert request.transport
        ports.add(request.transport.get_extra_info("peername"))
        assert answer
        return await answer(request)

    upstream.handler = handle
    for _ in range(3):
        await OpenAICompatible(client, upstream.url, None).chat(upstream.request, Listener())
    assert len(ports) == 1


async def test_who_does_not_wait_hangs_up_at_once(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    upstream.streams(delta("Pa"), then="hold")
    listener = Listener()
    call = asyncio.create_task(OpenAICompatible(client, upstream.url, None).chat(upstream.request, listener))
    async with asyncio.timeout(5):
        await listener.heard.wait()
    call.cancel()
    async with asyncio.timeout(1):
        await upstream.gone.wait()
    assert call.cancelled()


async def test_a_listener_that_fails_ends_the_call(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    def listen(_piece: str) -> None:
        raise ZeroDivisionError

    upstream.streams(delta("Pa"), then="hold")
    with pytest.raises(ZeroDivisionError):
        await OpenAICompatible(client, upstream.url, None).chat(upstream.request, listen)
    async with asyncio.timeout(1):
        await upstream.gone.wait()


@pytest.mark.parametrize(
    "chunk", [b"data: " + b"x" * 65536, b"x" * 65536, b"data: x\n" * 8192, b": ping\n\n" * 8192, delta("") * 1024]
)
async def test_a_stream_that_never_ends_is_bounded(
    upstream: Upstream, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch, chunk: bytes
) -> None:
    monkeypatch.setattr(http, "MAX_RESPONSE_BYTES", 1 << 20)
    monkeypatch.setattr(http, "MAX_STREAM_BYTES", 2 << 20)
    error = await failure(upstream, client, *[chunk] * 64, then="hold")
    assert (error.reason, error.transient, error.worked) == ("too_large", False, True)
    async with asyncio.timeout(1):
        await upstream.gone.wait()


async def test_a_text_without_end_is_bounded(
    upstream: Upstream, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("executor.providers.pieces._MAX_TEXT", 100)
    assert (await failure(upstream, client, *[delta("x" * 60)] * 2)).reason == "too_large"


async def test_a_compressed_stream_is_read(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    body = gzip.compress(delta("Paris") + DONE)

    async def handle(_request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body, headers={"content-type": "text/event-stream", "content-encoding": "gzip"})

    upstream.handler = handle
    assert (await OpenAICompatible(client, upstream.url, None).chat(upstream.request, Listener())).text == "Paris"


@pytest.mark.parametrize(
    "content_type", ["text/event-stream; charset=utf-8", "Text/Event-Stream", " text/event-stream "]
)
async def test_a_stream_is_one_by_its_content_type(
    upstream: Upstream, client: aiohttp.ClientSession, content_type: str
) -> None:
    assert (await ask(upstream, client, delta("Paris"), DONE, content_type=content_type))[0] == "Paris"


@pytest.mark.parametrize("content_type", ["text/plain", "text/html", "application/json", "application/octet-stream"])
async def test_events_under_another_name_are_no_answer(
    upstream: Upstream, client: aiohttp.ClientSession, content_type: str
) -> None:
    error = await failure(upstream, client, delta("Paris"), DONE, content_type=content_type)
    assert (error.reason, error.transient, error.worked) == ("bad_response", False, True)


@pytest.mark.parametrize(("status", "reason"), [(429, "rate_limited"), (404, "rejected"), (503, "unavailable")])
async def test_a_status_means_the_same_to_who_asked_for_pieces(
    upstream: Upstream, client: aiohttp.ClientSession, status: int, reason: str
) -> None:
    upstream.answers({"error": {"message": upstream.key}}, status)
    with pytest.raises(CallError) as caught:
        await OpenAICompatible(client, upstream.url, None).chat(upstream.request, Listener())
    assert caught.value.reason == reason
