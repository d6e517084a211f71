"""ProofService on the messages."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Concatenate, Final, ParamSpec, TypeAlias, TypeVar

import grpc
import structlog
from google.api import httpbody_pb2
from google.protobuf import json_format

from chassis import errors
from openprysm.proof.v2 import proof_pb2, proof_pb2_grpc
from proof import bundle, keys, messages, statement, tiles, trust, verify
from proof.archive import Archive, CorruptError
from proof.log import RefusedError
from proof.notary import ConflictError
from proof.storage import DamagedError, StorageError, UnavailableError

if TYPE_CHECKING:
    from collections.abc import Callable

    from chassis.spans import Spans
    from proof.notary import Notary

    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

SERVICE = proof_pb2.DESCRIPTOR.services_by_name["ProofService"].full_name
#: The one method that is for the executor alone.
SIGN: Final = f"/{SERVICE}/Sign"
_VERSION = 2
#: Of a bundle to be verified; the largest that can be signed here has two thirds of it, all texts at their limit.
_MAX_PROOF_BYTES: Final = 1 << 19
#: What never changes under its name, what follows a rotation, and what is new with every proof. Errors get none.
_FOR_EVER: Final = "public, max-age=31536000, immutable"
_FOR_MINUTES: Final = "public, max-age=300"
_ALWAYS_NEW: Final = "no-cache"
_ETAG_DIGITS: Final = 32
_KEY_NAME: Final = re.compile(r"prysm/keys/([A-Za-z0-9_-]{43})\.pem")
_log = structlog.get_logger()

P = ParamSpec("P")
T = TypeVar("T")


def _data_loss(**what: object) -> errors.ServiceError:
    _log.error("stored_proof_is_corrupt", **what)
    return errors.ServiceError(grpc.StatusCode.DATA_LOSS, "orchestration_error", "the stored proof does not verify")


def _not_found(reason: str, what: str) -> errors.ServiceError:
    return errors.ServiceError(grpc.StatusCode.NOT_FOUND, reason, what)


def unavailable() -> errors.ServiceError:
    """Return the error for a database that is not reached: whoever asks again loses nothing."""
    return errors.ServiceError(
        grpc.StatusCode.UNAVAILABLE, "orchestration_error", "the database is not reached; ask again", retry_after_s=1.0
    )


async def _body(context: Context, content_type: str, data: bytes, caching: str) -> httpbody_pb2.HttpBody:
    """Return a document; by its etag the gateway answers 304 to whoever has it already (RFC 9110, 13.1.2)."""
    etag = f'"{hashlib.sha256(data).hexdigest()[:_ETAG_DIGITS]}"'
    await context.send_initial_metadata((("cache-control", caching), ("etag", etag)))
    return httpbody_pb2.HttpBody(content_type=content_type, data=data)


class ProofServicer(proof_pb2_grpc.ProofServiceServicer):
    """Sign for the executor, the rest for everybody."""

    def __init__(self, notary: Notary, spans: Spans) -> None:
        self._notary = notary
        self._spans = spans

    async def _ask(self, ask: Callable[Concatenate[Archive, P], T], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Ask the archive."""
        try:
            return await self._notary.read(ask, *args, **kwargs)
        except UnavailableError as error:
            raise unavailable() from error

    async def Sign(self, request: proof_pb2.SignRequest, context: Context) -> proof_pb2.SignResponse:  # noqa: ARG002, N802
        """Sign, log, store, answer."""
        try:
            with self._spans.start("prysm.proof.commit", {}):
                proof = await self._notary.sign(messages.record(request))
        except (CorruptError, DamagedError) as error:
            raise _data_loss(request_id=request.request_id) from error
        except UnavailableError as error:
            raise unavailable() from error
        except (RefusedError, StorageError) as error:
            _log.error("signing_refused", why=str(error))
            raise errors.ServiceError(
                grpc.StatusCode.FAILED_PRECONDITION, "orchestration_error", "the log is damaged or was set back"
            ) from error
        except keys.SignerError as error:
            raise errors.ServiceError(
                grpc.StatusCode.UNAVAILABLE, "orchestration_error", "the signing key is out of reach"
            ) from error
        except statement.RecordError as error:
            raise errors.ServiceError(grpc.StatusCode.INVALID_ARGUMENT, "invalid_request", str(error)) from error
        except ConflictError as error:
            raise errors.ServiceError(
                grpc.StatusCode.ALREADY_EXISTS, "invalid_request", "request_id: another record is signed under it"
            ) from error
        return proof_pb2.SignResponse(
            proof_hash=messages.proof_hash(proof.envelope),
            keyid=proof.envelope.keyid,
            bundle=bundle.dumps(proof),
            log_entry=messages.log_entry(proof),
        )

    async def Get(self, request: proof_pb2.GetRequest, context: Context) -> proof_pb2.GetResponse:  # noqa: ARG002, N802
        """Look a proof up, check it, show it."""
        try:
            proof = await self._ask(Archive.get, request.id)
        except CorruptError as error:
            raise _data_loss(request_id=request.id) from error
        if proof is None:
            raise _not_found("proof_not_found", "no proof has this id")
        response = proof_pb2.GetResponse(
            verified=True, request_id=request.id, version=_VERSION, entry=messages.summary(proof)
        )
        response.proof.update(bundle.to_object(proof))
        return response

    async def Verify(self, request: proof_pb2.VerifyRequest, context: Context) -> proof_pb2.VerifyResponse:  # noqa: ARG002, N802
        """Check a proof against this service's keys and log."""
        if not request.HasField("proof"):
            raise errors.invalid_request("proof", "must be a Sigstore bundle")
        if request.proof.ByteSize() > _MAX_PROOF_BYTES:  # taking many small values apart would hold up who signs
            raise errors.invalid_request("proof", f"must have at most {_MAX_PROOF_BYTES} bytes")
        transcript = request.transcript.encode() if request.HasField("transcript") else None
        try:
            made = verify.verify(json_format.MessageToDict(request.proof), await self._ask(Archive.trust), transcript)
        except CorruptError as error:
            raise _data_loss(part="keys") from error
        return proof_pb2.VerifyResponse(verified=verify.verified(made), checks=messages.checks(made))

    async def GetCheckpoint(  # noqa: N802
        self,
        request: proof_pb2.GetCheckpointRequest,  # noqa: ARG002 - it is empty
        context: Context,
    ) -> httpbody_pb2.HttpBody:
        """Show the newest checkpoint."""
        try:
            note = await self._ask(Archive.checkpoint)
        except CorruptError as error:
            raise _data_loss(part="checkpoint") from error
        if not note:
            raise _not_found("not_found", "the log has no entry yet")
        return await _body(context, "text/plain; charset=utf-8", note.encode(), _ALWAYS_NEW)

    async def GetConsistencyProof(  # noqa: N802
        self, request: proof_pb2.GetConsistencyProofRequest, context: Context
    ) -> proof_pb2.GetConsistencyProofResponse:
        """Prove that the log has only grown."""
        try:
            hashes = await self._ask(Archive.consistency, request.old_size, request.new_size)
        except CorruptError as error:
            raise _data_loss(part="tiles") from error
        if hashes is None:
            size = await self._ask(Archive.size)
            raise errors.invalid_request("new_size", f"must be old_size to {size}, the log's size")
        await context.send_initial_metadata((("cache-control", _FOR_EVER),))
        return proof_pb2.GetConsistencyProofResponse(hashes=hashes)

    async def GetTile(self, request: proof_pb2.GetTileRequest, context: Context) -> httpbody_pb2.HttpBody:  # noqa: N802
        """Show a tile of hashes or of entries."""
        try:
            wanted = tiles.parse_path(request.path)
        except tiles.TileError as error:
            raise _not_found("not_found", str(error)) from error
        try:
            data = await self._ask(Archive.tile, wanted)
        except CorruptError as error:
            raise _data_loss(part="tile", path=request.path) from error
        if data is None:
            raise _not_found("not_found", "the log has no such tile yet")
        return await _body(context, "application/octet-stream", data, _FOR_EVER)

    async def GetTrust(self, request: proof_pb2.GetTrustRequest, context: Context) -> httpbody_pb2.HttpBody:  # noqa: N802
        """Show a document that a verifier needs."""
        try:
            believed = await self._ask(Archive.trust)
            match request.name:
                case "jwks.json":
                    return await _body(context, "application/jwk-set+json", trust.jwks(believed.keys), _FOR_MINUTES)
                case "prysm/trusted_root.json":
                    root = trust.trusted_root(self._notary.log, await self._ask(Archive.since))
                    return await _body(context, "application/json", root, _FOR_MINUTES)
                case "log.vkey":
                    vkey = self._notary.log.vkey.encode() + b"\n"
                    return await _body(context, "text/plain; charset=utf-8", vkey, _FOR_MINUTES)
            named = _KEY_NAME.fullmatch(request.name)
            key = believed.keys.get(trust.keyid_of(named[1])) if named else None
        except CorruptError as error:
            raise _data_loss(part="keys") from error
        if key is None:
            raise _not_found("not_found", "no such document")
        return await _body(context, "application/x-pem-file", keys.to_pem(key.public), _FOR_EVER)
