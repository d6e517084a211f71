"""One POST to a provider: every way in which HTTP can go wrong ends as a typed CallError, in our words."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from executor.chat import CallError
from executor.providers.http import MAX_RESPONSE_BYTES
from executor.providers.openai import OpenAICompatible

if TYPE_CHECKING:
    import aiohttp

    from executor.providers.conftest import Upstream

GOOD: Any = {"choices": [{"message": {"content": "Paris"}, "finish_reason": "stop"}]}
BYTES = json.dumps(GOOD).encode()


async def failure(upstream: Upstream, client: aiohttp.ClientSession, url: str | None = None) -> CallError:
    """Ask once and return the CallError; neither it nor its text may carry what the provider wrote."""
    provider = OpenAICompatible(client, url or upstream.url, upstream.key)
    with pytest.raises(CallError) as caught:
        await provider.chat(upstream.request)
    assert upstream.key not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize(
    ("status", "reason", "transient"),
    [
        (101, "unavailable", True),
        (201, "unavailable", True),
        (204, "unavailable", True),
        (400, "rejected", False),
        (401, "rejected", False),
        (403, "rejected", False),
        (404, "rejected", False),
        (408, "unavailable", True),
        (413, "rejected", False),
        (422, "rejected", False),
        (425, "unavailable", True),
        (429, "rate_limited", True),
        (500, "unavailable", True),
        (502, "unavailable", True),
        (503, "unavailable", True),
        (529, "unavailable", True),
        (999, "unavailable", True),
    ],
)
async def test_a_status_other_than_200_says_whether_to_try_again(
    upstream: Upstream, client: aiohttp.ClientSession, status: int, reason: str, transient: bool
) -> None:
    upstream.answers(GOOD, status)
    error = await failure(upstream, client)
    assert (error.reason, error.transient, error.worked) == (reason, transient, False)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(upstream: Upstream, client: aiohttp.ClientSession, status: int) -> None:
    upstream.answers(GOOD, status, {"location": upstream.url + "/internal"})
    error = await failure(upstream, client)
    assert (error.reason, error.transient) == ("bad_response", False)
    assert [seen.path for seen in upstream.seen] == ["/chat/completions"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"<html>",
        BYTES[:-5],
        b'"\xff"',
        BYTES[:-1] + b', "n": NaN}',
        BYTES[:-1] + b', "n": -Infinity}',
        b"9" * 6000,
        b"[" * 200_000,
        b'{"a":' * 200_000,
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_what_is_no_usable_json_is_a_bad_response(
    upstream: Upstream, client: aiohttp.ClientSession, body: bytes
) -> None:
    upstream.answers(body)
    error = await failure(upstream, client)
    assert (error.reason, error.transient, error.worked) == ("bad_response", False, True)


async def test_the_content_type_does_not_matter_when_the_body_is_right(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    upstream.answers(BYTES, headers={"content-type": "text/html; charset=utf-99"})
    reply = await OpenAICompatible(client, upstream.url, None).chat(upstream.request)
    assert reply.text == "Paris"


def _http(body: bytes, headers: bytes = b"", length: int | None = None) -> bytes:
    size = len(body) if length is None else length
    return b"HTTP/1.1 200 OK\r\n%scontent-length: %d\r\n\r\n%s" % (headers, size, body)


@pytest.mark.parametrize(
    ("raw", "reason", "transient"),
    [
        (b"", "unavailable", True),
        (b"HTTP/1.1 200 OK\r\n", "unavailable", True),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "unavailable", True),
        (_http(BYTES, length=len(BYTES) + 9), "bad_response", True),
        (_http(b"no gzip", b"content-encoding: gzip\r\n"), "bad_response", True),
        (_http(gzip.compress(BYTES)[:-12], b"content-encoding: gzip\r\n"), "bad_response", False),
        (_http(BYTES, b"content-encoding: br\r\n"), "bad_response", False),
        (_http(BYTES, b"transfer-encoding: chunked\r\n"), "bad_response", False),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nZZ\r\n", "bad_response", False),
        (b"HTTP/1.1 200 OK\r\nx: " + b"y" * 100_000 + b"\r\n\r\n", "bad_response", False),
        (b"HTTP/1.1 200 OK\r\nx: a\x00b\r\n\r\n", "bad_response", False),
        (b"SSH-2.0-OpenSSH_9.9\r\n\r\n", "bad_response", False),
    ],
    ids=lambda value: repr(value[-30:]) if isinstance(value, bytes) else "",
)
async def test_what_is_no_whole_http_answer_is_typed(
    upstream: Upstream, client: aiohttp.ClientSession, raw: bytes, reason: str, transient: bool
) -> None:
    upstream.writes(raw)
    error = await failure(upstream, client)
    assert (error.reason, error.transient, error.worked) == (reason, transient, True)


async def test_a_connection_that_is_reset_in_the_middle_of_an_answer_may_be_tried_again(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    upstream.writes(_http(BYTES, length=10**6), abort=True)
    error = await failure(upstream, client)
    assert error.transient
    assert error.worked


async def test_who_can_not_be_reached_has_not_worked(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    error = await failure(upstream, client, "http://127.0.0.1:1")
    assert (error.reason, error.transient, error.worked) == ("unavailable", True, False)


async def test_an_answer_over_the_limit_is_not_read_to_its_end(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    upstream.answers(b" " * (MAX_RESPONSE_BYTES + (2 << 20)))
    error = await failure(upstream, client)
    assert (error.reason, error.transient, error.worked) == ("too_large", False, True)


async def test_an_answer_of_exactly_the_limit_is_read(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    upstream.answers(BYTES.ljust(MAX_RESPONSE_BYTES))
    reply = await OpenAICompatible(client, upstream.url, None).chat(upstream.request)
    assert reply.text == "Paris"


async def test_a_gzip_bomb_takes_little_memory(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    packer, megabyte = zlib.compressobj(9, zlib.DEFLATED, 31), b" " * (1 << 20)
    bomb = b"".join(packer.compress(megabyte) for _ in range(128)) + packer.flush()
    upstream.answers(bomb, headers={"content-encoding": "gzip"})
    tracemalloc.start()
    error = await failure(upstream, client)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.reason == "too_large"
    assert peak < 4 * MAX_RESPONSE_BYTES


@pytest.mark.parametrize("status", [200, 401, 500])
async def test_a_provider_that_echoes_our_key_is_not_quoted(
    upstream: Upstream, client: aiohttp.ClientSession, status: int
) -> None:
    upstream.answers({"error": {"message": f"bad key: Bearer {upstream.key}"}}, status, {"x-key": upstream.key})
    error = await failure(upstream, client)
    assert upstream.seen[0].headers["authorization"] == f"Bearer {upstream.key}"
    assert upstream.key not in f"{error!r} {error.__cause__!r}"


async def test_cookies_of_a_provider_are_not_kept(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    upstream.answers(GOOD, headers={"set-cookie": "session=1"})
    provider = OpenAICompatible(client, upstream.url.replace("127.0.0.1", "localhost"), None)
    await provider.chat(upstream.request)
    await provider.chat(upstream.request)
    assert "cookie" not in upstream.seen[1].headers


async def test_a_proxy_of_the_environment_is_not_used(
    upstream: Upstream, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    upstream.answers(GOOD)
    assert (await OpenAICompatible(client, upstream.url, None).chat(upstream.request)).text == "Paris"


async def test_many_calls_run_at_once(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    everybody = asyncio.Barrier(120)

    async def handle(_request: web.BaseRequest) -> web.StreamResponse:
        await everybody.wait()
        return web.json_response(GOOD)

    upstream.handler = handle
    provider = OpenAICompatible(client, upstream.url, None)
    async with asyncio.timeout(20):
        replies = await asyncio.gather(*(provider.chat(upstream.request) for _ in range(120)))
    assert {reply.text for reply in replies} == {"Paris"}
