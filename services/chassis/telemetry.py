"""OpenTelemetry: set-up from the standard environment variables, and where spans leave the process.

Spans always have ids, since responses, logs and proofs name them; they leave the process only when
OTEL_EXPORTER_OTLP_ENDPOINT or OTEL_EXPORTER_OTLP_TRACES_ENDPOINT is set. The SDK itself reads OTEL_TRACES_SAMPLER,
OTEL_BSP_*, OTEL_RESOURCE_ATTRIBUTES and OTEL_SDK_DISABLED.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from chassis.otlp_spans import SpanExporter

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import SpanProcessor
    from opentelemetry.sdk.trace.sampling import Sampler

_ENDPOINTS: Final = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")


@dataclass(frozen=True)
class Tracing:
    """What becomes of this process's spans."""

    resource: Resource
    #: Decides at the first span of a trace in this process.
    sampler: Sampler
    #: Takes ended spans; None: they go nowhere.
    processor: SpanProcessor | None

    @classmethod
    def to(cls, processor: SpanProcessor | None, resource: Resource | None = None) -> Self:
        """Return one with the environment's sampler."""
        provider = TracerProvider(resource=resource, shutdown_on_exit=False)
        return cls(provider.resource, provider.sampler, processor)

    def shutdown(self) -> None:
        """Flush, and stop."""
        if self.processor is not None:
            self.processor.shutdown()


def configure(service: str, version: str) -> Tracing:
    """Return the tracing of a service. Its owner calls `shutdown()`, which flushes."""
    resource = Resource.create({"service.name": f"openprysm-{service}", "service.version": version})
    disabled = os.environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
    wanted = not disabled and any(os.environ.get(name) for name in _ENDPOINTS)
    return Tracing.to(BatchSpanProcessor(SpanExporter()) if wanted else None, resource)
