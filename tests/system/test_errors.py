"""Every row of the error table that exists, through the real gateway, byte by byte."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from system.suite import serving
from system.upstream import fails, hangs, says

if TYPE_CHECKING:
    from collections.abc import Iterator

    from system.suite import Suite
    from system.upstream import Behaviour, Upstream

pytestmark = pytest.mark.system

HELLO = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}


@dataclass(frozen=True)
class Row:
    """One way to fail and what the client gets."""

    status: int
    error: str
    body: Any = None
    method: str = "POST"
    path: str = "/v2/orchestrate"
    key: str | None = "good"
    #: In the message.
    says: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    script: Behaviour | None = None


def hello(**fields: Any) -> dict[str, Any]:
    return {**HELLO, **fields}


def user(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


ROWS = {
    "empty messages": Row(400, "no_messages", {"messages": []}, says="messages"),
    "no messages": Row(400, "no_messages", {}),
    "empty body": Row(400, "no_messages", b""),
    "no key": Row(401, "invalid_api_key", HELLO, key=None, headers={"www-authenticate": "Bearer"}),
    "unknown key": Row(401, "invalid_api_key", HELLO, key="prysm_sk_0123456789abcdef_" + "x" * 43,
                       headers={"www-authenticate": "Bearer"}),
    "unknown path": Row(404, "not_found", None, "GET", "/v9/nothing"),
    "root": Row(404, "not_found", None, "GET", "/"),
    "unknown proof": Row(404, "proof_not_found", None, "GET", "/v1/proof/prysm-" + "0" * 32),
    "malformed proof id": Row(404, "proof_not_found", None, "GET", "/v1/proof/nonsense"),
    "wrong method": Row(405, "method_not_allowed", None, "GET", headers={"allow": "POST"}),
    "deleting a proof": Row(405, "method_not_allowed", None, "DELETE", "/v1/proof/prysm-" + "0" * 32,
                            headers={"allow": "GET"}),
    "too large": Row(413, "payload_too_large", user("x" * (1 << 20))),
    "not JSON": Row(422, "invalid_request", b"{not json"),
    "trailing comma": Row(422, "invalid_request", b'{"messages":[],}'),
    "an array": Row(422, "invalid_request", []),
    "messages is a string": Row(422, "invalid_request", {"messages": "hi"}, says="messages"),
    "a message is a number": Row(422, "invalid_request", {"messages": [1]}, says="messages"),
    "unknown role": Row(422, "invalid_request", {"messages": [{"role": "tool", "content": "x"}]},
                        says="messages[0].role"),
    "content is a number": Row(422, "invalid_request", user(5), says="messages[0].content"),
    "an image": Row(422, "invalid_request", user([{"type": "image_url", "image_url": {"url": "http://x"}}]),
                    says="messages[0].content[0].type"),
    "blank": Row(422, "invalid_request", user("  \n "), says="messages"),
    "257 messages": Row(422, "invalid_request", {"messages": HELLO["messages"] * 257},
                        says="messages: must be at most 256"),
    "unknown policy": Row(422, "invalid_request", hello(policy="fast"), says="policy: must be one of efficiency"),
    "policy is a number": Row(422, "invalid_request", hello(policy=3), says="policy"),
    "unknown strategy": Row(422, "invalid_request", hello(strategy="guess"), says="strategy: must be one of single"),
    "k of 0": Row(422, "invalid_request", hello(k=0), says="k: must be between 1 and 8"),
    "k of 9": Row(422, "invalid_request", hello(k=9), says="k: must be between 1 and 8"),
    "k of a million": Row(422, "invalid_request", hello(k=10**6), says="k"),
    "k is a word": Row(422, "invalid_request", hello(k="two"), says="k"),
    "k is a fraction": Row(422, "invalid_request", hello(k=2.5), says="k"),
    "max_tokens of 0": Row(422, "invalid_request", hello(max_tokens=0), says="max_tokens: must be between 1 and 32768"),
    "max_tokens of 32769": Row(422, "invalid_request", hello(max_tokens=32769), says="max_tokens"),
    "temperature of 2.1": Row(422, "invalid_request", hello(temperature=2.1),
                              says="temperature: must be between 0 and 2"),
    "temperature is NaN": Row(422, "invalid_request", hello(temperature="NaN"), says="temperature"),
    "a free budget": Row(422, "invalid_request", hello(max_cost_usd=0), says="max_cost_usd: must be greater than 0"),
    "an unknown pack": Row(422, "invalid_request", hello(compliance="GDRP"), says="compliance: is not a pack"),
    "an unknown rule": Row(422, "invalid_request", hello(compliance={"jurisdictions": ["EU"]}),
                           says="compliance.jurisdictions: is not a rule"),
    "a rule of the wrong type": Row(422, "invalid_request", hello(compliance={"jurisdiction": "EU"}),
                                    says="compliance.jurisdiction: must be a list"),
    "an impossible policy": Row(422, "no_compliant_model", hello(compliance={"jurisdiction": ["MARS"]}),
                                says="jurisdiction excludes 12"),
    "stream is a word": Row(422, "invalid_request", hello(stream="yes"), says="stream: must be true or false"),
    "all models fail": Row(502, "all_models_failed", HELLO, script=fails(500), says="unavailable"),
    "all models refuse": Row(502, "all_models_failed", hello(strategy="ensemble_moa"), script=fails(401),
                             says="rejected"),
    "no answer in time": Row(504, "deadline_exceeded", hello(strategy="single"), script=hangs()),
}  # fmt: skip


async def send(suite: Suite, row: Row) -> tuple[aiohttp.ClientResponse, bytes]:
    headers = {}
    if row.key:
        headers["authorization"] = f"Bearer {suite.key if row.key == 'good' else row.key}"
    data = (
        io.BytesIO(row.body if isinstance(row.body, bytes) else json.dumps(row.body).encode())
        if row.method == "POST"
        else None
    )
    async with (
        aiohttp.ClientSession() as client,
        client.request(row.method, suite.url + row.path, data=data, headers=headers) as got,
    ):
        return got, await got.read()


def check(row: Row, got: aiohttp.ClientResponse, raw: bytes) -> None:
    said = json.loads(raw)["detail"]
    assert (got.status, said["error"]) == (row.status, row.error), raw
    request_id = got.headers["x-request-id"]
    shape = {"detail": {"error": row.error, "message": said["message"], "request_id": request_id}}
    assert raw == json.dumps(shape, separators=(",", ":"), ensure_ascii=False).encode()
    assert got.headers["content-type"] == "application/json"
    assert row.says in said["message"], said["message"]
    assert said["message"]
    for name, value in row.headers.items():
        assert got.headers[name] == value
    leaks = ("canary", "Traceback", "Exception", "127.0.0.1", "openprysm.", ".py", "grpc")
    assert not [leak for leak in leaks if leak in raw.decode()]
    assert not [name for name in got.headers if name.lower().startswith(("grpc-", "x-envoy-"))]


@pytest.mark.parametrize("name", ROWS)
async def test_error_table(suite: Suite, upstream: Upstream, name: str) -> None:
    row = ROWS[name]
    if row.script:
        upstream.scripts["*"] = [row.script]
    got, raw = await send(suite, row)
    check(row, got, raw)
    assert row.script or not upstream.calls  # a bad request spends nothing


@pytest.fixture(scope="module")
def poor_suite() -> Iterator[Suite]:
    """A suite without any provider, and with a rate limit."""
    with serving({"OPENPRYSM_RATE_LIMIT_PER_MINUTE": "5"}) as running:
        yield running


async def test_no_provider_and_then_the_rate_limit(poor_suite: Suite) -> None:
    for _ in range(5):
        got, raw = await send(poor_suite, Row(0, "", HELLO))
        check(Row(503, "no_provider_available"), got, raw)
    got, raw = await send(poor_suite, Row(0, "", HELLO))
    check(Row(429, "rate_limit_exceeded"), got, raw)
    assert int(got.headers["retry-after"]) > 0


async def test_after_every_error_the_suite_still_answers(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [says("Paris.")]
    body = await suite.ask()
    assert body["choices"][0]["message"]["content"] == "Paris."
