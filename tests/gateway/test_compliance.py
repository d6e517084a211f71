"""The planner's public face behind the gateway: with a key, in the contract's JSON."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from google.protobuf import json_format

from chassis.errors import INVALID_ARGUMENT, ServiceError
from gateway.stack import KEY

if TYPE_CHECKING:
    from gateway.stack import Reply, Stack

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]
GOOD = {"authorization": f"Bearer {KEY}"}


async def preview(stack: Stack, body: object, **headers: str) -> Reply:
    return await stack.request("POST", "/v2/compliance/preview", json.dumps(body), {**GOOD, **headers})


async def test_a_preview_reaches_the_planner_as_it_was_written(stack: Stack) -> None:
    asked = {"prompt": "Hi", "compliance": {"jurisdiction": ["EU"], "unknown": None}}
    reply = await preview(stack, asked)
    assert reply.status == 200
    (call,) = stack.planner.calls
    assert call.method == "Preview"
    assert json_format.MessageToDict(call.request, preserving_proto_field_name=True) == asked
    assert call.remaining_s is not None
    assert call.remaining_s < 10


async def test_the_packs_are_read_with_a_key(stack: Stack) -> None:
    reply = await stack.request("GET", "/v1/compliance/packs", headers=GOOD)
    assert (reply.status, json.loads(reply.body)) == (200, {"packs": {}})
    assert stack.planner.calls[0].metadata["authorization"] == [f"Bearer {KEY}"]


@pytest.mark.parametrize(("method", "path"), [("POST", "/v2/compliance/preview"), ("GET", "/v1/compliance/packs")])
async def test_without_a_key_nobody_is_asked(stack: Stack, method: str, path: str) -> None:
    reply = await stack.request(method, path, b"{}" if method == "POST" else None)
    assert (reply.status, json.loads(reply.body)["detail"]["error"]) == (401, "invalid_api_key")
    assert stack.untouched


@pytest.mark.parametrize(("method", "path"), [("GET", "/v2/compliance/preview"), ("POST", "/v1/compliance/packs")])
async def test_another_method_is_not_allowed(stack: Stack, method: str, path: str) -> None:
    reply = await stack.request(method, path, headers=GOOD)
    assert (reply.status, json.loads(reply.body)["detail"]["error"]) == (405, "method_not_allowed")
    assert reply.headers["allow"] == ("POST" if method == "GET" else "GET")
    assert stack.untouched


async def test_a_refusal_of_the_planner_keeps_its_words(stack: Stack) -> None:
    stack.planner.raises(ServiceError(INVALID_ARGUMENT, "invalid_request", "compliance: is not a pack"))
    reply = await preview(stack, {"prompt": "Hi", "compliance": "NONE"})
    assert reply.status == 422
    assert json.loads(reply.body)["detail"]["message"] == "compliance: is not a pack"


async def test_a_body_that_is_no_json_is_refused_before_the_planner(stack: Stack) -> None:
    reply = await stack.request("POST", "/v2/compliance/preview", b'{"prompt": ', GOOD)
    assert (reply.status, json.loads(reply.body)["detail"]["error"]) == (422, "invalid_request")
    assert stack.untouched
