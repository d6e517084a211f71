"""A gRPC server's life: bind, health, reflection, serve, drain, stop."""

from __future__ import annotations

import asyncio
import gc
import signal
import sys
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import structlog
import uvloop
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from chassis import certificates, logs
from chassis.certificates import CertificatesError
from chassis.client import MAX_MESSAGE_BYTES
from chassis.config import private_folder
from chassis.interceptors import RpcInterceptor
from chassis.metrics import exports
from chassis.spans import Spans

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from chassis.config import Settings
    from chassis.identity import Keys
    from chassis.telemetry import Tracing

_SERVING = health_pb2.HealthCheckResponse.SERVING
_NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING

#: Seconds in which who watches health learns that it went down.
_LAST_WORD_S = 0.05
#: Seconds that a probe gets to be answered; none takes them.
_PROBES_GRACE_S = 1.0

#: Seconds for which a thread may keep the others waiting: spans are encoded in the background while requests run.
_SWITCH_S = 0.0005
#: Allocations between collections: a request makes few cycles, and many objects that look like the start of one.
_GC_THRESHOLDS = (50_000, 50, 100)
#: Calls that may wait for the event loop, by method, where nothing else is said: all of them.
_QUEUE = 100_000

_log = structlog.get_logger()


class StartError(Exception):
    """A service can't start; its text is one line for the operator."""


def run(name: str, settings: Settings, main: Callable[[], Coroutine[None, None, None]]) -> None:
    """Run a service's `main` on uvloop until it returns; a StartError is one line and exit status 1."""
    logs.configure(name, settings.log_level)
    sys.setswitchinterval(_SWITCH_S)
    gc.freeze()  # what is loaded by now stays; collections need not walk it
    gc.set_threshold(*_GC_THRESHOLDS)
    try:
        uvloop.run(main())
    except (StartError, CertificatesError, PermissionError) as error:
        print(f"{name}: {error}", file=sys.stderr)  # noqa: T201 - for the operator's eyes, not for a log
        sys.exit(1)


class _Health(health.aio.HealthServicer):
    """Health checks whose watches can be ended: a stream without an end would hold up the stop for all its grace."""

    def __init__(self) -> None:
        super().__init__()
        self._watches: set[asyncio.Task[None]] = set()
        self._ended = False

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: Any) -> None:  # noqa: N802
        """Send the status, and again whenever it changes."""
        watch = asyncio.create_task(super().Watch(request, context))
        self._watches.add(watch)
        try:
            await watch
        except asyncio.CancelledError:
            if not self._ended:
                raise
        finally:
            self._watches.discard(watch)

    def end_watches(self) -> None:
        """End all watches; call it when they have told all there is to tell."""
        self._ended = True
        for watch in self._watches:
            watch.cancel()


def _listen(server: grpc.aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> None:
    try:
        if credentials is None:
            server.add_insecure_port(address)
        else:
            server.add_secure_port(address, credentials)
    except (RuntimeError, OSError) as error:
        raise StartError(f"can't listen on {address}; is it taken?") from error


class Server:
    """One gRPC server, from binding to the last answered request.

    Use as: make it, register servicers on `grpc`, then `await serve(names)`.
    """

    def __init__(
        self,
        name: str,
        address: str,
        settings: Settings,
        tracing: Tracing,
        keys: Keys | None = None,
        protected: tuple[str, ...] = (),
        internal: tuple[str, ...] = (),
        queue: int = _QUEUE,
    ) -> None:
        """Make a server that does not listen yet.

        Args:
            name: of the service.
            address: where it will listen.
            settings: of the service.
            tracing: where spans go.
            keys: see RpcInterceptor.
            protected: likewise.
            internal: likewise.
            queue: calls of one method that may wait for the event loop to take them. gRPC refuses more than these at
                once, with CANCELLED, in its own thread: refusing costs a thirtieth of what taking the call would.
        """
        self._name = name
        self._address = address
        self._settings = settings
        self._tracing = tracing
        self._certificates = certificates.of(settings)
        self._checks = _Health()
        self._services: tuple[str, ...] = ()
        self._able = True
        self.spans = Spans(tracing)
        #: Where this process counts.
        self.meter = exports.meter(settings.metrics_listen)
        self.grpc = grpc.aio.server(
            interceptors=[RpcInterceptor(self.spans, keys, protected, internal, self.meter)],
            options=[
                ("grpc.so_reuseport", 0),
                ("grpc.server.max_pending_requests", queue),
                ("grpc.server.max_pending_requests_hard_limit", queue),
                ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
                ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
                ("grpc.keepalive_permit_without_calls", 1),
                ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
                # gRPC looks a name up again when a connection ends, and shows a certificate when one begins.
                ("grpc.max_connection_age_ms", round(settings.connection_age_s * 1e3)),
            ],
        )

    def _bind(self) -> None:
        credentials = None
        if self._address.startswith("unix:"):
            private_folder(Path(self._address.removeprefix("unix:")).parent)
        elif self._certificates:
            credentials = certificates.for_server(self._certificates)
        _listen(self.grpc, self._address, credentials)

    async def _answer_probes(self, checks: _Health) -> grpc.aio.Server | None:
        """Tell of health on a port of its own, when there is one: a kubelet has no certificate to show."""
        if self._settings.probe_listen is None:
            return None
        probes = grpc.aio.server(options=[("grpc.so_reuseport", 0)])
        health_pb2_grpc.add_HealthServicer_to_server(checks, probes)
        _listen(probes, self._settings.probe_listen, None)
        await probes.start()
        return probes

    async def report(self, serving: bool) -> None:
        """Say whether the services can do their work; the process itself stays healthy."""
        self._able = serving
        for name in self._services:
            await self._checks.set(name, _SERVING if serving else _NOT_SERVING)

    async def serve(self, services: tuple[str, ...], ready: Callable[[], Awaitable[None]] | None = None) -> None:
        """Serve until SIGTERM or SIGINT, then drain: health goes down first, in-flight requests finish, then return.

        Args:
            services: full names of the registered services.
            ready: awaited before health goes up.

        Raises:
            StartError: an address is taken.
        """
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        checks = self._checks
        health_pb2_grpc.add_HealthServicer_to_server(checks, self.grpc)
        reflection.enable_server_reflection((*services, health.SERVICE_NAME, reflection.SERVICE_NAME), self.grpc)
        self._bind()
        async with AsyncExitStack() as stack:
            stack.callback(self._tracing.shutdown)
            listen = self._settings.metrics_listen
            try:
                await stack.enter_async_context(exports.exporting(self.meter, listen, self._tracing.resource))
            except OSError as error:
                raise StartError(f"can't listen on {listen}; is it taken?") from error
            for name in ("", *services):
                await checks.set(name, _NOT_SERVING)
            await self.grpc.start()
            if probes := await self._answer_probes(checks):
                stack.push_async_callback(probes.stop, _PROBES_GRACE_S)
            if ready is not None:
                await ready()
            for name in ("", *services):
                await checks.set(name, _SERVING)
            self._services = services
            await self.report(self._able)
            _log.info("serving", address=self._address)
            await stopping.wait()
            # From here balancers send nothing new; what is running finishes within the grace, or is cancelled.
            await checks.enter_graceful_shutdown()
            await asyncio.sleep(self._settings.stop_delay_s)
            asyncio.get_running_loop().call_later(_LAST_WORD_S, checks.end_watches)
            await self.grpc.stop(self._settings.stop_grace_s)
            _log.info("stopped")
