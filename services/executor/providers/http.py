"""One POST of JSON to a provider, answered whole or in pieces: bounded, without redirects, every failure typed."""

from __future__ import annotations

import asyncio
import ipaddress
import json
import socket
from contextlib import suppress
from enum import Enum, auto
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import aiohttp

from executor.chat import CallError
from executor.providers.refusals import cut, refused
from executor.providers.sse import EventStream

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from aiohttp.abc import ResolveResult

    from executor.providers.sse import Event

T = TypeVar("T")

_AWS_METADATA: Final = ipaddress.IPv6Address("fd00:ec2::254")
#: Bytes of one response, decompressed; of a response in pieces, bytes of one event.
MAX_RESPONSE_BYTES: Final = 8 << 20
#: Bytes of all events of one response, decompressed: 32768 tokens, each in an event of 2 KiB.
MAX_STREAM_BYTES: Final = 64 << 20
#: Seconds that the end of a body may lag behind the end of the answer, before its connection is given up.
_END_S: Final = 0.05
#: Seconds that the figures of an answer and its last event may lag behind the end of its text.
_FIGURES_S: Final = 1.0

_OK: Final = 200


class Heard(Enum):
    """How much of an answer is there, now that an event was taken."""

    #: It goes on.
    PART = auto()
    #: The end of its text was told. Usage and the last event may follow; some servers send neither, nor an end.
    TEXT = auto()
    #: That was its last event.
    ALL = auto()


class _Resolver(aiohttp.ThreadedResolver):
    """Resolves names, but never to the link-local addresses where clouds keep their metadata services."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await super().resolve(host, port, family)
        if any(is_metadata_address(entry["host"]) for entry in found):
            raise OSError("a provider's name resolves to a link-local address")
        return found


def is_metadata_address(host: str) -> bool:
    """Tell whether an address, in any form that a resolver reads as one, is a cloud's metadata service."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        try:
            address = ipaddress.IPv4Address(socket.inet_aton(host))
        except OSError:
            return False
    mapped = getattr(address, "ipv4_mapped", None) or address
    return bool(mapped.is_link_local) or mapped == _AWS_METADATA


def session(connector: aiohttp.BaseConnector | None = None) -> aiohttp.ClientSession:
    """Open a session for calls to providers: no proxy from the environment, no cookies, no time-out of its own."""
    return aiohttp.ClientSession(
        connector=connector or aiohttp.TCPConnector(limit=0, keepalive_timeout=60, resolver=_Resolver()),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=10),
        cookie_jar=aiohttp.DummyCookieJar(),
        trust_env=False,
    )


async def post_json(
    client: aiohttp.ClientSession, url: str, headers: Mapping[str, str], body: Mapping[str, Any]
) -> Any:
    """Post `body` and return the decoded answer.

    Raises:
        CallError: the answer is none, none of ours to use, or too large.
    """
    return decode(await _post(client, url, headers, body, _read))


async def post_for_events(
    client: aiohttp.ClientSession,
    url: str,
    headers: Mapping[str, str],
    body: Mapping[str, Any],
    take: Callable[[Event], Heard],
) -> bytes | None:
    """Post `body`, which asks for an event stream, and give each event to `take` as it arrives.

    Args:
        client: the session.
        url: where to.
        headers: of the request.
        body: of the request.
        take: tells how much of the answer is there. The stream may also end, or break, before all of it is: who takes
            the events knows whether something is missing.

    Returns:
        The body of an answer that came as a whole instead; None after events.

    Raises:
        CallError: there was no answer, none of ours to use, or one that is too large; or `take` raised it.
    """

    async def read(response: aiohttp.ClientResponse) -> bytes | None:
        kind = response.headers.get("content-type", "").partition(";")[0]
        if kind.strip().lower() != "text/event-stream":
            return await _read(response)
        await _read_events(response, take)
        return None

    return await _post(client, url, headers, body, read)


async def _post(
    client: aiohttp.ClientSession,
    url: str,
    headers: Mapping[str, str],
    body: Mapping[str, Any],
    read: Callable[[aiohttp.ClientResponse], Awaitable[T]],
) -> T:
    # Whatever ends this block, also a cancellation, closes the connection at once unless the body was read to its end.
    try:
        async with client.post(url, headers=headers, json=body, allow_redirects=False) as response:
            if response.status != _OK:
                raise await refused(response)
            return await read(response)
    except aiohttp.ClientConnectionError as error:
        if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and not isinstance(
            error, aiohttp.ClientConnectorError
        ):
            raise CallError(
                "unavailable", "the connection broke before an answer came", transient=True, worked=True
            ) from error
        raise CallError("unavailable", "the provider can't be reached", transient=True) from error
    except aiohttp.ClientPayloadError as error:
        raise cut() from error
    except aiohttp.ClientError as error:
        raise CallError("bad_response", "the provider does not speak HTTP as expected", worked=True) from error


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            response.close()
            raise CallError("too_large", f"the answer has more than {MAX_RESPONSE_BYTES} bytes", worked=True)
    return bytes(body)


async def _read_events(response: aiohttp.ClientResponse, take: Callable[[Event], Heard]) -> None:
    events, size = EventStream(MAX_RESPONSE_BYTES), 0
    with suppress(aiohttp.ClientPayloadError, aiohttp.ClientConnectionError, TimeoutError):
        async with asyncio.timeout(None) as patience:
            async for chunk in response.content.iter_any():
                for event in events.feed(chunk):
                    heard = take(event)
                    if heard is Heard.ALL:
                        await _read_end(response)
                        return
                    if heard is Heard.TEXT and patience.when() is None:
                        patience.reschedule(asyncio.get_running_loop().time() + _FIGURES_S)
                size += len(chunk)
                if size > MAX_STREAM_BYTES:
                    raise CallError("too_large", f"the answer has more than {MAX_STREAM_BYTES} bytes", worked=True)


async def _read_end(response: aiohttp.ClientResponse) -> None:
    """Wait a moment for the body to end too, so that its connection can serve another call."""
    with suppress(TimeoutError):
        async with asyncio.timeout(_END_S):
            async for _ in response.content.iter_any():
                pass


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


#: Made once: `json.loads` makes one a call as soon as it is told what to do with constants.
_DECODER: Final = json.JSONDecoder(parse_constant=_no_constant)


def decode(body: bytes) -> Any:
    """Return the JSON of an answer, or of one of its events.

    Raises:
        CallError: it is none.
    """
    try:
        return _DECODER.decode(body.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CallError("bad_response", "the answer is not JSON", worked=True) from error
