"""The fleet: who can be asked, and that its watch over the embedded server survives whatever that answers."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import pytest
from aiohttp import web

from executor.breaker import Breakers
from executor.chat import CallError, ChatRequest
from executor.fleet import Fleet
from executor.settings import ExecutorSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from executor.conftest import Lab

#: Seconds in which anything here has happened, or never will.
PATIENCE_S = 20.0
KEYS = {
    "OPENAI_API_KEY": "openai",
    "ANTHROPIC_API_KEY": "anthropic",
    "GEMINI_API_KEY": "google",
    "MISTRAL_API_KEY": "mistral",
    "DEEPSEEK_API_KEY": "deepseek",
    "XAI_API_KEY": "xai",
}


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)


def settings(state: Path, **fields: Any) -> ExecutorSettings:
    return ExecutorSettings(**{"state": state, "local_models": "off", **fields})


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not condition():
            await asyncio.sleep(0.01)


class Embedded:
    """The embedded models' server: what it answers to `GET /v1/models`."""

    address = ""
    body = b'{"data": []}'
    asked = 0

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.path == "/v1/models"
        self.asked += 1
        return web.Response(body=self.body, content_type="application/json")


@pytest.fixture
async def embedded() -> AsyncIterator[Embedded]:
    server = Embedded()
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    server.address = f"127.0.0.1:{runner.addresses[0][1]}"
    yield server
    await runner.cleanup()


async def test_a_provider_is_offered_when_there_is_a_key(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab: Lab
) -> None:
    for name in KEYS:
        monkeypatch.setenv(name, "sk-canary")
    async with Fleet(settings(tmp_path), Breakers(time.monotonic)) as fleet:
        assert set(fleet.offer().providers) == set(KEYS.values())
        assert len({id(fleet.provider_of(lab.model("m", provider=name))) for name in KEYS.values()}) == 6


async def test_every_vendor_is_asked_in_the_words_that_it_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lab: Lab
) -> None:
    asked: dict[str, dict[str, Any]] = {}

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        asked[request.path.split("/")[1]] = await request.json()
        return web.Response(status=400)

    runner = web.ServerRunner(web.Server(handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    urls = {f"{name}_base_url": f"http://127.0.0.1:{runner.addresses[0][1]}/{name}" for name in KEYS.values()}
    for name in KEYS:
        monkeypatch.setenv(name, "sk-canary")
    async with Fleet(settings(tmp_path, **urls), Breakers(time.monotonic)) as fleet:
        for name in KEYS.values():
            with pytest.raises(CallError, match=r"^rejected: "):
                await fleet.provider_of(lab.model("m", provider=name)).chat(
                    ChatRequest("m", (), 50, 0.7), lambda _: None
                )
    await runner.cleanup()
    assert all(body["stream"] is True for body in asked.values())
    assert [name for name, body in asked.items() if "stream_options" not in body] == ["anthropic", "mistral"]
    assert [name for name, body in asked.items() if "max_completion_tokens" in body] == ["openai"]


async def test_without_keys_nobody_is_offered(tmp_path: Path, lab: Lab) -> None:
    async with Fleet(settings(tmp_path), Breakers(time.monotonic)) as fleet:
        offer = fleet.offer()
        assert (offer.providers, offer.local_models) == ((), ())
        for provider in ("openai", "local", "", "nobody"):
            with pytest.raises(CallError, match=r"^unavailable: "):
                fleet.provider_of(lab.model("m", provider=provider))


async def test_the_operator_s_own_models_are_offered_by_their_id(
    tmp_path: Path, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENPRYSM_MODELS", "one=http://10.0.0.1:8000/v1, two=http://10.0.0.2/v1")
    async with Fleet(settings(tmp_path), Breakers(time.monotonic)) as fleet:
        assert fleet.offer().local_models == ("one", "two")
        one, two = (fleet.provider_of(lab.model(name, provider="local")) for name in ("one", "two"))
        assert one is not two


async def test_who_is_left_alone_is_told(tmp_path: Path) -> None:
    breakers = Breakers(time.monotonic)
    while breakers.admits("a"):
        breakers.failed("a", "unavailable")
    async with Fleet(settings(tmp_path), breakers) as fleet:
        assert fleet.offer().unhealthy == ("a",)


async def test_embedded_models_appear_once_their_server_lists_them(
    tmp_path: Path, embedded: Embedded, lab: Lab
) -> None:
    made = settings(tmp_path, local_models="all", local=embedded.address)
    async with Fleet(made, Breakers(time.monotonic)) as fleet:
        await until(lambda: embedded.asked >= 1)
        assert fleet.offer().local_models == ()
        embedded.body = b'{"data": [{"id": "qwen"}, {"id": "llama"}]}'
        await until(lambda: fleet.offer().local_models == ("qwen", "llama"))
        assert fleet.provider_of(lab.model("qwen", provider="local"))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'{"data": 7}',
        b'{"data": [7]}',
        b'{"data": [{"name": "x"}]}',
        b'{"data":' + b"[" * 200_000,
        b'"\xff"',
    ],
    ids=lambda body: repr(body[:20]),
)
async def test_a_server_that_lists_nonsense_is_asked_again(tmp_path: Path, embedded: Embedded, body: bytes) -> None:
    embedded.body = body
    made = settings(tmp_path, local_models="all", local=embedded.address)
    async with Fleet(made, Breakers(time.monotonic)) as fleet:
        await until(lambda: embedded.asked >= 1)
        embedded.body = b'{"data": [{"id": "qwen"}]}'
        await until(lambda: fleet.offer().local_models == ("qwen",))


async def test_a_server_that_is_not_there_yet_is_waited_for(tmp_path: Path) -> None:
    made = settings(tmp_path, local_models="all", run=tmp_path)
    async with Fleet(made, Breakers(time.monotonic)) as fleet:
        assert fleet.offer().local_models == ()
        server = Embedded()
        server.body = b'{"data": [{"id": "qwen"}]}'
        runner = web.ServerRunner(web.Server(server.handle))
        await runner.setup()
        await web.UnixSite(runner, str(tmp_path / "local.sock")).start()
        await until(lambda: fleet.offer().local_models == ("qwen",))
        await runner.cleanup()


async def test_nobody_makes_vectors_unless_it_is_asked_for(tmp_path: Path) -> None:
    async with Fleet(settings(tmp_path), Breakers(time.monotonic)) as fleet:
        assert fleet.embed is None


class Vectors:
    """A server that makes of every text the same vector."""

    model = ""
    authorization: str | None = None

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        assert request.path == "/v1/embeddings"
        body = await request.json()
        self.model, self.authorization = body["model"], request.headers.get("authorization")
        return web.json_response({"data": [{"index": n, "embedding": [1, 2]} for n in range(len(body["input"]))]})


async def test_the_embedded_server_makes_vectors_even_when_it_has_no_model_that_chats(tmp_path: Path) -> None:
    server = Vectors()
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    await web.UnixSite(runner, str(tmp_path / "local.sock")).start()
    made = settings(tmp_path, embeddings="local", embeddings_api_key="sk-canary", run=tmp_path)
    async with Fleet(made, Breakers(time.monotonic)) as fleet:
        assert fleet.embed
        assert await fleet.embed(["a", "b"]) == [[1, 2], [1, 2]]
        assert fleet.offer().local_models == ()
    await runner.cleanup()
    assert (server.model, server.authorization) == ("all-minilm-l6-v2", None)


async def test_a_server_of_the_operator_s_own_makes_vectors_with_its_key(tmp_path: Path) -> None:
    server = Vectors()
    runner = web.ServerRunner(web.Server(server.handle))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1"
    made = settings(tmp_path, embeddings=f"bge={url}", embeddings_api_key="sk-canary")
    async with Fleet(made, Breakers(time.monotonic)) as fleet:
        assert fleet.embed
        assert await fleet.embed(["a"]) == [[1, 2]]
    await runner.cleanup()
    assert (server.model, server.authorization) == ("bge", "Bearer sk-canary")
