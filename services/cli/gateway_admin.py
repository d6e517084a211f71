"""A running gateway, by its admin interface: whether it is ready, and its graceful end."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import aiohttp

if TYPE_CHECKING:
    from cli.gateway import GatewaySettings

_READY_S: Final = 1.0
#: Executor, planner and proof.
_CLUSTERS: Final = 3
_POLL_S: Final = 0.02


async def is_ready(settings: GatewaySettings) -> bool:
    """Tell whether a gateway answers and has found all services healthy; until then its answer to a request is 503."""
    connector = aiohttp.UnixConnector(str(settings.admin_socket))
    try:
        async with (
            asyncio.timeout(_READY_S),
            aiohttp.ClientSession("http://admin", connector=connector) as admin,
            admin.get("/stats?filter=^cluster.(executor|planner|proof).membership_healthy$") as response,
        ):
            counts = (await response.text()).split("\n")
    except (TimeoutError, aiohttp.ClientError):
        return False
    return sum(line.rpartition(":")[2].strip() not in {"", "0"} for line in counts) == _CLUSTERS


async def drain(settings: GatewaySettings, timeout_s: float) -> bool:
    """Let a running gateway finish; then SIGTERM, which alone cuts requests off, ends it without harm.

    1. /healthz turns 503, and connections close after their next response.
    2. The listener closes: new connections are refused.
    3. Requests that are under way finish.

    Args:
        settings: those that the gateway was started with.
        timeout_s: seconds to wait for step 3.

    Returns:
        Whether all requests finished in time. False also when no gateway answers.
    """
    limit = asyncio.timeout(settings.stop_delay_s + timeout_s)
    connector = aiohttp.UnixConnector(str(settings.admin_socket))
    try:
        async with limit, aiohttp.ClientSession("http://admin", connector=connector) as admin:
            await (await admin.post("/healthcheck/fail")).read()
            await asyncio.sleep(settings.stop_delay_s)
            # Not `?graceful&skip_exit`, which leaves the listener open for good.
            await (await admin.post("/drain_listeners")).read()
            while await _active(admin):  # noqa: ASYNC110 - Envoy tells nobody when it is done
                await asyncio.sleep(_POLL_S)
    except (TimeoutError, aiohttp.ClientError):
        return False
    return True


async def _active(admin: aiohttp.ClientSession) -> int:
    """Return the number of requests that are under way."""
    async with admin.get("/stats?filter=^http.rest.downstream_rq_active$") as response:
        return int((await response.text()).rpartition(":")[2])
