"""How metrics leave the process: OTLP by OpenTelemetry's own variables, and Prometheus on a setting.

Without either nothing is counted at all.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Final

import structlog
from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import OTLPMetricExporter
from prometheus_client import start_http_server

from chassis.metrics import otlp, prometheus
from chassis.metrics.meter import Meter, Uncounted

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from opentelemetry.sdk.metrics.export import MetricsData
    from opentelemetry.sdk.resources import Resource

    from chassis.metrics.meter import Reading

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT")
_INTERVAL_MS: Final = 60_000
#: Seconds that the last export may hold up the end of the process, and that a scrape waits for the event loop.
_LAST_S: Final = 2.0
_SCRAPE_S: Final = 5.0

_log = structlog.get_logger()


def sends_otlp() -> bool:
    """Tell whether the environment names a collector of metrics."""
    off = os.environ.get("OTEL_SDK_DISABLED", "").lower() == "true" or os.environ.get("OTEL_METRICS_EXPORTER") == "none"
    return not off and any(os.environ.get(name) for name in _ENDPOINTS)


def meter(listen: str | None) -> Meter | Uncounted:
    """Return where this process counts; `listen` is where Prometheus will find it, if anywhere."""
    return Meter() if listen or sends_otlp() else Uncounted()


@asynccontextmanager
async def exporting(counted: Meter | Uncounted, listen: str | None, resource: Resource) -> AsyncIterator[None]:
    """Export what is counted until the block ends, and once more then.

    Raises:
        OSError: the address is taken.
    """
    async with AsyncExitStack() as stack:
        if isinstance(counted, Meter):
            if listen:
                await stack.enter_async_context(_scraped(counted, listen, resource))
            if sends_otlp():
                await stack.enter_async_context(_sent(counted, resource))
        yield


@asynccontextmanager
async def _scraped(counted: Meter, listen: str, resource: Resource) -> AsyncIterator[None]:
    loop = asyncio.get_running_loop()

    async def collect() -> list[Reading]:
        return counted.collect()

    def from_thread() -> list[Reading]:
        return asyncio.run_coroutine_threadsafe(collect(), loop).result(_SCRAPE_S)

    about = {name: str(value) for name, value in resource.attributes.items() if name.startswith("service.")}
    host, _, port = listen.rpartition(":")
    server, thread = start_http_server(int(port), host.strip("[]"), prometheus.registry(from_thread, about))
    try:
        yield
    finally:
        await asyncio.to_thread(server.shutdown)
        server.server_close()
        await asyncio.to_thread(thread.join)


@asynccontextmanager
async def _sent(counted: Meter, resource: Resource) -> AsyncIterator[None]:
    exporter = OTLPMetricExporter()
    interval_s = int(os.environ.get("OTEL_METRIC_EXPORT_INTERVAL") or _INTERVAL_MS) / 1e3

    def message() -> MetricsData:
        return otlp.message(counted.collect(), resource, counted.since_ns)

    async def repeat() -> None:
        while True:
            await asyncio.sleep(interval_s)
            try:
                await asyncio.to_thread(exporter.export, message())
            except Exception:  # noqa: BLE001 - whatever it is, the next one may work
                _log.exception("metrics_not_exported")

    sending = asyncio.create_task(repeat())
    try:
        yield
    finally:
        sending.cancel()
        await asyncio.gather(sending, return_exceptions=True)
        with suppress(TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(exporter.export, message()), _LAST_S)
        exporter.shutdown()
