"""What the domain raises, as the contract names it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import grpc

from chassis import errors
from executor.idempotency import ConflictError, InProgressError
from executor.orchestrate import DeadlineError, NoProviderError, UnknownStrategyError
from executor.recovery import UnsignedError
from executor.reply import AllFailedError, BrokenOffError
from executor.strategies import STRATEGIES
from executor.transcript import TranscriptError

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def typed_failures() -> Iterator[None]:
    """Turn what the domain raises into what the contract names."""
    code = grpc.StatusCode
    try:
        yield
    except NoProviderError as error:
        raise errors.ServiceError(
            code.UNAVAILABLE, "no_provider_available", "no provider is configured on the server"
        ) from error
    except DeadlineError as error:
        raise errors.ServiceError(
            code.DEADLINE_EXCEEDED, "deadline_exceeded", "the request's deadline passed before there was an answer"
        ) from error
    except AllFailedError as error:
        raise errors.ServiceError(code.UNAVAILABLE, "all_models_failed", f"every model call failed: {error}") from error
    except BrokenOffError as error:
        raise errors.ServiceError(
            code.UNAVAILABLE, "all_models_failed", f"the answer broke off after its first words: {error}"
        ) from error
    except UnsignedError as error:
        later = f"; its proof will be at /v1/proof/{error.proof_id}" if error.proof_id else ""
        raise errors.internal(f"the run could not be signed, so its answer is not returned{later}") from error
    except ConflictError as error:
        raise errors.ServiceError(
            code.ALREADY_EXISTS, "idempotency_conflict", "the idempotency key belongs to a request with another body"
        ) from error
    except InProgressError as error:
        raise errors.ServiceError(
            code.ABORTED,
            "idempotency_in_progress",
            "the first request with this idempotency key is still running",
            error.retry_after_s,
        ) from error
    except UnknownStrategyError as error:
        raise errors.invalid_request("plan.strategy", f"must be one of {', '.join(STRATEGIES)}") from error
    except TranscriptError as error:
        raise errors.invalid_request("messages", "must be Unicode text without lone surrogates") from error
