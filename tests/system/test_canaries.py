"""Canaries in prompt, answer, API key and the client's name: they sing nowhere but where they belong."""

from __future__ import annotations

import asyncio
import json
import subprocess
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from chassis.config import Settings, run_dir
from proof import tiles
from system.suite import OPENPRYSM, wait_until
from system.upstream import fails, says

if TYPE_CHECKING:
    from cli.collector import Collector
    from system.suite import Suite
    from system.upstream import Upstream

pytestmark = pytest.mark.system

_PROMPT, _ANSWER, _CLIENT = "canary-prompt-7f3a", "canary-answer-91bc", "canary-client-e40d"
_TRACE = "5b8aa5a2d2c872e8321cf37308d69df2"
#: Who the clients are, and the developer's own key.
_OF_CLIENTS = {"keys.json", "dev-key"}


def _body(**fields: Any) -> dict[str, Any]:
    messages = [{"role": "system", "content": _PROMPT}, {"role": "user", "content": f"{_PROMPT}: who are you?"}]
    return {"messages": messages, "strategy": "ensemble_moa", "include_trace": True, **fields}


async def _shown(suite: Suite, request_id: str) -> bytes:
    """Return all that anybody may read of the proofs."""
    paths = [f"/v1/proof/{request_id}", "/checkpoint", "/log.vkey"]
    paths += [f"/.well-known/{name}" for name in ("jwks.json", "prysm/trusted_root.json")]
    async with aiohttp.ClientSession() as client:
        async with client.get(f"{suite.url}/checkpoint") as newest:
            size = int((await newest.text()).split("\n")[1])
        for level in (None, 0):
            for number in range(-(-size // tiles.WIDTH)):
                width = min(tiles.WIDTH, size - number * tiles.WIDTH)
                paths.append(f"/tile/{tiles.path_of(tiles.Tile(level, number, width))}")
        shown = b""
        for path in paths:
            async with client.get(f"{suite.url}{path}") as got:
                assert got.status == 200, path
                shown += str(got.headers).encode() + await got.read()
    return shown


async def _stats(suite: Suite) -> bytes:
    """Return the gateway's own metrics."""
    socket = run_dir(Settings(state=suite.state)) / "gateway-admin.sock"
    connector = aiohttp.UnixConnector(str(socket))
    async with aiohttp.ClientSession("http://admin", connector=connector) as client, client.get("/stats") as got:
        return await got.read()


async def test_no_canary_is_in_a_public_proof_a_file_a_span_a_metric_or_an_error(
    suite: Suite, upstream: Upstream, collector: Collector
) -> None:
    made = subprocess.run(
        [OPENPRYSM, "keys", "create", _CLIENT],
        env={"OPENPRYSM_STATE": str(suite.state), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    )
    key = made.stdout.strip()
    headers = {"authorization": f"Bearer {key}", "traceparent": f"00-{_TRACE}-b7ad6b7169203331-01"}
    upstream.scripts["*"] = [says(f"{_ANSWER} is my name."), fails(503), says(f"{_ANSWER} is my name.")]
    status, good = await suite.post(_body(), {**headers, "idempotency-key": f"{_CLIENT}-1"})
    assert status == 200
    assert _ANSWER in good["choices"][0]["message"]["content"]

    errors = []
    upstream.scripts["*"] = [fails(500)]
    for body, extra in (
        (_body(), {}),  # every provider fails, quoting what it got
        (_body(policy=_PROMPT), {}),
        (_body(k=_PROMPT), {}),
        (_body(messages=[{"role": _PROMPT, "content": _PROMPT}]), {}),
        (_body(compliance={_PROMPT: _PROMPT}), {}),
        (_body(), {"authorization": f"Bearer {key}x"}),
        (_body(max_tokens=1), {"idempotency-key": f"{_CLIENT}-1"}),  # another body under the same key
    ):
        status, said = await suite.post(body, {**headers, **extra})
        assert status >= 400
        errors.append(json.dumps(said))
    upstream.reset()
    upstream.scripts["*"] = [says(f"{_ANSWER} streamed.")]
    async with (
        aiohttp.ClientSession() as client,
        client.post(
            f"{suite.url}/v2/orchestrate",
            json=_body(strategy="single"),
            headers={**headers, "accept": "text/event-stream"},
        ) as got,
    ):
        assert _ANSWER in (await got.text())

    wait_until(lambda: any(span.service == "openprysm-proof" for span in collector.of(_TRACE)))
    await asyncio.sleep(0.5)  # the access log and the last spans are written behind
    secret = key.split("_", 3)[3]
    public = await _shown(suite, good["id"]) + await _stats(suite) + "".join(errors).encode()
    public += repr(collector.spans).encode() + "".join(suite.lines).encode()
    files = [path for path in suite.state.rglob("*") if path.is_file() and path.name not in _OF_CLIENTS]
    assert {"proof.db", "executor.log", "gateway.log", "proof.log", "planner.log"} <= {path.name for path in files}
    for canary in (_PROMPT, _ANSWER, _CLIENT, secret, "canary-provider-words", "canary-key"):
        assert canary.encode() not in public, canary
        for path in files:
            assert canary.encode() not in path.read_bytes(), (canary, path.name)
    nonce = good["prysm"]["proof"]["nonce"]
    assert nonce.encode() not in public
    assert bytes.fromhex(nonce) not in public
