"""Spans as OTLP, written straight in protobuf's wire format (protobuf.dev/programming-guides/encoding).

The SDK makes a message object of each attribute, which costs 20 µs a span and so half of all tracing; this costs 6.
Only what `chassis.spans` makes is known here: no events, and attributes that are strings, booleans, integers or floats.
"""

from __future__ import annotations

import struct
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.trace import SpanKind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.trace import Link, SpanContext

#: Longer values are texts, and not worth remembering.
_SHORT: Final = 64
_REMEMBERED: Final = 4096
_UINT64: Final = (1 << 64) - 1
_KINDS: Final = {SpanKind.INTERNAL: b"\x30\x01", SpanKind.SERVER: b"\x30\x02", SpanKind.CLIENT: b"\x30\x03"}
#: SPAN_FLAGS_CONTEXT_HAS_IS_REMOTE_MASK, and with SPAN_FLAGS_CONTEXT_IS_REMOTE_MASK: it is known where the parent is.
_NEAR: Final = struct.pack("<I", 0x100)
_FAR: Final = struct.pack("<I", 0x300)
_TIMES: Final = struct.Struct("<cQcQ")
_DOUBLE: Final = struct.Struct("<d")


class SpanExporter(OTLPSpanExporter):
    """OpenTelemetry's exporter with this encoding."""

    def _translate_data(self, data: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
        return encode(data)


def encode(spans: Sequence[ReadableSpan]) -> ExportTraceServiceRequest:
    """Return spans of one process as the message that a collector takes."""
    request: ExportTraceServiceRequest = encode_spans(spans[:1])  # the resource and the scope, which all of them share
    for resource in request.resource_spans:
        for scope in resource.scope_spans:
            scope.MergeFromString(b"".join(_part(b"\x12", _span(span)) for span in spans[1:]))
    return request


def _span(span: ReadableSpan) -> bytes:
    context, parent = span.get_span_context(), span.parent
    assert context is not None  # noqa: S101 - every span of ours has one
    parts = [
        b"\x0a\x10",
        context.trace_id.to_bytes(16),
        b"\x12\x08",
        context.span_id.to_bytes(8),
        _part(b"\x2a", span.name.encode()),
        _KINDS[span.kind],
        _TIMES.pack(b"\x39", span.start_time or 0, b"\x41", span.end_time or 0),
    ]
    if context.trace_state:
        parts.append(_part(b"\x1a", ",".join(f"{key}={value}" for key, value in context.trace_state.items()).encode()))
    if parent is not None:
        parts += (b"\x22\x08", parent.span_id.to_bytes(8))
    parts += _attributes(span.attributes or {})
    parts += (_part(b"\x6a", _link(link)) for link in span.links)
    status = span.status
    told = _part(b"\x12", status.description.encode()) if status.description else b""
    code = status.status_code.value
    parts.append(_part(b"\x7a", told + (b"\x18" + _varint(code) if code else b"")))
    parts += (b"\x85\x01", _flags(parent))
    return b"".join(parts)


def _attributes(attributes: Mapping[str, object]) -> list[bytes]:
    return [
        (_attribute if type(value) is not str or len(value) <= _SHORT else _attribute.__wrapped__)(name, value)
        for name, value in attributes.items()
    ]


@lru_cache(_REMEMBERED, typed=True)
def _attribute(name: str, value: object) -> bytes:
    """Return a KeyValue as a field of a span."""
    if isinstance(value, bool):
        held = b"\x10\x01" if value else b"\x10\x00"
    elif isinstance(value, int):
        held = b"\x18" + _varint(value & _UINT64)
    elif isinstance(value, float):
        held = b"\x21" + _DOUBLE.pack(value)
    else:
        held = _part(b"\x0a", str(value).encode())
    return _part(b"\x4a", _part(b"\x0a", name.encode()) + _part(b"\x12", held))


def _link(link: Link) -> bytes:
    context = link.context
    ids = b"\x0a\x10" + context.trace_id.to_bytes(16) + b"\x12\x08" + context.span_id.to_bytes(8)
    return ids + b"\x35" + _flags(context)


def _flags(context: SpanContext | None) -> bytes:
    return _FAR if context is not None and context.is_remote else _NEAR


def _part(tag: bytes, content: bytes) -> bytes:
    """Return a field that has a length: its tag, how long it is, and what it holds."""
    return tag + _varint(len(content)) + content


def _varint(number: int) -> bytes:
    """Return a number of at most 64 bits, seven of them a byte, the lowest first."""
    if number < 1 << 7:
        return number.to_bytes(1)
    written = bytearray()
    while number >= 1 << 7:
        written.append(number & 0x7F | 0x80)
        number >>= 7
    written.append(number)
    return bytes(written)
