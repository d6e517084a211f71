"""A client that asks for a stream gets the orchestration as it happens, and the same answer at its end."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from typing import TYPE_CHECKING, Any

import grpc
import openai
import pytest
from google.protobuf import json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from cli import checking
from openprysm.orchestration.v2 import orchestration_pb2 as pb
from openprysm.orchestration.v2 import orchestration_pb2_grpc
from proof import verify
from system.events import QUESTION, common, events_of, read, streaming
from system.roles import plays
from system.suite import wait_until
from system.upstream import cuts, fails, hangs, says

if TYPE_CHECKING:
    from system.suite import Suite
    from system.upstream import Upstream

pytestmark = pytest.mark.system

TRACE = "1af7651916cd43dd8448eb211c80319c"


def keys_of(value: Any, *, ordered: bool = True) -> Any:
    """Return all keys; those of stages and bundle are of maps, which have no order, and a path may be longer."""
    if isinstance(value, dict):
        pairs = [
            (key, keys_of(item, ordered=ordered and key not in ("stages", "bundle")))
            for key, item in value.items()
            if key != "hashes"
        ]
        return pairs if ordered else sorted(pairs)
    return [keys_of(item, ordered=ordered) for item in value] if isinstance(value, list) else None


async def test_a_stream_tells_plan_stages_and_answer_in_order(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [says("It is Paris.\n\n🦉")]
    events = await events_of(suite, strategy="single", policy="depth")
    assert [event["type"] for event in events if event["type"] != "answer.delta"] == [
        "plan", "stage.started", "stage.completed", "result",
    ]  # fmt: skip
    plan, started, completed = (events[0]["plan"], *(event["stage"] for event in events if "stage" in event))
    assert (plan["strategy"], plan["policy"]) == ("single", "depth")
    assert plan["models"][0] == started["model"] == completed["model"]
    assert (started["status"], completed["status"], completed["prompt_tokens"]) == ("running", "ok", 20)
    assert completed == events[-1]["result"]["prysm"]["stages"][0]
    assert events[-1]["result"]["rationale"] == plan["rationale"]


async def test_the_stages_of_an_ensemble_are_each_told_twice(suite: Suite) -> None:
    events = await events_of(suite, strategy="ensemble_moa", policy="depth")
    stages = [(event["type"], event["stage"]["index"]) for event in events if "stage" in event]
    assert sorted(stages) == sorted((f"stage.{what}", n) for what in ("started", "completed") for n in range(4))
    for number in range(4):
        assert stages.index(("stage.started", number)) < stages.index(("stage.completed", number))
    assert stages.index(("stage.completed", 0)) < stages.index(("stage.started", 3))


@pytest.mark.parametrize("include_trace", [True, False])
async def test_the_result_is_the_single_answer(suite: Suite, *, include_trace: bool) -> None:
    question: dict[str, Any] = {"strategy": "single", "policy": "depth", "include_trace": include_trace}
    streamed, unary = (await events_of(suite, **question))[-1]["result"], await suite.ask(**question)
    assert keys_of(streamed) == keys_of(unary)
    assert common(streamed) == common(unary)


async def test_the_proof_of_a_stream_is_public_and_holds_offline(suite: Suite) -> None:
    events = await events_of(suite, {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}, strategy="ensemble_moa")
    answer = events[-1]["result"]
    assert answer["prysm"]["trace_id"] == TRACE
    status, public = await suite.get(answer["prysm"]["proof"]["verify_url"])
    assert (status, public["verified"], public["request_id"]) == (200, True, answer["id"])
    checks = verify.verify(public, checking.own(suite.state), answer["prysm"]["proof"]["transcript"].encode())
    assert [check.status for check in checks] == ["pass"] * 9


@pytest.mark.parametrize(
    ("fields", "accept", "content_type"),
    [
        ({"stream": True}, "*/*", "text/event-stream"),
        ({"stream": False}, "text/event-stream", "text/event-stream"),
        ({"stream": True}, "application/json", "text/event-stream"),
        ({"stream": False}, "application/json", "application/json"),
        ({"stream": None}, "*/*", "application/json"),
    ],
)
async def test_the_body_or_the_accept_header_asks_for_it(
    suite: Suite, fields: dict[str, Any], accept: str, content_type: str
) -> None:
    async with streaming(suite, {"accept": accept}, **fields) as got:
        assert (got.status, got.content_type) == (200, content_type)
        await got.read()


@pytest.mark.parametrize(
    ("fields", "key", "status", "error"),
    [
        ({"messages": []}, None, 400, "no_messages"),
        ({}, "prysm_sk_0123456789abcdef_" + "x" * 43, 401, "invalid_api_key"),
        ({}, "nonsense", 401, "invalid_api_key"),
        ({"k": 9}, None, 422, "invalid_request"),
        ({"stream": "yes"}, None, 422, "invalid_request"),
        ({"stream": 1}, None, 422, "invalid_request"),
        ({"policy": "cheap"}, None, 422, "invalid_request"),
    ],
)
async def test_what_is_wrong_before_the_first_event_is_a_plain_error(
    suite: Suite, upstream: Upstream, fields: dict[str, Any], key: str | None, status: int, error: str
) -> None:
    headers = {"authorization": f"Bearer {key or suite.key}"}
    async with streaming(suite, headers, **fields) as got:
        body = await got.json()
        assert (got.status, got.content_type, body["detail"]["error"]) == (status, "application/json", error)
        assert body["detail"]["request_id"] == got.headers["x-request-id"]
    assert not upstream.calls


async def test_the_executor_itself_asks_for_the_key_and_lists_the_service(suite: Suite, upstream: Upstream) -> None:
    name = pb.DESCRIPTOR.services_by_name["OrchestrationStreamService"].full_name
    request = json_format.ParseDict({"messages": QUESTION}, pb.OrchestrateRequest())
    async with grpc.aio.insecure_channel(f"unix:{suite.state}/run/executor.sock") as channel:
        stub = orchestration_pb2_grpc.OrchestrationStreamServiceStub(channel)
        for metadata in ((), (("authorization", "Bearer prysm_sk_0123456789abcdef_" + "x" * 43),)):
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await anext(aiter(stub.StreamOrchestrate(request, metadata=metadata, timeout=20)))
            assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
        assert not upstream.calls
        anyone: Any = channel  # the stubs know channels of threads alone
        health: Any = health_pb2_grpc.HealthStub(anyone)
        health = await health.Check(health_pb2.HealthCheckRequest(service=name))
        assert health.status == health_pb2.HealthCheckResponse.SERVING
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(anyone)
        listing: Any = reflection_pb2
        asked = [listing.ServerReflectionRequest(list_services="")]
        (listed,) = [reply async for reply in reflection.ServerReflectionInfo(iter(asked))]
        assert name in {service.name for service in listed.list_services_response.service}


async def test_what_goes_wrong_later_is_the_error_body_as_an_event(suite: Suite, upstream: Upstream) -> None:
    for script, error in ((fails(500), "all_models_failed"), (hangs(), "deadline_exceeded")):
        upstream.scripts["*"] = [script]
        async with streaming(suite, strategy="single") as got:
            events = read(await got.text())
            request_id = got.headers["x-request-id"]
        assert (got.status, events[-1]["type"], events[-1]["detail"]["error"]) == (200, "error", error)
        assert list(events[-1]["detail"]) == ["error", "message", "request_id"]
        assert events[-1]["detail"]["request_id"] == request_id
        assert "canary" not in json.dumps(events)


async def test_white_space_is_no_first_word_after_which_nobody_else_could_answer(
    suite: Suite, upstream: Upstream
) -> None:
    upstream.scripts["*"] = [says(" \n"), says("Paris.")]
    events = await events_of(suite, strategy="single")
    assert events[-1]["result"]["choices"][0]["message"]["content"] == "Paris."
    told = events[-1]["result"]["prysm"]["orchestration"]["degradations"]
    assert [item["reason"] for item in told] == ["empty_answer"]


async def test_an_answer_that_breaks_off_does_not_say_that_every_call_failed(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [plays(writer=cuts("They agree.\nFINAL ANSWER:\nParis is the"))]
    async with streaming(suite, strategy="ensemble_moa") as got:
        detail = read(await got.text())[-1]["detail"]
    assert detail["error"] == "all_models_failed"
    assert detail["message"] == "the answer broke off after its first words: bad_response"


async def test_a_client_that_leaves_has_its_model_calls_cancelled_within_a_second(
    suite: Suite, upstream: Upstream
) -> None:
    upstream.scripts["*"] = [hangs()]
    async with streaming(suite, strategy="ensemble_moa", k=3) as got:
        while len(upstream.calls) < 3:
            await got.content.readline()
        got.close()
    left = time.monotonic()
    wait_until(lambda: all(call.cancelled for call in upstream.calls), 5)
    assert time.monotonic() - left < 1


async def test_streams_at_once_do_not_mix(suite: Suite) -> None:
    streams = await asyncio.gather(*(events_of(suite, strategy="ensemble_moa", k=2) for _ in range(4)))
    ids = {events[-1]["result"]["id"] for events in streams}
    assert len(ids) == 4
    for events in streams:
        told = [event["stage"] for event in events if event["type"] == "stage.completed"]
        assert sorted(told, key=lambda stage: stage["index"]) == events[-1]["result"]["prysm"]["stages"]


async def test_a_slow_reader_gets_all_of_it(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [says("Paris, " * 30_000)]
    text = b""
    async with streaming(suite, strategy="single") as got:
        while chunk := await got.content.read(8192):
            text += chunk
            await asyncio.sleep(0.005)
    assert read(text.decode())[-1]["result"]["choices"][0]["message"]["content"].startswith("Paris, ")


def test_curl_shows_the_events(suite: Suite) -> None:
    body = json.dumps({"messages": QUESTION, "stream": True, "strategy": "single"})
    got = subprocess.run(
        ["curl", "-sSN", f"{suite.url}/v2/orchestrate", "-H", f"Authorization: Bearer {suite.key}", "-d", body],
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    assert read(got.stdout)[-1]["type"] == "result"


def test_the_openai_client_reads_the_events(suite: Suite) -> None:
    with openai.OpenAI(api_key=suite.key, base_url=f"{suite.url}/v2") as client:
        stream = client.post(
            "/orchestrate",
            cast_to=object,
            body={"messages": QUESTION, "stream": True, "strategy": "single"},
            stream=True,
            stream_cls=openai.Stream[object],
        )
        events: list[Any] = list(stream)
    assert events[-1]["type"] == "result"
    assert "Paris" in events[-1]["result"]["choices"][0]["message"]["content"]
