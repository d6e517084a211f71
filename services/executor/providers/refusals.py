"""What a provider means by an error: statuses, pauses and error objects, typed; its words are never passed on."""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from email.utils import parsedate_to_datetime
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from executor.chat import CallError

if TYPE_CHECKING:
    from collections.abc import Mapping

_REDIRECTS: Final = range(300, 400)
_CLIENT_ERRORS: Final = range(400, 500)
_SERVER_ERRORS: Final = range(500, 600)
_RATE_LIMITED: Final = 429
#: Request timeout and too early: the provider's or the network's fault, although in the 400s.
_TRANSIENT_CLIENT_ERRORS: Final = frozenset({408, 425})

#: How much of an error's body is read, and for how long it is waited for, in seconds.
_BODY_BYTES: Final = 16 << 10
_BODY_S: Final = 1.0

#: An error's `type`, `code` or `status` that means: nobody has paid. OpenAI sends these with 429, but a pause mends
#: nothing: https://platform.openai.com/docs/guides/error-codes
_UNPAID: Final = frozenset({"insufficient_quota", "billing_not_active", "billing_hard_limit_reached"})
#: … too many calls: OpenAI, Anthropic, Google, Mistral.
_TOO_MANY: Final = frozenset(
    {"rate_limit_exceeded", "rate_limit_error", "resource_exhausted", "rate_limited", "service_tier_capacity_exceeded"}
)
#: … the provider's own trouble.
_TROUBLE: Final = frozenset(
    {"overloaded_error", "overloaded", "api_error", "server_error", "internal_server_error", "service_unavailable"}
    | {"timeout_error", "unavailable", "internal", "deadline_exceeded"}
)


async def refused(response: aiohttp.ClientResponse) -> CallError:
    """Return the error that a status other than 200 means."""
    status, after = response.status, pause(response.headers)
    if status == _RATE_LIMITED:
        if _marks(await _error_object(response)) & _UNPAID:
            return CallError("rejected", "the provider's quota of this key is used up")
        return CallError("rate_limited", "the provider's rate limit is reached", transient=True, retry_after_s=after)
    if status in _REDIRECTS:
        return CallError("bad_response", "the provider redirects, which is not followed")
    if status in _CLIENT_ERRORS and status not in _TRANSIENT_CLIENT_ERRORS:
        return CallError("rejected", f"the provider refused the call with status {status}")
    # Not 503 alone may ask for a pause (RFC 9110, 10.2.3): Anthropic's 529 means overload too, and gateways have more.
    return CallError("unavailable", f"the provider failed with status {status}", transient=True, retry_after_s=after)


def error_of(name: bytes, event: Any) -> CallError | None:
    """Return the error that an event of a stream tells; None when it is none.

    Args:
        name: the event's.
        event: its decoded data. `{"error": {…}}` is everybody's form; Mistral's object itself is the error.
    """
    error = event.get("error") if isinstance(event, dict) else None
    if not error:
        if name != b"error" and not (isinstance(event, dict) and event.get("object") == "error"):
            return None
        error = event
    marks = _marks(error)
    statuses = {int(mark) for mark in marks if mark.isdecimal()}
    if marks & _UNPAID:
        return CallError("rejected", "the provider's quota of this key is used up", worked=True)
    if marks & _TOO_MANY or _RATE_LIMITED in statuses:
        return CallError("rate_limited", "the provider's rate limit is reached", transient=True, worked=True)
    if marks & _TROUBLE or any(status in _SERVER_ERRORS for status in statuses):
        return CallError("unavailable", "the provider failed while it answered", transient=True, worked=True)
    return CallError("bad_response", "the provider broke the answer off with an error", worked=True)


def cut() -> CallError:
    """Return the error of an answer that the provider did not bring to its end."""
    return CallError("bad_response", "the answer was cut", transient=True, worked=True)


def pause(headers: Mapping[str, str]) -> float | None:
    """Return the seconds that a response asks to wait, at least 0; None when it does not say.

    Reads `retry-after-ms`, then `Retry-After` (RFC 9110, 10.2.3) in both its forms; a date counts from the response's
    own `Date`, so that the two clocks need not agree.
    """
    with suppress(ValueError):
        milliseconds = float(headers.get("retry-after-ms", ""))
        if 0 <= milliseconds < float("inf"):
            return milliseconds / 1000
    value = headers.get("retry-after")
    if not value:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        wait = parsedate_to_datetime(value) - parsedate_to_datetime(headers.get("date", ""))
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    return max(0.0, wait.total_seconds())


def _marks(error: object) -> frozenset[str]:
    """Return what an error object calls itself, in lower case."""
    if not isinstance(error, dict):
        return frozenset()
    told = (error.get(key) for key in ("type", "code", "status"))
    return frozenset(str(value).lower() for value in told if isinstance(value, str | int))


async def _error_object(response: aiohttp.ClientResponse) -> object:
    """Return `error` of a small JSON body; None when there is none, or it does not come."""
    body = bytearray()
    with suppress(TimeoutError, aiohttp.ClientError):
        async with asyncio.timeout(_BODY_S):
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > _BODY_BYTES:
                    return None
    with suppress(ValueError, RecursionError, KeyError, TypeError):
        error: object = json.loads(body)["error"]
        return error
    return None
