"""The one error type that crosses RPC, and its form on the wire: google.rpc.Status with an ErrorInfo.

Source: google.rpc.Status and google.rpc.ErrorInfo (AIP-193).
"""

from __future__ import annotations

from typing import Final

import grpc
from google.protobuf import any_pb2
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

INVALID_ARGUMENT: Final = grpc.StatusCode.INVALID_ARGUMENT
DOMAIN: Final = "openprysm"
_DETAILS_KEY: Final = "grpc-status-details-bin"
_PUSHBACK_KEY: Final = "grpc-retry-pushback-ms"


class ServiceError(Exception):
    """A failure that its caller may know about.

    Attributes:
        code: gRPC status code.
        reason: error code of the REST contract, such as `invalid_request`.
        message: our words for the caller; never an exception's text, a key, a URL or a prompt.
        retry_after_s: seconds after which a retry makes sense; None when it makes none.
    """

    def __init__(self, code: grpc.StatusCode, reason: str, message: str, retry_after_s: float | None = None) -> None:
        super().__init__(f"{reason}: {message}")
        self.code = code
        self.reason = reason
        self.message = message
        self.retry_after_s = retry_after_s


def invalid_request(field: str, allowed: str) -> ServiceError:
    """Return the error for a bad field: which one it is, and what is allowed."""
    return ServiceError(INVALID_ARGUMENT, "invalid_request", f"{field}: {allowed}")


def internal(message: str = "planning or executing failed") -> ServiceError:
    """Return the error for our own fault; its cause belongs to the log."""
    return ServiceError(grpc.StatusCode.INTERNAL, "orchestration_error", message)


def to_status(error: ServiceError) -> status_pb2.Status:
    """Return the error as it crosses the wire."""
    code: int = error.code.value[0]
    status = status_pb2.Status(code=code, message=error.message)
    info = error_details_pb2.ErrorInfo(reason=error.reason, domain=DOMAIN)
    if error.retry_after_s is not None:
        info.metadata["retry_after_s"] = str(max(1, round(error.retry_after_s)))
    packed = any_pb2.Any()
    packed.Pack(info)
    status.details.append(packed)
    return status


def trailing_metadata(error: ServiceError) -> tuple[tuple[str, str | bytes], ...]:
    """Return the trailers that carry the status's details, and keep a channel from retrying (gRFC A6).

    UNAVAILABLE with details is an answer: asking again, and paying again, is the caller's decision.
    """
    return ((_DETAILS_KEY, to_status(error).SerializeToString()), (_PUSHBACK_KEY, "-1"))


def from_rpc(error: grpc.aio.AioRpcError) -> ServiceError:
    """Return what a failed call means: the callee's own error, or INTERNAL without its text when it is not ours."""
    try:
        details = rpc_status.from_call(error)  # type: ignore[arg-type] # AioRpcError has what a Call is asked for here
        for packed in details.details if details else ():
            info = error_details_pb2.ErrorInfo()
            if packed.Unpack(info) and info.domain == DOMAIN:
                retry = info.metadata.get("retry_after_s")
                return ServiceError(error.code(), info.reason, details.message, float(retry) if retry else None)
    except (ValueError, DecodeError):
        return internal()  # details that are none, or that contradict the status: not our callee's words
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return ServiceError(error.code(), "deadline_exceeded", "the request's deadline passed")
    return internal()
