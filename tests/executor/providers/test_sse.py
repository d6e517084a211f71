"""Server-Sent Events: the standard's own examples, and that it does not matter how bytes are cut into chunks."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from executor.chat import CallError
from executor.providers.sse import Event, EventStream

LIMIT = 64


def events(*chunks: bytes) -> list[tuple[bytes, bytes]]:
    stream = EventStream(LIMIT)
    return [tuple(event) for chunk in chunks for event in stream.feed(chunk)]  # type: ignore[misc]


def cut(body: bytes, places: list[int]) -> list[bytes]:
    bounds = sorted({0, len(body), *(place % (len(body) + 1) for place in places)})
    return [body[start:end] for start, end in pairwise(bounds)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", []),
        (b"\n\n\r\r\r\n\r\n", []),
        (b"data: x\n\n", [(b"", b"x")]),
        (b"data: x\r\rdata:y\r\n\r\n", [(b"", b"x"), (b"", b"y")]),
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", [(b"", b"YHOO\n+2\n10")]),
        (b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event",
         [(b"", b"first event"), (b"", b"second event")]),
        (b"data\n\ndata\ndata\n\ndata:", [(b"", b""), (b"", b"\n")]),
        (b"data:test\n\ndata: test\n\n", [(b"", b"test"), (b"", b"test")]),
        (b"data:   two spaces stay\n\n", [(b"", b"  two spaces stay")]),
        (b"event: ping\ndata: {}\n\ndata: x\n\n", [(b"ping", b"{}"), (b"", b"x")]),
        (b"event: nothing\n\ndata: x\n\n", [(b"", b"x")]),
        (b"event: a\nevent\ndata: x\n\n", [(b"", b"x")]),
        (b"retry: 10\nDATA: x\n data: x\ndata : x\nx\n\n", []),
        (b"\xef\xbb\xbfdata: x\n\n\xef\xbb\xbfdata: y\n\n", [(b"", b"x")]),
        (b"data: a\x0bb\x0cc\x1cd\xc2\x85e\xe2\x80\xa8f\n\n", [(b"", b"a\x0bb\x0cc\x1cd\xc2\x85e\xe2\x80\xa8f")]),
        (b"data: \xff\x00\n\n", [(b"", b"\xff\x00")]),
        (b"data: x\n", []),
    ],
)  # fmt: skip
def test_events_are_read_as_the_standard_says(body: bytes, expected: list[tuple[bytes, bytes]]) -> None:
    assert events(body) == expected
    assert events(*(body[place : place + 1] for place in range(len(body)))) == expected


@pytest.mark.parametrize("end", [b"\n", b"\r", b"\r\n"])
def test_an_event_is_there_as_soon_as_its_empty_line_is(end: bytes) -> None:
    stream = EventStream(LIMIT)
    assert not list(stream.feed(b"data: x" + end))
    assert list(stream.feed(end)) == [Event(b"", b"x")]


LINES = [b"data: {}", b"data:\xc3\xa9", b"data", b"event: error", b": ping", b"", b"", b"\xff", b": " + b"x" * LIMIT]


@given(
    lines=st.lists(st.sampled_from(LINES)),
    end=st.sampled_from([b"\n", b"\r", b"\r\n"]),
    places=st.lists(st.integers(0, 10_000)),
)
def test_it_does_not_matter_how_lines_end_nor_how_a_stream_is_cut(
    lines: list[bytes], end: bytes, places: list[int]
) -> None:
    def outcome(chunks: list[bytes]) -> list[tuple[bytes, bytes]] | str:
        try:
            return events(*chunks)
        except CallError as error:
            return error.reason

    body = b"".join(line + end for line in lines)
    assert outcome(cut(body, places)) == outcome([b"".join(line + b"\n" for line in lines)])


@given(chunks=st.lists(st.binary(max_size=40)))
def test_any_bytes_are_events_or_too_large(chunks: list[bytes]) -> None:
    try:
        assert all(len(data) <= LIMIT for _, data in events(*chunks))
    except CallError as error:
        assert error.reason == "too_large"  # noqa: PT017 - it need not be raised


@pytest.mark.parametrize(
    "chunks",
    [
        [b"data: " + b"x" * LIMIT],
        [b"x"] * (LIMIT + 1),
        [b"data: x\n"] * (LIMIT // 7 + 1),
        [b": " + b"x" * LIMIT],
        [b"data: " + b"x" * LIMIT + b"\n\n"],
    ],
)
def test_a_line_or_event_over_the_limit_is_too_large(chunks: list[bytes]) -> None:
    with pytest.raises(CallError) as caught:
        events(*chunks)
    assert (caught.value.reason, caught.value.transient, caught.value.worked) == ("too_large", False, True)


def test_many_small_events_are_not_too_large() -> None:
    assert len(events(*[b"data: x\n\n"] * 100)) == 100
