"""The whole service with the smallest real model."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import stat
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import aiohttp

    from local.conftest import Service

pytestmark = pytest.mark.models

CHAT = "/v1/chat/completions"


def body(text: str = "Say hello.", **more: Any) -> dict[str, Any]:
    return {"model": "smol", "messages": [{"role": "user", "content": text}], "max_tokens": 8, **more}


#: Takes the model half a minute, if nobody stops it.
ENDLESS = body("Count.", max_tokens=4000, ignore_eos=True, stream=True)


async def events(answer: aiohttp.ClientResponse) -> list[str]:
    lines = (await answer.text()).split("\n\n")
    assert lines.pop() == ""
    return [line.removeprefix("data: ") for line in lines]


async def test_a_chat_is_answered_as_openai_does(service: Service) -> None:
    async with service.session() as session, session.post(CHAT, json=body(temperature=0, logprobs=True)) as answer:
        assert answer.status == 200
        said = await answer.json()
    (choice,) = said["choices"]
    assert said["object"] == "chat.completion"
    assert said["model"] == "smol"
    assert choice["message"]["role"] == "assistant"
    assert choice["finish_reason"] == "length"
    assert said["usage"]["completion_tokens"] == 8
    assert "".join(token["token"] for token in choice["logprobs"]["content"]) == choice["message"]["content"]


async def test_a_stream_says_the_same_in_pieces(service: Service) -> None:
    async with service.session() as session:
        async with session.post(CHAT, json=body(temperature=0, cache_prompt=False)) as answer:
            whole = await answer.json()
        ask = body(temperature=0, cache_prompt=False, stream=True, stream_options={"include_usage": True})
        async with session.post(CHAT, json=ask) as answer:
            assert answer.content_type == "text/event-stream"
            *pieces, end = await events(answer)
    assert end == "[DONE]"
    chunks = [json.loads(piece) for piece in pieces]
    assert {chunk["model"] for chunk in chunks} == {"smol"}
    text = "".join(choice["delta"].get("content") or "" for chunk in chunks for choice in chunk["choices"])
    assert text == whole["choices"][0]["message"]["content"]
    assert chunks[-1]["usage"]["completion_tokens"] == whole["usage"]["completion_tokens"]
    assert not chunks[-1]["choices"]


async def test_a_seed_gives_the_same_text_also_when_asked_at_once(service: Service) -> None:
    async def once(session: aiohttp.ClientSession) -> str:
        ask = body("Tell a story.", seed=7, temperature=0.9, max_tokens=24, cache_prompt=False)
        async with session.post(CHAT, json=ask) as answer:
            text: str = (await answer.json())["choices"][0]["message"]["content"]
            return text

    async with service.session() as session:
        assert len(set(await asyncio.gather(*(once(session) for _ in range(4))))) == 1


async def test_an_answer_keeps_to_a_schema(service: Service) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer", "maximum": 9}}, "required": ["n"]}
    kind = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    ask = body("A number?", response_format=kind, max_tokens=40)
    async with service.session() as session, session.post(CHAT, json=ask) as answer:
        said = await answer.json()
    assert isinstance(json.loads(said["choices"][0]["message"]["content"])["n"], int)


@pytest.mark.parametrize(
    ("ask", "status", "code", "message"),
    [
        ({**body(), "model": "other"}, 404, "model_not_found", "there are: smol"),
        (body("word " * 5000), 400, "context_length_exceeded", "exceeds the available context size (1024 tokens)"),
        (body("word " * 5000, stream=True), 400, "context_length_exceeded", "exceeds the available context size"),
        (body(temperature="hot"), 400, None, "temperature"),
        (body(n=2), 400, None, "n"),
        (body("\ud800"), 400, None, "parse"),
        (body(response_format={"type": "json_schema", "json_schema": {"schema": {"type": "no"}}}), 400, None, "schema"),
    ],
)
async def test_a_request_that_can_not_be_answered_says_why(
    service: Service, ask: dict[str, Any], status: int, code: str | None, message: str
) -> None:
    async with service.session() as session, session.post(CHAT, json=ask) as answer:
        assert answer.status == status
        error = (await answer.json())["error"]
    assert error["code"] == code
    assert message in error["message"]


async def test_bad_json_large_bodies_and_unknown_paths_have_openai_s_errors(service: Service) -> None:
    async with service.session() as session:
        async with session.post(CHAT, data=b"{") as answer:
            assert answer.status == 400
            assert (await answer.json())["error"]["message"] == "the body is not JSON"
        async with session.post(CHAT, data=io.BytesIO(bytes((2 << 20) + 1))) as answer:
            assert answer.status == 413
            assert "more than 2097152 bytes" in (await answer.json())["error"]["message"]
        async with session.get("/v2") as answer:
            assert answer.status == 404
            assert (await answer.json())["error"]["type"] == "not_found_error"


async def test_the_models_are_listed(service: Service) -> None:
    async with service.session() as session, session.get("/v1/models") as answer:
        assert [model["id"] for model in (await answer.json())["data"]] == ["smol"]


async def seconds_of_one_token(session: aiohttp.ClientSession, clock: Callable[[], float]) -> float:
    """Return how long a short request takes now, waiting for the model included."""
    began = clock()
    async with session.post(CHAT, json=body(max_tokens=1)) as answer:
        assert answer.status == 200
    return clock() - began


@pytest.mark.parametrize("streams", [True, False])
async def test_a_model_is_free_within_a_second_after_a_client_hung_up(
    service: Service, clock: Callable[[], float], streams: bool
) -> None:
    async with service.session() as session:
        usual = await seconds_of_one_token(session, clock)
        if streams:
            async with session.post(CHAT, json=ENDLESS) as answer:
                await answer.content.readline()
        else:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await session.post(CHAT, json={**ENDLESS, "stream": False})
        assert await seconds_of_one_token(session, clock) < 1 + 5 * usual


async def test_a_model_is_free_within_a_second_after_a_client_hung_up_while_its_prompt_was_read(
    service: Service, clock: Callable[[], float]
) -> None:
    long = body("one two three four " * 200, max_tokens=1, cache_prompt=False)
    async with service.session() as session:
        usual = await seconds_of_one_token(session, clock)
        began = clock()
        async with session.post(CHAT, json=long) as answer:
            assert answer.status == 200
        whole = clock() - began
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(whole / 4):
                await session.post(CHAT, json=long)
        assert await seconds_of_one_token(session, clock) < 1 + 5 * usual


async def test_the_socket_is_ours_alone_and_logs_hold_no_text(run: Any, smol: Path) -> None:
    with run(OPENPRYSM_LOCAL_MODELS="off", OPENPRYSM_GGUF=f"smol={smol}") as service:
        await service.healthy()
        assert stat.S_IMODE(service.socket.stat().st_mode) == 0o600
        assert stat.S_IMODE(service.socket.parent.stat().st_mode) == 0o700
        async with service.session() as session:
            async with session.post(CHAT, json=body("Say xylophone.", grammar="xylophone")) as answer:
                assert answer.status == 400
            async with session.post(CHAT, json=body("Say xylophone.")) as answer:
                assert answer.status == 200
        status, log = service.stop()
    assert status == 0
    assert not service.socket.exists()
    assert "xylophone" not in log
    assert {json.loads(line)["event"] for line in log.splitlines()} >= {"listening", "serving", "chat", "stopped"}


async def test_sigterm_lets_a_running_answer_finish_and_refuses_what_waits(run: Any, smol: Path) -> None:
    with run(OPENPRYSM_LOCAL_MODELS="off", OPENPRYSM_GGUF=f"smol={smol}") as service:
        await service.healthy()
        async with service.session() as session:
            async with session.post(CHAT, json={**ENDLESS, "max_tokens": 300}) as answer:
                await answer.content.readline()
                waiting = asyncio.create_task(session.post(CHAT, json=body()))
                while (await service.state())["waiting"]["smol"] == 0:
                    await asyncio.sleep(0.02)
                service.process.send_signal(signal.SIGTERM)
                assert (await events(answer))[-1] == "[DONE]"
            assert (await waiting).status == 503
        assert await asyncio.to_thread(service.process.wait, 10) == 0


async def test_sigterm_cuts_an_answer_that_outlasts_the_grace(run: Any, smol: Path, clock: Callable[[], float]) -> None:
    settings = {"OPENPRYSM_LOCAL_MODELS": "off", "OPENPRYSM_GGUF": f"smol={smol}", "OPENPRYSM_STOP_GRACE_S": 0.3}
    with run(**settings) as service:
        await service.healthy()
        async with service.session() as session, session.post(CHAT, json=ENDLESS) as answer:
            await answer.content.readline()
            began = clock()
            assert (await asyncio.to_thread(service.stop))[0] == 0
            assert clock() - began < 5


async def test_ctrl_c_while_loading_is_no_failure(run: Any, smol: Path) -> None:
    with run(OPENPRYSM_LOCAL_MODELS="off", OPENPRYSM_GGUF=f"smol={smol}") as service:
        async with asyncio.timeout(30):
            while await service.health() is None:
                await asyncio.sleep(0.005)
        status, log = await asyncio.to_thread(service.stop, signal.SIGINT)
    assert status == 0
    assert "Traceback" not in log


async def test_a_file_that_llama_cpp_refuses_is_one_line(run: Any, tmp_path: Path) -> None:
    (tmp_path / "bad.gguf").write_bytes(b"GGUF" + bytes(100))
    with run(OPENPRYSM_LOCAL_MODELS="off", OPENPRYSM_GGUF=f"bad={tmp_path}/bad.gguf") as service:
        log = (await asyncio.to_thread(service.process.communicate))[1]
        assert service.process.returncode == 1
        assert not service.socket.exists()
    assert log.splitlines()[-1] == "local: bad can't be loaded: llama.cpp refuses the file"
    assert "Traceback" not in log


async def test_two_services_do_not_share_an_address(run: Any) -> None:
    with run(OPENPRYSM_LOCAL_MODELS="off") as service:
        await service.healthy()
        with run(OPENPRYSM_LOCAL_MODELS="off", OPENPRYSM_LOCAL_LISTEN=f"unix:{service.socket}") as other:
            log = (await asyncio.to_thread(other.process.communicate))[1]
            assert other.process.returncode == 1
        assert log.splitlines()[-1] == f"local: can't listen on unix:{service.socket}: somebody does already"
        assert await service.health() == 200


def test_fetching_when_nothing_is_needed_succeeds() -> None:
    quiet = {**os.environ, "OPENPRYSM_LOCAL_MODELS": "off"}
    done = subprocess.run(
        [sys.executable, "-m", "local", "fetch"], env=quiet, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_any_other_command_is_refused() -> None:
    wrong = subprocess.run([sys.executable, "-m", "local", "fly"], capture_output=True, text=True, check=False)
    assert (wrong.returncode, wrong.stderr) == (1, "usage: python -m local [fetch]\n")
