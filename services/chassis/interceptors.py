"""What stands around every RPC: a span, the caller's identity, decoding, typed errors, a log line, metrics."""

from __future__ import annotations

import asyncio
import time
from contextlib import aclosing, asynccontextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc
import structlog
from google.protobuf.message import DecodeError

from chassis import errors
from chassis.identity import Keys, current_client
from chassis.metrics.meter import Uncounted
from chassis.metrics.table import RPC_ACTIVE, RPC_DURATION

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence

    from chassis.metrics.meter import Recorder
    from chassis.spans import Spans

    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
    Handler: TypeAlias = grpc.RpcMethodHandler[Any, Any]

_log = structlog.get_logger()
_UNREADABLE: Final = object()
_notes: ContextVar[dict[str, object]] = ContextVar("notes")
#: Health and reflection: of no interest in logs and traces.
_INFRASTRUCTURE: Final = ("/grpc.health.v1.", "/grpc.reflection.")


def note(**fields: object) -> None:
    """Add fields to the one log line of the RPC that runs. Never texts of prompts or answers."""
    _notes.get().update(fields)


def typed(error: Exception, method: str) -> errors.ServiceError:
    """Return what the caller of `method` may know of an exception; one that nobody expected is logged here."""
    if isinstance(error, errors.ServiceError):
        return error
    if isinstance(error, grpc.aio.AioRpcError):
        return errors.from_rpc(error)
    if isinstance(error, NotImplementedError):
        return errors.ServiceError(grpc.StatusCode.UNIMPLEMENTED, "not_found", "this method is not served")
    _log.error("unexpected_exception", method=method, exc_info=error)
    return errors.internal()


class RpcInterceptor(grpc.aio.ServerInterceptor):
    """Wraps unary and server-streaming methods.

    A ServiceError becomes its wire form. Any other exception is logged by type and place, and becomes INTERNAL with
    our words only, since its text may quote a prompt or a key.
    """

    def __init__(
        self,
        spans: Spans,
        keys: Keys | None = None,
        protected: Sequence[str] = (),
        internal: Sequence[str] = (),
        meter: Recorder | None = None,
    ) -> None:
        """Make one.

        Args:
            spans: starts the SERVER spans.
            keys: checks the callers of protected methods.
            protected: services that need a key, as `/package.Service/`.
            internal: methods, or services, that other services call on a client's behalf: the client's request has its
                line there, so of these only failures are logged above `debug`.
            meter: counts the RPCs.
        """
        self._spans = spans
        self._keys = keys
        self._protected = tuple(protected)
        self._internal = tuple(internal)
        self._meter = meter or Uncounted()
        self._wrapped: dict[str, Handler] = {}
        self._rpcs: dict[str, _Rpc] = {}
        self._meter.observe(RPC_ACTIVE, self._active)

    def _active(self) -> Iterator[tuple[tuple[str], int]]:
        for method, rpc in self._rpcs.items():
            yield (method.removeprefix("/"),), rpc.active

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler | None:
        """Return the method's handler, wrapped."""
        method: str = handler_call_details.method
        if method in self._wrapped:
            return self._wrapped[method]
        handler = await continuation(handler_call_details)
        if handler is None or method.startswith(_INFRASTRUCTURE):
            return handler
        self._wrapped[method] = wrapped = self._wrap(method, handler)
        return wrapped

    def _wrap(self, method: str, handler: Handler) -> Handler:
        keys = self._keys if method.startswith(self._protected) else None
        self._rpcs[method] = rpc = _Rpc(
            method, handler, self._spans, keys, self._meter, internal=method.startswith(self._internal)
        )
        make: Any = (
            grpc.unary_stream_rpc_method_handler if handler.response_streaming else grpc.unary_unary_rpc_method_handler
        )
        wrapped: Handler = make(
            rpc.stream if handler.response_streaming else rpc.unary,
            request_deserializer=rpc.decode,
            response_serializer=rpc.encode,
        )
        return wrapped


class _Rpc:
    """One method of one service, wrapped."""

    def __init__(
        self, method: str, handler: Handler, spans: Spans, keys: Keys | None, meter: Recorder, *, internal: bool
    ) -> None:
        self._method = method
        self._handler: Any = handler
        self._spans = spans
        self._keys = keys
        self._meter = meter
        self._internal = internal
        #: Calls under way.
        self.active = 0

    def decode(self, data: bytes) -> object:
        """Decode a request; what is no message becomes a marker, since raising here would leak the decoder's text."""
        try:
            return self._handler.request_deserializer(data)
        except DecodeError:
            return _UNREADABLE

    def encode(self, response: object) -> bytes:
        """Encode a response, maps in a fixed order; one that is bytes already, as it was once sent, goes as it is."""
        if isinstance(response, bytes):
            return response
        encoded: bytes = self._handler.response_serializer(response, deterministic=True)
        return encoded

    def _admit(self, request: object, context: Context) -> None:
        """Check the caller first and its message second: a stranger learns nothing."""
        if self._keys is not None:
            headers = [value for key, value in context.invocation_metadata() or () if key == "authorization"]
            client = self._keys.check(str(headers[0])) if len(headers) == 1 else None
            if client is None:
                raise errors.ServiceError(
                    grpc.StatusCode.UNAUTHENTICATED, "invalid_api_key", "the API key is missing or invalid"
                )
            current_client.set(client)
        if request is _UNREADABLE:
            raise errors.invalid_request("body", "cannot be decoded; it is nested too deeply or not this message")

    async def unary(self, request: object, context: Context) -> object:
        """Run a unary method."""
        async with self._around(context):
            self._admit(request, context)
            return await self._handler.unary_unary(request, context)

    async def stream(self, request: object, context: Context) -> None:
        """Run a server-streaming method. No generator: one that is left half-way is closed too late, and elsewhere."""
        async with self._around(context):
            self._admit(request, context)
            async with aclosing(self._handler.unary_stream(request, context)) as responses:
                async for response in responses:
                    try:
                        await context.write(response)
                    except grpc.aio.InternalError as error:
                        raise asyncio.CancelledError from error  # nobody listens any more

    @asynccontextmanager
    async def _around(self, context: Context) -> AsyncIterator[None]:
        started = time.perf_counter()
        self.active += 1
        _notes.set({})
        with self._spans.serve(self._method, context.invocation_metadata() or ()) as span:
            try:
                yield
            except asyncio.CancelledError:
                span.fail("cancelled")
                self._report(started, grpc.StatusCode.CANCELLED, None)
                raise
            except Exception as error:  # noqa: BLE001 - the last line of defence
                failure = typed(error, self._method)
                span.fail(failure.reason)
                self._report(started, failure.code, failure.reason)
                await context.abort(failure.code, failure.message, errors.trailing_metadata(failure))
            else:
                self._report(started, grpc.StatusCode.OK, None)

    def _report(self, started: float, code: grpc.StatusCode, reason: str | None) -> None:
        self.active -= 1
        took_s = time.perf_counter() - started
        error = reason or ("" if code is grpc.StatusCode.OK else "cancelled")
        self._meter.record(RPC_DURATION, took_s, "grpc", self._method[1:], code.name, error)
        client = current_client.get(None)
        say = _log.debug if self._internal and code is grpc.StatusCode.OK else _log.info
        say(
            "rpc",
            method=self._method,
            code=code.name,
            reason=reason,
            duration_ms=round(took_s * 1e3, 3),
            key_id=client.key_id if client else None,
            **_notes.get(),
        )
