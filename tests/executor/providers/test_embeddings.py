"""Vectors of texts: what is sent, what is kept, and every way in which an answer can be of no use."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from executor.chat import CallError
from executor.providers import embeddings
from executor.providers.embeddings import MOST_CHARACTERS, Embeddings
from executor.providers.http import MAX_RESPONSE_BYTES

if TYPE_CHECKING:
    import aiohttp

    from executor.providers.conftest import Upstream


def listed(*vectors: Any) -> Any:
    return {"data": [{"index": index, "embedding": vector} for index, vector in enumerate(vectors)]}


@pytest.fixture
def made(upstream: Upstream, client: aiohttp.ClientSession) -> Embeddings:
    """The client of a server that makes of each text its length and a one."""

    async def handle(_request: web.BaseRequest) -> web.StreamResponse:
        return web.json_response(listed(*([len(text), 1.0] for text in upstream.seen[-1].body["input"])))

    upstream.handler = handle
    return Embeddings(client, upstream.url + "/v1/", "bge", upstream.key)


async def failure(
    upstream: Upstream, client: aiohttp.ClientSession, count: int = 2, timeout_s: float = 10
) -> CallError:
    """Ask for vectors and return the CallError; its text may carry nothing of ours or the server's."""
    made = Embeddings(client, upstream.url, "bge", upstream.key, timeout_s)
    with pytest.raises(CallError) as caught:
        await made.embed([f"text {number}" for number in range(count)])
    assert upstream.key not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    return caught.value


async def test_the_body_has_exactly_the_fields_of_a_call(made: Embeddings, upstream: Upstream) -> None:
    assert await made.embed(["ab", "Ünïcode 😀"]) == [[2, 1], [9, 1]]
    (seen,) = upstream.seen
    assert seen.path == "/v1/embeddings"
    assert seen.headers["authorization"] == f"Bearer {upstream.key}"
    assert seen.body == {"model": "bge", "input": ["ab", "Ünïcode 😀"], "encoding_format": "float"}


async def test_without_a_key_no_authorization_is_sent(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    upstream.answers(listed([1.0]))
    await Embeddings(client, upstream.url, "bge", None).embed(["x"])
    assert "authorization" not in upstream.seen[0].headers


async def test_nothing_is_asked_for_nothing(made: Embeddings, upstream: Upstream) -> None:
    assert await made.embed([]) == []
    assert upstream.seen == []


async def test_a_text_is_sent_once_however_often_it_is_asked_for(made: Embeddings, upstream: Upstream) -> None:
    assert await made.embed(["a", "bb", "a"]) == [[1, 1], [2, 1], [1, 1]]
    assert await made.embed(["ccc", "a"]) == [[3, 1], [1, 1]]
    assert await made.embed(["bb"]) == [[2, 1]]
    assert [seen.body["input"] for seen in upstream.seen] == [["a", "bb"], ["ccc"]]


async def test_what_a_caller_does_with_a_vector_does_not_change_the_kept_one(made: Embeddings) -> None:
    (vector,) = await made.embed(["a"])
    vector[0] = 99
    assert await made.embed(["a"]) == [[1, 1]]


async def test_the_text_used_longest_ago_is_forgotten_first(
    made: Embeddings, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "KEPT", 2)
    await made.embed(["a", "bb"])
    await made.embed(["a"])
    await made.embed(["ccc"])
    assert len(made._kept) == 2
    upstream.seen.clear()
    await made.embed(["a", "ccc"])
    assert upstream.seen == []
    await made.embed(["bb"])
    assert len(upstream.seen) == 1


async def test_a_call_of_more_texts_than_are_kept_is_answered(
    made: Embeddings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embeddings, "KEPT", 2)
    assert await made.embed(["a", "bb", "ccc"]) == [[1, 1], [2, 1], [3, 1]]


async def test_a_very_long_text_stands_for_its_beginning(made: Embeddings, upstream: Upstream) -> None:
    assert await made.embed(["x" * 100_000, "x" * 50_000]) == [[MOST_CHARACTERS, 1]] * 2
    assert len(upstream.seen[0].body["input"]) == 1


async def test_vectors_are_put_in_order_by_their_index(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    upstream.answers({"data": [{"index": 1, "embedding": [1]}, {"index": 0, "embedding": [0]}]})
    assert await Embeddings(client, upstream.url, "bge", None).embed(["a", "b"]) == [[0.0], [1.0]]


@pytest.mark.parametrize(
    "answer",
    [
        {},
        [],
        7,
        {"error": {"message": "overloaded"}},
        {"data": None},
        {"data": {}},
        {"data": []},
        {"data": [None, None]},
        {"data": [{"embedding": [1.0]}, {"embedding": [1.0]}]},
        {"data": [{"index": 0, "embedding": [1.0]}, {"index": 0, "embedding": [2.0]}]},
        {"data": [{"index": 1, "embedding": [1.0]}, {"index": 2, "embedding": [2.0]}]},
        {"data": [{"index": [], "embedding": [1.0]}, {"index": 1, "embedding": [2.0]}]},
        listed([1.0]),
        listed([1.0], [1.0], [1.0]),
        listed([1.0], [1.0, 2.0]),
        listed([], []),
        listed([1.0], None),
        listed([1.0], "AACAPw=="),
        listed([1.0], {"0": 1.0}),
        listed([1.0], [None]),
        listed([1.0], ["1.0"]),
        listed([1.0], [True]),
        listed([1.0], [[1.0]]),
        listed([1.0], [10**400]),
        listed([1.0] * 8193, [1.0] * 8193),
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [NaN]}]}',
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1e999]}]}',
    ],
    ids=lambda answer: str(answer)[:60],
)
async def test_what_is_no_vector_for_each_text_is_a_bad_response(
    upstream: Upstream, client: aiohttp.ClientSession, answer: Any
) -> None:
    upstream.answers(answer)
    error = await failure(upstream, client)
    assert (error.reason, error.transient, error.worked) == ("bad_response", False, True)


@pytest.mark.parametrize(
    ("status", "reason", "transient"),
    [
        (302, "bad_response", False),
        (400, "rejected", False),
        (401, "rejected", False),
        (404, "rejected", False),
        (429, "rate_limited", True),
        (500, "unavailable", True),
        (503, "unavailable", True),
    ],
)
async def test_a_status_other_than_200_is_typed_as_for_a_chat(
    upstream: Upstream, client: aiohttp.ClientSession, status: int, reason: str, transient: bool
) -> None:
    upstream.answers(listed([1.0], [1.0]), status, {"location": upstream.url + "/elsewhere"})
    error = await failure(upstream, client)
    assert (error.reason, error.transient) == (reason, transient)
    assert [seen.path for seen in upstream.seen] == ["/embeddings"]


async def test_an_answer_over_the_limit_is_not_read_to_its_end(
    upstream: Upstream, client: aiohttp.ClientSession
) -> None:
    upstream.answers(b" " * (MAX_RESPONSE_BYTES + 1))
    assert (await failure(upstream, client)).reason == "too_large"


async def test_a_server_that_does_not_answer_is_given_up(upstream: Upstream, client: aiohttp.ClientSession) -> None:
    given_up = asyncio.Event()

    async def hang(_request: web.BaseRequest) -> web.StreamResponse:
        await given_up.wait()
        return web.Response()

    upstream.handler = hang
    error = await failure(upstream, client, timeout_s=0.05)
    given_up.set()
    assert (error.reason, error.transient, error.worked) == ("timeout", True, True)


async def test_who_can_not_be_reached_has_not_worked(client: aiohttp.ClientSession) -> None:
    with pytest.raises(CallError) as caught:
        await Embeddings(client, "http://127.0.0.1:1/v1", "bge", None).embed(["x"])
    assert (caught.value.reason, caught.value.transient, caught.value.worked) == ("unavailable", True, False)


async def test_a_failure_leaves_what_is_kept_and_keeps_nothing_new(made: Embeddings, upstream: Upstream) -> None:
    await made.embed(["a"])
    right = upstream.handler
    upstream.answers(b"", 500)
    with pytest.raises(CallError):
        await made.embed(["a", "bb"])
    upstream.seen.clear()
    assert await made.embed(["a"]) == [[1, 1]]
    assert upstream.seen == []
    upstream.handler = right
    assert await made.embed(["bb"]) == [[2, 1]]


async def test_a_server_whose_model_became_another_one_is_asked_anew(made: Embeddings, upstream: Upstream) -> None:
    await made.embed(["a"])
    upstream.answers(listed([1.0, 2.0, 3.0]))
    with pytest.raises(CallError) as caught:
        await made.embed(["a", "bb"])
    assert (caught.value.reason, caught.value.transient) == ("bad_response", True)
    assert await made.embed(["a"]) == [[1, 2, 3]]
