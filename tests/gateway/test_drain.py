"""A gateway that is told to stop finishes what runs and takes nothing new."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from cli.gateway import GatewaySettings
from cli.gateway_admin import drain
from gateway import http2
from gateway.stack import ASK, KEY, soon
from openprysm.orchestration.v2 import orchestration_pb2

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.fakes import Context
    from gateway.stack import Stack, Start

pytestmark = pytest.mark.system


class Slow:
    """An executor that answers when it is told to."""

    def __init__(self, stack: Stack) -> None:
        self.started, self.release = asyncio.Event(), asyncio.Event()
        stack.executor.behaviour = self._work

    async def _work(self, _request: Any, _context: Context) -> Any:
        self.started.set()
        await self.release.wait()
        return orchestration_pb2.OrchestrateResponse(id="prysm-0")


async def _refuses(stack: Stack) -> bool:
    try:
        await stack.request("GET", "/healthz")
    except aiohttp.ClientConnectorError:
        return True
    return False


async def test_a_running_request_finishes_while_new_connections_are_refused(start: Start) -> None:
    async with start() as stack:
        slow = Slow(stack)
        headers = [("authorization", f"Bearer {KEY}")]
        async with http2.connect(stack.port) as connection:
            second = asyncio.create_task(connection.request(1, "POST", "/v2/orchestrate", headers, ASK))
            await soon(slow.started)
            slow.started.clear()
            first = asyncio.create_task(stack.orchestrate())
            await soon(slow.started)
            draining = asyncio.create_task(drain(stack.settings, 10))
            await stack.until(lambda: _refuses(stack))
            assert not draining.done()
            slow.release.set()
            assert ((await first).status, (await second).status) == (200, 200)
            assert await draining
        stack.process.send_signal(signal.SIGTERM)
        await asyncio.wait_for(stack.process.wait(), 5)
        assert stack.process.returncode == 0


async def test_health_turns_before_connections_are_refused(start: Start) -> None:
    async with start(stop_delay_s=0.5) as stack:
        begun = time.monotonic()
        draining = asyncio.create_task(drain(stack.settings, 10))

        async def unhealthy() -> bool:
            return (await stack.request("GET", "/healthz")).status == 503

        await stack.until(unhealthy)
        reply = await stack.request("GET", "/healthz")
        assert (reply.error, reply.headers["retry-after"]) == ("overloaded", "1")
        reply = await stack.orchestrate()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await draining
        assert time.monotonic() - begun >= 0.5
        assert await _refuses(stack)


async def test_a_request_that_does_not_end_is_not_waited_for_beyond_the_timeout(start: Start) -> None:
    async with start() as stack:
        slow = Slow(stack)
        client = asyncio.create_task(stack.orchestrate())
        await soon(slow.started)
        assert not await drain(stack.settings, 0.2)
        slow.release.set()
        assert (await client).status == 200


async def test_there_is_nothing_to_drain_without_a_gateway(tmp_path: Path) -> None:
    assert not await drain(GatewaySettings(run=tmp_path), 1)


async def test_a_second_gateway_on_the_same_port_does_not_start(start: Start) -> None:
    async with start() as stack:
        with pytest.raises(AssertionError, match="Address already in use"):
            async with start(port=stack.port):
                pass
