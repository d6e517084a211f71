"""Calls from one service to another."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeVar

import grpc

from chassis import certificates, errors, spans
from chassis.config import replicas
from chassis.renewal import RenewedChannel

if TYPE_CHECKING:
    from chassis.config import Settings

MAX_MESSAGE_BYTES = 16 << 20

#: Every internal method may be called again (planning is pure, signing is idempotent by request id, a claim says
#: who makes it), so a callee that is being replaced costs a pause and no failure. CANCELLED is what a server that
#: stops says to what has reached it and not yet its handler; a call that its own caller cancels is not retried.
_RETRY = {
    "methodConfig": [
        {
            "name": [{}],
            "retryPolicy": {
                "maxAttempts": 4,
                "initialBackoff": "0.05s",
                "maxBackoff": "0.5s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "CANCELLED"],
            },
        }
    ]
}

Request = TypeVar("Request")
Response = TypeVar("Response")


def options() -> list[tuple[str, str | int]]:
    """Return the channel options of every client in the suite."""
    return [
        ("grpc.service_config", json.dumps(_RETRY)),
        ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
        ("grpc.max_send_message_length", MAX_MESSAGE_BYTES),
        ("grpc.keepalive_time_ms", 30_000),
        ("grpc.max_reconnect_backoff_ms", 1_000),
        # Half a minute by default, in which a roll-out may have replaced all that an answer named.
        ("grpc.dns_min_time_between_resolutions_ms", 5_000),
        ("grpc.lb_policy_name", "round_robin"),
    ]


def channel(address: str, settings: Settings) -> grpc.aio.Channel:
    """Open a channel to `unix:/path`, `host:port` or several replicas; over TCP with mutual TLS when that is set up.

    Raises:
        CertificatesError: the certificates can't be used.
    """
    files = None if address.startswith("unix:") else certificates.of(settings)
    if files is None:
        return grpc.aio.insecure_channel(address, options())
    # By default the whole list would be the name that certificates must have.
    named = [("grpc.default_authority", replicas(address)[0])] if address.startswith("ipv4:") else []
    return RenewedChannel(
        files, lambda held: grpc.aio.secure_channel(address, certificates.for_client(held), [*options(), *named])
    )


async def call(
    method: grpc.aio.UnaryUnaryMultiCallable[Request, Response], request: Request, timeout_s: float
) -> Response:
    """Call a unary method inside the current trace.

    Raises:
        ServiceError: the callee's own error, or INTERNAL when the call failed in any other way.
    """
    try:
        return await method(request, timeout=timeout_s, metadata=spans.outgoing())
    except grpc.aio.AioRpcError as error:
        raise errors.from_rpc(error) from error
