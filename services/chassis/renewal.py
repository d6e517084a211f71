"""A channel that shows the certificate of today: connections keep theirs, so a new one means a new channel."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final, Self

import grpc

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

    from chassis.certificates import Certificates, Material

#: Seconds that calls get to finish on a channel that was replaced.
_GRACE_S: Final = 120.0


class RenewedChannel(grpc.aio.Channel):
    """Stands for the newest of several channels, one a certificate. Calls that are running stay on theirs."""

    def __init__(self, certificates: Certificates, connect: Callable[[Material], grpc.aio.Channel]) -> None:
        """Make a channel; `connect` opens one with what the files hold."""
        self._certificates = certificates
        self._connect = connect
        self._material = certificates.current()
        self._channel = connect(self._material)
        self._leaving: set[asyncio.Task[None]] = set()

    def current(self) -> grpc.aio.Channel:
        """Return the channel for a call that begins now."""
        material = self._certificates.current()
        if material is not self._material:
            leaving = asyncio.create_task(self._channel.close(_GRACE_S))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)
            self._material, self._channel = material, self._connect(material)
        return self._channel

    def unary_unary(self, *method: Any, **registered: Any) -> grpc.aio.UnaryUnaryMultiCallable[Any, Any]:
        """Return a method whose calls are made on the channel of their moment."""
        return _Method(self, lambda channel: channel.unary_unary(*method, **registered))

    def unary_stream(self, *_: Any, **__: Any) -> Any:
        """No service of ours streams to another."""
        raise NotImplementedError

    stream_unary = unary_stream
    stream_stream = unary_stream

    def get_state(self, try_to_connect: bool = False) -> grpc.ChannelConnectivity:
        """Return the newest channel's state."""
        return self.current().get_state(try_to_connect)

    async def wait_for_state_change(self, last_observed_state: grpc.ChannelConnectivity) -> None:
        """Wait on the newest channel."""
        await self.current().wait_for_state_change(last_observed_state)

    async def channel_ready(self) -> None:
        """Wait until the newest channel is connected."""
        await self.current().channel_ready()

    async def close(self, grace: float | None = None) -> None:
        """Close all of them."""
        for leaving in self._leaving:
            leaving.cancel()
        await asyncio.gather(*self._leaving, return_exceptions=True)
        await self._channel.close(grace)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.close()


class _Method(grpc.aio.UnaryUnaryMultiCallable[Any, Any]):
    """One method on whichever channel is the newest."""

    def __init__(
        self,
        channel: RenewedChannel,
        bind: Callable[[grpc.aio.Channel], grpc.aio.UnaryUnaryMultiCallable[Any, Any]],
    ) -> None:
        self._owner = channel
        self._bind = bind
        self._channel = channel.current()
        self._bound = bind(self._channel)

    def __call__(self, request: Any, **options: Any) -> grpc.aio.UnaryUnaryCall[Any, Any]:
        channel = self._owner.current()
        if channel is not self._channel:
            self._channel, self._bound = channel, self._bind(channel)
        return self._bound(request, **options)
