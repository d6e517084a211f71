"""One POST of JSON to a provider: bounded, without redirects, every failure typed."""

from __future__ import annotations

import ipaddress
import json
import socket
from typing import TYPE_CHECKING, Any, Final, NoReturn

import aiohttp

from executor.chat import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aiohttp.abc import ResolveResult

_AWS_METADATA: Final = ipaddress.IPv6Address("fd00:ec2::254")
#: Bytes of one response, decompressed.
MAX_RESPONSE_BYTES: Final = 8 << 20

_OK: Final = 200
_REDIRECTS: Final = range(300, 400)
_CLIENT_ERRORS: Final = range(400, 500)
_RATE_LIMITED: Final = 429
#: Request timeout and too early: the provider's or the network's fault, although in the 400s.
_TRANSIENT_CLIENT_ERRORS: Final = frozenset({408, 425})


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
    try:
        async with client.post(url, headers=headers, json=body, allow_redirects=False) as response:
            if response.status != _OK:
                _refuse(response)
            return _decode(await _read(response))
    except aiohttp.ClientConnectionError as error:
        if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientOSError) and not isinstance(
            error, aiohttp.ClientConnectorError
        ):
            raise CallError(
                "unavailable", "the connection broke before an answer came", transient=True, worked=True
            ) from error
        raise CallError("unavailable", "the provider can't be reached", transient=True) from error
    except aiohttp.ClientPayloadError as error:
        raise CallError("bad_response", "the answer was cut", transient=True, worked=True) from error
    except aiohttp.ClientError as error:
        raise CallError("bad_response", "the provider does not speak HTTP as expected", worked=True) from error


def _refuse(response: aiohttp.ClientResponse) -> NoReturn:
    status = response.status
    if status == _RATE_LIMITED:
        raise CallError(
            "rate_limited",
            "the provider's rate limit is reached",
            transient=True,
            retry_after_s=_seconds(response.headers.get("retry-after")),
        )
    if status in _REDIRECTS:
        raise CallError("bad_response", "the provider redirects, which is not followed")
    if status in _CLIENT_ERRORS and status not in _TRANSIENT_CLIENT_ERRORS:
        raise CallError("rejected", f"the provider refused the call with status {status}")
    raise CallError("unavailable", f"the provider failed with status {status}", transient=True)


def _seconds(value: str | None) -> float | None:
    """Read a Retry-After in seconds; its date form counts as none."""
    try:
        return max(0.0, float(value)) if value else None
    except ValueError:
        return None


async def _read(response: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_RESPONSE_BYTES:
            response.close()
            raise CallError("too_large", f"the answer has more than {MAX_RESPONSE_BYTES} bytes", worked=True)
    return bytes(body)


def _no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _decode(body: bytes) -> Any:
    try:
        return json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise CallError("bad_response", "the answer is not JSON", worked=True) from error


def count(value: object) -> int | None:
    """Return a token count as a provider sent it, or None when it is no whole number."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None
