"""What of a request's body and query arrives, and what is refused on the way."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from google.protobuf import json_format

from gateway import http2
from gateway.stack import ASK, KEY

if TYPE_CHECKING:
    from gateway.stack import Stack

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

HI = b'"messages":[{"role":"user","content":"hi"}]'


@pytest.mark.parametrize(
    "body",
    [
        b"{%s,}" % HI,
        b"{'messages':[]}",
        b"{messages:[]}",
        b"{%s" % HI,
        b"{%s} x" % HI,
        b"{%s}{}" % HI,
        b'{%s,"temperature":NaN}' % HI,
        b'{%s,"temperature":Infinity}' % HI,
        b'{%s,"temperature":1e400}' % HI,
        b'{%s,"k":0x10}' % HI,
        b'{%s,"k":01}' % HI,
        b'{%s,"k":+1}' % HI,
        b'{%s,"k":1.}' % HI,
        b"{/* no */ %s}" % HI,
        b'{"policy":"a\x01b"}',
        b'{"policy":"a\x00b"}',
        b'{"policy":"\xff"}',
        b'{"policy":"\xc0\xaf"}',
        b'{"policy":"\xed\xa0\x80"}',
        b'{"policy":"\\ud800"}',
        b'{"policy":"\\x41"}',
        b"messages=hi&k=2",
        b"   ",
        b"[" * 1_000_000,
        b'{"a":' * 200_000,
        b"[" * 500_000 + b"]" * 500_000,
        b'{"unknown":' + b"[" * 1000 + b"]" * 1000 + b"}",
    ],
    ids=lambda body: repr(body[:40]),
)
async def test_what_is_no_json_is_refused(stack: Stack, body: bytes) -> None:
    reply = await stack.orchestrate(body)
    assert (reply.status, reply.error, reply.message) == (422, "invalid_request", "body: not valid JSON")
    assert stack.untouched


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"[1]", "body: must be an object"),
        (b"1", "body: must be an object"),
        (b'"x"', "body: must be an object"),
        (b"null", "body: must be an object"),
        (b'{"messages":"CANARY"}', "messages: must be an object or a list of objects"),
        (b'{"messages":["CANARY"]}', "messages[0]: must be an object"),
        (b'{"messages":[{"role":1}]}', "messages[0].role: must be a string"),
        (b'{"messages":[{"role":"user"},{"role":true}]}', "messages[1].role: must be a string"),
        (b'{"policy":1}', "policy: must be a string"),
        (b'{"policy":{"CANARY":1}}', "policy: must not be an object"),
        (b'{"k":"CANARY for type TYPE_BOOL"}', "k: must be an integer"),
        (b'{"k":"CANARY\\" \\\\ \\n for type x"}', "k: must be an integer"),
        (b'{"k":2.5}', "k: must be an integer"),
        (b'{"k":2147483648}', "k: must be an integer"),
        (b'{"k":true}', "k: must be an integer"),
        (b'{"temperature":"CANARY"}', "temperature: must be a number"),
        (b'{"temperature":true}', "temperature: must be a number"),
        (b'{"include_trace":"CANARY"}', "include_trace: must be true or false"),
        (b'{"stream":1}', "stream: must be true or false"),
        (b'{"idempotency_key":5}', "idempotency_key: must be a string"),
        (b'{"max_tokens":1,"max_tokens":2}', "max_tokens: given twice"),
        (b'{"k":["CANARY"]}', "body: a list stands where one value belongs"),
        (b'{"stream":[1]}', "body: a list stands where one value belongs"),
        (b'{"brain_config":' + b"[" * 100 + b"]" * 100 + b"}", "body: nested too deeply"),
        (b'{"unknown":' + b"[" * 101 + b"]" * 101 + b"}", "body: nested too deeply"),
        (b"\xef\xbb\xbf{%s}" % HI, "body: not a valid request"),
    ],
    ids=lambda value: repr(value[:40]),
)
async def test_a_wrong_type_is_refused_by_the_name_of_its_field(stack: Stack, body: bytes, message: str) -> None:
    reply = await stack.orchestrate(body)
    assert (reply.status, reply.error, reply.message) == (422, "invalid_request", message)
    assert b"CANARY" not in reply.body
    assert stack.untouched


@pytest.mark.parametrize(
    ("body", "seen"),
    [
        (b"", {}),
        (b"{}", {}),
        (ASK, {"messages": [{"role": "user", "content": "hi"}]}),
        (b'{"messages":[{"role":"user","content":[{"type":"text","text":"hi"}]}],"n":1,"user":{"a":[1]}}',
         {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]}),
        (b'{"k":3,"max_tokens":null,"temperature":0,"include_trace":false}',
         {"k": 3, "temperature": 0.0, "include_trace": False}),
        (b'{"compliance":{"jurisdiction":["EU"],"zzz":null}}', {"compliance": {"jurisdiction": ["EU"], "zzz": None}}),
        (b'{"compliance":"GDPR"}', {"compliance": "GDPR"}),
        ('{"messages":[{"role":"user","content":"é 🦉 \\u0000 \\ud83e\\udd89"}]}'.encode(),
         {"messages": [{"role": "user", "content": "é 🦉 \x00 🦉"}]}),
        (b'{"brain_config":' + b"[" * 30 + b"]" * 30 + b"}", {"brain_config": json.loads("[" * 30 + "]" * 30)}),
    ],
    ids=lambda value: repr(value)[:40],
)  # fmt: skip
async def test_what_is_right_arrives_as_it_was_sent(stack: Stack, body: bytes, seen: object) -> None:
    assert (await stack.orchestrate(body)).status == 200
    request = json_format.MessageToDict(stack.executor.calls[0].request, preserving_proto_field_name=True)
    assert request == seen


async def test_many_keys_are_read_in_bounded_time_and_memory(stack: Stack) -> None:
    before = await stack.stat("server.memory_allocated")
    body = b'{"brain_config":{%s}}' % b",".join(b'"%d":1' % number for number in range(80_000))
    assert (await stack.orchestrate(body)).status == 200
    assert await stack.stat("server.memory_allocated") - before < 64 << 20


@pytest.mark.parametrize(
    "content_type",
    ["application/x-www-form-urlencoded", "text/plain", "application/json; charset=utf-8", "application/grpc"],
)
async def test_a_body_is_json_whatever_its_content_type_says(stack: Stack, content_type: str) -> None:
    assert (await stack.orchestrate(ASK, content_type=content_type)).status == 200
    assert len(stack.executor.calls[0].request.messages) == 1
    async with http2.connect(stack.port) as connection:
        headers = [("authorization", f"Bearer {KEY}"), ("content-type", content_type)]
        assert (await connection.request(1, "POST", "/v2/orchestrate", headers, ASK)).status == 200


@pytest.mark.parametrize(
    "query",
    ["?max_tokens=5&policy=depth", "?k=x", "?messages=1", "?a=b", "?%00", "?messages.role=user&stream=true", "??"],
)
async def test_the_query_sets_nothing(stack: Stack, query: str) -> None:
    assert (await stack.orchestrate(b"{}", path=f"/v2/orchestrate{query}")).status == 200
    assert json_format.MessageToDict(stack.executor.calls[0].request) == {}


async def test_the_query_of_a_proof_sets_nothing(stack: Stack) -> None:
    assert (await stack.request("GET", "/v1/proof/prysm-0?id=prysm-1")).status == 200
    assert stack.proof.calls[0].request.id == "prysm-0"


async def test_an_offer_to_upgrade_is_ignored(stack: Stack) -> None:
    for protocol in ("websocket", "h2c"):
        assert (await stack.orchestrate(ASK, connection="upgrade", upgrade=protocol)).status == 200
