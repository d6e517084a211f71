"""Refusals: how long a rate limit asks to wait, and what else its status may mean."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from executor.chat import CallError
from executor.providers import refusals
from executor.providers.openai import OpenAICompatible
from executor.providers.refusals import pause

if TYPE_CHECKING:
    import aiohttp

    from executor.providers.conftest import Upstream


async def failure(upstream: Upstream, client: aiohttp.ClientSession) -> CallError:
    with pytest.raises(CallError) as caught:
        await OpenAICompatible(client, upstream.url, upstream.key).chat(upstream.request)
    assert upstream.key not in f"{caught.value!r} {caught.value.__cause__!r}"
    return caught.value


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "nan"}, 0.0),
        ({"retry-after": "1e400"}, float("inf")),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:07 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 7.0),
        ({"retry-after": "Wednesday, 21-Oct-26 07:28:07 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 7.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "Wed, 21 Oct 2026 07:28:07 GMT"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT", "date": "today"}, None),
        ({"retry-after": "Wed, 41 Oct 2026 07:28:00 GMT"}, None),
        ({"retry-after-ms": "250"}, 0.25),
        ({"retry-after-ms": "250", "retry-after": "1"}, 0.25),
        ({"retry-after-ms": "-1", "retry-after": "1"}, 1.0),
        ({"retry-after-ms": "nan", "retry-after": "1"}, 1.0),
        ({"retry-after-ms": "1e400"}, None),
        ({"retry-after-ms": "soon", "retry-after": "1"}, 1.0),
    ],
)
async def test_the_pause_that_a_rate_limit_asks_for_is_read_in_all_its_forms(
    upstream: Upstream, client: aiohttp.ClientSession, header: dict[str, str], seconds: float | None
) -> None:
    upstream.answers(b"", 429, header)
    assert (await failure(upstream, client)).retry_after_s == seconds


@pytest.mark.parametrize("status", [408, 425, 500, 502, 503, 504, 529])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:07 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, 7.0),
        ({"retry-after-ms": "250"}, 0.25),
    ],
    ids=["nothing", "seconds", "a date", "milliseconds"],
)
async def test_who_is_overloaded_may_ask_for_a_pause_too(
    upstream: Upstream, client: aiohttp.ClientSession, status: int, header: dict[str, str], seconds: float | None
) -> None:
    upstream.answers(b"", status, header)
    caught = await failure(upstream, client)
    assert (caught.reason, caught.transient, caught.retry_after_s) == ("unavailable", True, seconds)


@pytest.mark.parametrize("status", [302, 400, 401])
async def test_what_no_pause_mends_asks_for_none(
    upstream: Upstream, client: aiohttp.ClientSession, status: int
) -> None:
    upstream.answers(b"", status, {"retry-after": "7"})
    assert (await failure(upstream, client)).retry_after_s is None


@given(st.dictionaries(st.sampled_from(["retry-after-ms", "retry-after", "date"]), st.text(max_size=40)))
@example({"retry-after": "Wed, 21 Oct 2026 07:28:07 -0000", "date": "Wed, 21 Oct 2026 07:28:07 +0100"})
@example({"retry-after": "Wed, 21 Oct 99999 07:28:07 GMT", "date": "Wed, 21 Oct 2026 07:28:07 GMT"})
def test_a_pause_is_never_negative_whatever_asks_for_it(headers: dict[str, str]) -> None:
    seconds = pause(headers)
    assert seconds is None or seconds >= 0


@pytest.mark.parametrize("code", ["insufficient_quota", "billing_not_active"])
@pytest.mark.parametrize("field", ["type", "code"])
async def test_a_quota_that_is_used_up_is_no_rate_limit_although_its_status_says_so(
    upstream: Upstream, client: aiohttp.ClientSession, field: str, code: str
) -> None:
    error = {"message": f"You exceeded your quota, {upstream.key}", "type": None, "code": None, field: code}
    upstream.answers({"error": error}, 429, {"retry-after": "1"})
    caught = await failure(upstream, client)
    assert (caught.reason, caught.transient, caught.worked) == ("rejected", False, False)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b'{"error": 7}',
        b'{"error": {"code": ["insufficient_quota"]}}',
        b'{"error": {"code": 429}}',
        b"[" * 10_000,
        b'{"error": {"code": "insufficient_quota"}}'.ljust(1 << 20),
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_every_other_429_is_a_rate_limit(upstream: Upstream, client: aiohttp.ClientSession, body: bytes) -> None:
    upstream.answers(body, 429, {"retry-after": "1"})
    caught = await failure(upstream, client)
    assert (caught.reason, caught.transient, caught.retry_after_s) == ("rate_limited", True, 1.0)


async def test_the_words_of_an_error_are_not_waited_for(
    upstream: Upstream, client: aiohttp.ClientSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "_BODY_S", 0.1)
    upstream.writes(b"HTTP/1.1 429 Slow\r\ncontent-length: 100\r\nretry-after: 1\r\n\r\n{", hold=True)
    async with asyncio.timeout(5):
        caught = await failure(upstream, client)
    assert (caught.reason, caught.retry_after_s) == ("rate_limited", 1.0)
