"""Nothing without the shape of a key reaches a service. `envoy --mode validate` cannot tell, these tests can."""

from __future__ import annotations

import json
from io import BytesIO
from typing import TYPE_CHECKING

import pytest

from gateway import http2
from gateway.stack import ASK, KEY

if TYPE_CHECKING:
    from gateway.stack import Stack

pytestmark = [pytest.mark.system, pytest.mark.asyncio(loop_scope="module")]

GOOD = f"Bearer {KEY}"
SECRET = "s" * 32
BAD_AUTHORIZATION = [
    "",
    "Bearer",
    "Bearer ",
    KEY,
    f"Basic {KEY}",
    f"Token {KEY}",
    f"Bearer{KEY}",
    f"Bearer\t{KEY}",
    f"{GOOD} x",
    f"{GOOD},",
    f"x {GOOD}",
    f"{GOOD}, {GOOD}",
    f"{GOOD}/../",
    f"Bearer {KEY.upper()}",
    f"Bearer sk_{KEY}",
    f"Bearer prysm_sk_{SECRET}",
    f"Bearer prysm_sk_short_{SECRET}",
    f"Bearer prysm_sk_01234567_{'s' * 31}",
    f"Bearer prysm_sk_01234567_{'s' * 129}",
    f"Bearer prysm_sk_{'0' * 33}_{SECRET}",
    f"Bearer prysm_sk_0123-567_{SECRET}",
    f"Bearer prysm_sk_01234567_{SECRET}'--",
    f"Bearer prysm_sk_01234567_{SECRET}%00",
    f"Bearer prysm_sk_01234567_{SECRET}é",
    f"Bearer \u0442{KEY}",
    f"Bearer prysm_sk_01234567_{'s' * 20_000}",
]
GRPC_PATHS = [
    "/openprysm.orchestration.v2.OrchestrationService/Orchestrate",
    "/openprysm.orchestration.v2.OrchestrationStreamService/StreamOrchestrate",
    "/openprysm.proof.v2.ProofService/Sign",
    "/openprysm.proof.v2.ProofService/Get",
    "/grpc.health.v1.Health/Check",
    "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
]
TRICKS = [
    "/v2%2forchestrate",
    "/v2%5corchestrate",
    "/v2/orchestrate%00",
    "/v2/orchestrate%20",
    "/v2/orchestrate;a=b",
    "/v2/orchestrate#a",
    "/v2\\orchestrate\\x",
    "//openprysm.proof.v2.ProofService/Sign",
    "/v2/orchestrate/../../openprysm.proof.v2.ProofService/Sign",
    "/%6fpenprysm.proof.v2.ProofService/Sign",
    "/v1/proof/a%2fb",
    "/v1/proof/%ff",
    "/v1/proof/a%20b",
]
#: Spellings of the one path: each needs a key like the path itself.
SPELLINGS = [
    "/v2/orchestrate",
    "//v2//orchestrate",
    "/v2/./orchestrate",
    "/v1/../v2/orchestrate",
    "/v2/orchestrat%65",
    "/%762/orchestrate",
    "/v2/orchestrate?key=prysm_sk_x",
    "/v2/orchestrate?",
]


def _refused(reply: http2.Response, stack: Stack) -> None:
    assert (reply.status, json.loads(reply.body)["detail"]["error"]) == (401, "invalid_api_key")
    assert stack.untouched


@pytest.mark.parametrize("value", BAD_AUTHORIZATION)
async def test_what_has_not_the_shape_of_a_key_is_refused(stack: Stack, value: str) -> None:
    line = b"authorization: %s\r\n" % value.encode()
    reply = await stack.raw(
        b"POST /v2/orchestrate HTTP/1.1\r\nhost: a\r\n%scontent-length: %d\r\n\r\n%s" % (line, len(ASK), ASK)
    )
    assert (reply.status, reply.error) == (401, "invalid_api_key")
    assert reply.headers["www-authenticate"] == "bearer"
    assert stack.untouched


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("authorization", GOOD), ("authorization", GOOD)],
        [("authorization", GOOD), ("authorization", "Bearer x")],
        [("x-api-key", KEY)],
        [("cookie", f"authorization={GOOD}")],
        [("proxy-authorization", GOOD)],
        [("authorization_", GOOD)],
        [("x-client-id", "root"), ("x-internal-user", "root"), ("x-prysm-client", "root")],
        [("x-envoy-original-path", "/healthz"), ("x-envoy-internal", "true"), ("x-forwarded-for", "127.0.0.1")],
        [("x-http-method-override", "GET"), ("x-original-url", "/healthz"), ("x-rewrite-url", "/healthz")],
    ],
)
async def test_a_key_is_one_authorization_header_and_nothing_else(stack: Stack, headers: list[tuple[str, str]]) -> None:
    reply = await stack.request("POST", "/v2/orchestrate", ASK, headers)
    assert (reply.status, reply.error) == (401, "invalid_api_key")
    async with http2.connect(stack.port) as connection:
        _refused(await connection.request(1, "POST", "/v2/orchestrate", headers, ASK), stack)


@pytest.mark.parametrize("value", [GOOD, f"bearer {KEY}", f"BEARER {KEY}", f"Bearer   {KEY}"])
async def test_a_good_key_arrives_in_one_spelling(stack: Stack, value: str) -> None:
    assert (await stack.orchestrate(authorization=value)).status == 200
    assert stack.executor.calls[0].metadata["authorization"] == [GOOD]


async def test_a_key_that_only_the_executor_can_judge_is_judged_there(stack: Stack) -> None:
    reply = await stack.orchestrate(authorization=f"Bearer prysm_sk_unknown0_{SECRET}")
    assert (reply.status, len(stack.executor.calls)) == (200, 1)


@pytest.mark.parametrize("path", SPELLINGS)
async def test_every_spelling_of_the_path_needs_the_key(stack: Stack, path: str) -> None:
    request = f"POST {path} HTTP/1.1\r\nhost: a\r\ncontent-length: 0\r\n".encode()
    reply = await stack.raw(request + b"\r\n")
    assert (reply.status, reply.error) == (401, "invalid_api_key")
    async with http2.connect(stack.port) as connection:
        _refused(await connection.request(1, "POST", path, []), stack)
    reply = await stack.raw(request + f"authorization: {GOOD}\r\n\r\n".encode())
    assert (reply.status, len(stack.executor.calls)) == (200, 1)


@pytest.mark.parametrize("path", TRICKS)
@pytest.mark.parametrize("headers", [[], [("authorization", GOOD)]])
async def test_no_trick_with_the_path_reaches_a_service(
    stack: Stack, path: str, headers: list[tuple[str, str]]
) -> None:
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    for method in ("POST", "GET"):
        reply = await stack.raw(f"{method} {path} HTTP/1.1\r\nhost: a\r\n{lines}content-length: 0\r\n\r\n".encode())
        assert (reply.status, reply.error) == (404, "not_found")
        async with http2.connect(stack.port) as connection:
            status, body = await connection.request(1, method, path, headers)
            assert (status, json.loads(body)["detail"]["error"]) == (404, "not_found")
    assert stack.untouched


@pytest.mark.parametrize("path", GRPC_PATHS)
@pytest.mark.parametrize(
    "content_type", ["application/grpc", "application/grpc+proto", "application/grpc-web", "text/x"]
)
async def test_the_services_own_paths_are_not_there(stack: Stack, path: str, content_type: str) -> None:
    headers = [("content-type", content_type), ("te", "trailers"), ("authorization", GOOD)]
    reply = await stack.request("POST", path, b"\0\0\0\0\0", headers)
    assert (reply.status, reply.error) == (404, "not_found")
    async with http2.connect(stack.port) as connection:
        status, body = await connection.request(1, "POST", path, headers, b"\0\0\0\0\0")
        assert (status, json.loads(body)["detail"]["error"]) == (404, "not_found")
    assert stack.untouched


@pytest.mark.parametrize(
    ("method", "path", "authorization", "status", "error"),
    [
        ("POST", "/v2/orchestrate", "", 401, "invalid_api_key"),
        ("POST", "/v2/orchestrate", GOOD, 422, "invalid_request"),
        ("GET", "/v2/orchestrate", GOOD, 405, "method_not_allowed"),
        ("POST", "/v1/proof/prysm-0", "", 405, "method_not_allowed"),
        ("POST", "/v2%2forchestrate", GOOD, 404, "not_found"),
        ("POST", "/healthz", "", 405, "method_not_allowed"),
    ],
)
async def test_a_client_that_says_grpc_gets_the_same_errors(
    stack: Stack, method: str, path: str, authorization: str, status: int, error: str
) -> None:
    headers = [("content-type", "application/grpc"), ("authorization", authorization)]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    data = f"{method} {path} HTTP/1.1\r\nhost: a\r\n{lines}content-length: 5\r\n\r\n\0\0\0\0\0".encode()
    reply = await stack.raw(data)
    assert (reply.status, reply.error) == (status, error)
    async with http2.connect(stack.port) as connection:
        code, body = await connection.request(1, method, path, headers, b"\0\0\0\0\0")
        assert (code, json.loads(body)["detail"]["error"]) == (status, error)
    assert stack.untouched


async def test_a_stranger_is_refused_before_the_body_is_read(stack: Stack) -> None:
    head = b"POST /v2/orchestrate HTTP/1.1\r\nhost: a\r\ncontent-length: 1000000\r\n\r\n"
    reply = await stack.raw(head)
    assert (reply.status, reply.error) == (401, "invalid_api_key")


@pytest.mark.parametrize("path", ["/healthz", "/v1/proof/prysm-0", "/checkpoint", "/.well-known/jwks.json"])
async def test_public_paths_need_no_key_and_pass_none_on(stack: Stack, path: str) -> None:
    assert (await stack.request("GET", path)).status == 200
    assert (await stack.request("GET", path, headers={"authorization": GOOD})).status == 200
    assert all("authorization" not in call.metadata for call in stack.proof.calls)


async def test_big_bodies_of_strangers_are_refused_too(stack: Stack) -> None:
    reply = await stack.request("POST", "/v2/orchestrate", BytesIO(b"x" * (3 << 20)))
    assert (reply.status, reply.error) == (401, "invalid_api_key")
