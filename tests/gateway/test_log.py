"""The log's public routes: what reaches the proof service, and what of its answer reaches a reader."""

from __future__ import annotations

import base64
import json
from io import BytesIO
from typing import TYPE_CHECKING, Any

import grpc
import pytest
from google.api import httpbody_pb2
from google.protobuf import json_format

from chassis.errors import ServiceError
from openprysm.proof.v2 import proof_pb2

if TYPE_CHECKING:
    from gateway.stack import Stack

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

_FINGERPRINT = "q-_Vxk" + "A" * 37
_KEPT = "public, max-age=31536000, immutable"


def answers(stack: Stack, reply: Any, caching: str = _KEPT) -> None:
    async def answer(_request: Any, context: Any) -> Any:
        await context.send_initial_metadata((("cache-control", caching),))
        return reply

    stack.proof.behaviour = answer


@pytest.mark.parametrize(
    ("path", "method", "request_"),
    [
        ("/checkpoint", "GetCheckpoint", {}),
        ("/tile/0/000", "GetTile", {"path": "0/000"}),
        ("/tile/0/x001/x234/067.p/8", "GetTile", {"path": "0/x001/x234/067.p/8"}),
        ("/tile/entries/000.p/255", "GetTile", {"path": "entries/000.p/255"}),
        ("/.well-known/jwks.json", "GetTrust", {"name": "jwks.json"}),
        ("/.well-known/prysm/trusted_root.json", "GetTrust", {"name": "prysm/trusted_root.json"}),
        (f"/.well-known/prysm/keys/{_FINGERPRINT}.pem", "GetTrust", {"name": f"prysm/keys/{_FINGERPRINT}.pem"}),
        ("/log.vkey", "GetTrust", {"name": "log.vkey"}),
        ("/log.vkey?name=jwks.json", "GetTrust", {"name": "log.vkey"}),
    ],
)
async def test_a_document_is_passed_on_byte_by_byte_with_its_type_and_how_long_it_may_be_kept(
    stack: Stack, path: str, method: str, request_: dict[str, str]
) -> None:
    data = bytes(range(256)) * 40
    answers(stack, httpbody_pb2.HttpBody(content_type="application/octet-stream", data=data))
    reply = await stack.request("GET", path)
    assert (reply.status, reply.body) == (200, data)
    assert (reply.headers["content-type"], reply.headers["cache-control"]) == ("application/octet-stream", _KEPT)
    (call,) = stack.proof.calls
    assert (call.method, json_format.MessageToDict(call.request)) == (method, request_)


async def test_a_consistency_proof_is_json(stack: Stack) -> None:
    answers(stack, proof_pb2.GetConsistencyProofResponse(hashes=[b"a" * 32, b"b" * 32]))
    reply = await stack.request("GET", "/v1/consistency/3/5")
    assert reply.json == {"hashes": [base64.b64encode(letter * 32).decode() for letter in (b"a", b"b")]}
    assert (stack.proof.calls[0].request.old_size, stack.proof.calls[0].request.new_size) == (3, 5)


async def test_a_bundle_and_its_transcript_arrive_as_they_were_sent(stack: Stack) -> None:
    body = {"proof": {"mediaType": "x", "n": [1, {"a": None}]}, "transcript": '{"é":"🦉"}', "unknown": 1}
    checks = [proof_pb2.Check(name="bundle", status="pass"), proof_pb2.Check(name="x", status="fail", reason="why")]
    answers(stack, proof_pb2.VerifyResponse(verified=False, checks=checks), "no-store")
    reply = await stack.request("POST", "/v1/proof/verify", json.dumps(body))
    assert reply.json == {
        "verified": False,
        "checks": [{"name": "bundle", "status": "pass"}, {"name": "x", "status": "fail", "reason": "why"}],
    }
    request = stack.proof.calls[0].request
    assert json_format.MessageToDict(request.proof) == body["proof"]
    assert request.transcript == body["transcript"]


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "body: not valid JSON"),
        (b"[]", "body: must be an object"),
        (b'{"proof":5}', "proof: must be an object or a list of objects"),
        (b'{"transcript":5}', "transcript: must be a string"),
        (b'{"proof":{},"transcript":"\\ud800"}', "body: not valid JSON"),
    ],
)
async def test_what_is_no_request_to_verify_is_refused_by_name(stack: Stack, body: bytes, message: str) -> None:
    reply = await stack.request("POST", "/v1/proof/verify", body)
    assert (reply.status, reply.error, reply.message) == (422, "invalid_request", message)
    assert stack.untouched


async def test_a_body_that_is_too_large_is_refused(stack: Stack) -> None:
    reply = await stack.request("POST", "/v1/proof/verify", BytesIO(b'{"transcript":"%b"}' % (b"x" * (1 << 20))))
    assert (reply.status, reply.error) == (413, "payload_too_large")
    assert stack.untouched


async def test_errors_have_the_shape_of_all_others_and_are_not_kept(stack: Stack) -> None:
    stack.proof.raises(ServiceError(grpc.StatusCode.NOT_FOUND, "not_found", "the log has no such tile yet"))
    reply = await stack.request("GET", "/tile/5/000")
    assert (reply.status, reply.error, reply.message) == (404, "not_found", "the log has no such tile yet")
    assert "cache-control" not in reply.headers
    stack.proof.raises(ServiceError(grpc.StatusCode.DATA_LOSS, "orchestration_error", "damaged"))
    assert (await stack.request("GET", "/tile/0/000")).status == 502
