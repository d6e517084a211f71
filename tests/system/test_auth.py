"""Who gets in, and who does not: the negative matrix, through the real gateway."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from system.suite import OPENPRYSM, wait_until

if TYPE_CHECKING:
    from system.suite import Suite
    from system.upstream import Upstream

pytestmark = pytest.mark.system

BODY = json.dumps({"messages": [{"role": "user", "content": "What is the capital of France?"}]})


def raw_request(suite: Suite, path: str, headers: list[str], body: str = BODY) -> tuple[int, str]:
    """Send bytes as they are, since clients normalise what these tests are about."""
    host, port = suite.url.removeprefix("http://").split(":")
    lines = [f"POST {path} HTTP/1.1", f"host: {host}", f"content-length: {len(body)}", "connection: close", *headers]
    with socket.create_connection((host, int(port)), timeout=20) as connection:
        connection.sendall(("\r\n".join(lines) + "\r\n\r\n" + body).encode("latin-1"))
        with connection.makefile("rb") as stream:
            head = b"".join(iter(stream.readline, b"\r\n")).decode()
            length = re.search(r"content-length: (\d+)", head)
            text = head + stream.read(int(length[1]) if length else -1).decode()
    return int(text.split(" ", 2)[1]), text


GOOD = "{key}"
MATRIX = {
    "no key": [],
    "empty header": ["authorization:"],
    "empty bearer": ["authorization: Bearer "],
    "bare key": [f"authorization: {GOOD}"],
    "basic scheme": [f"authorization: Basic {GOOD}"],
    "token scheme": [f"authorization: Token {GOOD}"],
    "key with a suffix": [f"authorization: Bearer {GOOD}x"],
    "key cut short": ["authorization: Bearer prysm_sk_0123456789abcdef_short"],
    "unknown key": ["authorization: Bearer prysm_sk_0123456789abcdef_" + "A" * 43],
    "two keys in one header": [f"authorization: Bearer {GOOD} {GOOD}"],
    "two keys by comma": [f"authorization: Bearer {GOOD}, Bearer {GOOD}"],
    "duplicate header": [f"authorization: Bearer {GOOD}", f"authorization: Bearer {GOOD}"],
    "duplicate header, one bad": [f"authorization: Bearer {GOOD}", "authorization: Bearer x"],
    "sql": ["authorization: Bearer ' OR 1=1--"],
    "another header": [f"x-api-key: {GOOD}", f"api-key: {GOOD}"],
    "spoofed identity": ["x-client-id: root", "x-prysm-client: root", "x-internal-auth: 1", "x-forwarded-user: root"],
    "spoofed gateway headers": ["x-envoy-internal: true", "x-envoy-original-path: /healthz"],
    "spoofed address": ["x-forwarded-for: 127.0.0.1", "forwarded: for=127.0.0.1"],
    "grpc content type": ["content-type: application/grpc", "te: trailers"],
}  # fmt: skip


@pytest.mark.parametrize("name", MATRIX)
async def test_nobody_gets_in_without_a_key_in_its_place(suite: Suite, upstream: Upstream, name: str) -> None:
    headers = [header.replace(GOOD, suite.key) for header in MATRIX[name]]
    status, text = raw_request(suite, "/v2/orchestrate", headers)
    assert status == 401, text
    assert '{"detail":{"error":"invalid_api_key",' in text
    assert "www-authenticate: Bearer" in text
    assert not upstream.calls


@pytest.mark.parametrize(
    "path",
    [
        "/openprysm.orchestration.v2.OrchestrationService/Orchestrate",
        "/openprysm.orchestration.v2.OrchestrationStreamService/StreamOrchestrate",
        "/openprysm.proof.v2.ProofService/Sign",
        "/openprysm.proof.v2.ProofService/Get",
        "/openprysm.planner.v1.PlannerService/Plan",
        "/openprysm.executor.v1.ExecutorService/Execute",
        "/grpc.health.v1.Health/Check",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/v2/orchestrate/",
        "/v2//orchestrate",
        "/v2/orchestrate/../orchestrate/x",
    ],
)
@pytest.mark.parametrize("content_type", ["application/json", "application/grpc"])
async def test_no_grpc_path_leads_through_the_gateway(
    suite: Suite, upstream: Upstream, path: str, content_type: str
) -> None:
    for headers in ([f"authorization: Bearer {suite.key}"], []):
        status, text = raw_request(suite, path, [*headers, f"content-type: {content_type}"])
        assert status in {400, 401, 404} or (path == "/v2//orchestrate" and headers and status == 200), text
    if path != "/v2//orchestrate":
        assert not upstream.calls


async def test_a_good_key_gets_in_whatever_the_scheme_is_written_like(suite: Suite) -> None:
    for scheme in ("Bearer", "bearer", "BEARER"):
        status, text = raw_request(suite, "/v2/orchestrate", [f"authorization: {scheme} {suite.key}"])
        assert status == 200, text


async def test_a_spoofed_request_id_and_timeout_do_not_reach_the_answer(suite: Suite) -> None:
    status, text = raw_request(
        suite,
        "/v2/orchestrate",
        [f"authorization: Bearer {suite.key}", 'x-request-id: a","error":"pwned', "grpc-timeout: 1n"],
    )
    assert status == 200, text
    assert "pwned" not in text


async def test_a_revoked_key_is_refused_within_five_seconds(suite: Suite) -> None:
    environment = {**os.environ, "OPENPRYSM_STATE": str(suite.state)}

    def keys(*words: str) -> str:
        run = subprocess.run([OPENPRYSM, "keys", *words], env=environment, capture_output=True, text=True, check=True)
        return run.stdout.strip()

    key = keys("create", "a-test")
    assert raw_request(suite, "/v2/orchestrate", [f"authorization: Bearer {key}"])[0] == 200
    key_id = key.split("_")[2]
    assert key_id in keys("list")
    assert key not in keys("list")
    keys("revoke", key_id)
    wait_until(lambda: raw_request(suite, "/v2/orchestrate", [f"authorization: Bearer {key}"])[0] == 401, 5)
