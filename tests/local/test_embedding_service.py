"""The whole service with the embedding model and no other."""

from __future__ import annotations

import asyncio
import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx2 as httpx
import pytest
from openai import AsyncOpenAI

if TYPE_CHECKING:
    from collections.abc import Iterator

    from local.conftest import Service

pytestmark = pytest.mark.models

EMBEDDINGS = "/v1/embeddings"
MODEL = "all-minilm-l6-v2"


@pytest.fixture(scope="module")
def environment(embedder_files: tuple[Path, ...]) -> dict[str, str]:
    return {
        "OPENPRYSM_LOCAL_MODELS": "off",
        "OPENPRYSM_EMBEDDINGS": "local",
        "OPENPRYSM_WEIGHTS": str(embedder_files[0].parent),
    }


@pytest.fixture
def embedder(run: Any, environment: dict[str, str]) -> Iterator[Service]:
    with run(**environment) as service:
        asyncio.run(service.healthy())
        yield service


def test_texts_become_vectors_with_usage_and_the_log_holds_no_text(run: Any, environment: dict[str, str]) -> None:
    async def ask(service: Service) -> Any:
        await service.healthy()
        body = {"model": MODEL, "input": ["Say xylophone.", "x"], "encoding_format": "float"}
        async with service.session() as session, session.post(EMBEDDINGS, json=body) as answer:
            assert answer.status == 200
            return await answer.json()

    with run(**environment) as service:
        said = asyncio.run(ask(service))
        status, log = service.stop()
    assert [(one["index"], len(one["embedding"])) for one in said["data"]] == [(0, 384), (1, 384)]
    assert said["model"] == MODEL
    assert said["usage"] == {"prompt_tokens": 10, "total_tokens": 10}
    assert status == 0
    assert "xylophone" not in log
    assert {json.loads(line)["event"] for line in log.splitlines()} >= {"serving", "embeddings", "stopped"}


def test_openai_s_own_client_reads_it(embedder: Service) -> None:
    async def ask() -> list[list[float]]:
        transport = httpx.AsyncHTTPTransport(uds=str(embedder.socket))
        async with AsyncOpenAI(
            api_key="none", base_url="http://local/v1", http_client=httpx.AsyncClient(transport=transport)
        ) as client:
            # Without a format the client asks for base64.
            answers = [
                await client.embeddings.create(model=MODEL, input="Hi"),
                await client.embeddings.create(model=MODEL, input=["Hi"], encoding_format="float"),
            ]
            return [answer.data[0].embedding for answer in answers]

    in_base64, in_json = asyncio.run(ask())
    assert in_base64 == pytest.approx(in_json)


def test_it_is_no_model_that_chats(embedder: Service) -> None:
    async def look() -> None:
        async with embedder.session() as session:
            async with session.get("/v1/models") as answer:
                assert (await answer.json())["data"] == []
            chat = {"model": MODEL, "messages": [{"role": "user", "content": "Hi"}]}
            async with session.post("/v1/chat/completions", json=chat) as answer:
                assert answer.status == 404
            async with session.post(EMBEDDINGS, json={"model": "other", "input": "Hi"}) as answer:
                assert answer.status == 404
                assert f"there are: {MODEL}" in (await answer.json())["error"]["message"]
            async with session.post(EMBEDDINGS, json={"model": MODEL, "input": ""}) as answer:
                assert answer.status == 400
                assert (await answer.json())["error"]["type"] == "invalid_request_error"

    asyncio.run(look())


def test_a_client_that_hangs_up_leaves_the_model_free_and_health_answers_meanwhile(embedder: Service) -> None:
    async def look() -> None:
        short = {"model": MODEL, "input": "x"}
        long = {"model": MODEL, "input": [f"{number} word" * 300 for number in range(256)]}
        async with embedder.session() as session:
            asking = asyncio.create_task(session.post(EMBEDDINGS, json=long))
            # A short text that has to wait tells that the long ones have begun.
            async with asyncio.timeout(10):
                waiting = asyncio.create_task(session.post(EMBEDDINGS, json=short))
                while (await embedder.state())["waiting"][MODEL] == 0:
                    if waiting.done():
                        waiting = asyncio.create_task(session.post(EMBEDDINGS, json=short))
                    await asyncio.sleep(0.01)
            waiting.cancel()
            asking.cancel()
            async with asyncio.timeout(5), session.post(EMBEDDINGS, json=short) as answer:
                assert answer.status == 200

    asyncio.run(look())


def test_an_engine_that_is_killed_comes_back(embedder: Service) -> None:
    pid = embedder.process.pid
    (engine,) = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii").split()
    os.kill(int(engine), signal.SIGKILL)

    async def answered() -> None:
        async with asyncio.timeout(30), embedder.session() as session:
            while True:
                async with session.post(EMBEDDINGS, json={"model": MODEL, "input": "x"}) as answer:
                    if answer.status == 200:
                        return
                    assert answer.status == 503
                await asyncio.sleep(0.02)

    asyncio.run(answered())


def test_without_the_setting_there_is_none(run: Any) -> None:
    async def ask(service: Service) -> None:
        await service.healthy()
        async with service.session() as session, session.post(EMBEDDINGS, json={"model": MODEL, "input": "x"}) as got:
            assert got.status == 404
            assert "OPENPRYSM_EMBEDDINGS=local" in (await got.json())["error"]["message"]

    with run(OPENPRYSM_LOCAL_MODELS="off", OPENPRYSM_EMBEDDINGS="off") as service:
        asyncio.run(ask(service))
