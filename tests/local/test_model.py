"""The queue and the life of an engine, with an engine that does as it is told."""

from __future__ import annotations

import asyncio
import sys
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest

from local import model as modelling
from local.chat import ChatError
from local.model import Model, ModelError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

ENGINE = """
import json, os, sys

def send(message):
    print(json.dumps(message), flush=True)

if sys.argv[1] == "bad":
    send({"failed": "because"})
    sys.exit()
if sys.argv[1] == "crash":
    os._exit(3)
send({"ready": True})
UNTIL = {"hold": "stop", "slow": "go", "deaf": "never"}
for line in sys.stdin:
    message = json.loads(line)
    if "request" not in message:
        continue
    what = message["request"]["what"]
    if what == "die":
        os._exit(3)
    if what == "refuse":
        send({"error": {"code": 400, "message": "no"}})
    else:
        send({"chunk": {"what": what}})
    if what in UNTIL:
        while UNTIL[what] not in json.loads(sys.stdin.readline()):
            pass
    send({"done": True})
"""


@asynccontextmanager
async def running(behaviour: str = "good", queue: int = 32) -> AsyncIterator[Model]:
    model = Model("m", [sys.executable, "-c", ENGINE, behaviour], queue=queue)
    work = asyncio.create_task(model.run())
    try:
        await asyncio.wait_for(model.loaded.wait(), 30)
        yield model
    finally:
        work.cancel()
        await asyncio.wait({work})


async def ask(model: Model, what: str) -> list[dict[str, Any]]:
    async with aclosing(model.chat({"what": what})) as chunks:
        return [chunk async for chunk in chunks]


async def hold(model: Model) -> asyncio.Task[list[dict[str, Any]]]:
    """Start a request that ends only when it is stopped, and wait until it has begun."""
    task = asyncio.create_task(ask(model, "hold"))
    async with asyncio.timeout(30):
        while not model._turn.locked():
            await asyncio.sleep(0)
    return task


async def turns_of_the_loop() -> None:
    """Let everybody do what needs no engine."""
    for _ in range(20):
        await asyncio.sleep(0)


async def test_requests_are_answered_in_the_order_in_which_they_came() -> None:
    async with running() as model:
        first = await hold(model)
        order: list[int] = []

        async def one(number: int) -> None:
            await ask(model, str(number))
            order.append(number)

        async with asyncio.TaskGroup() as group:
            for number in range(10):
                group.create_task(one(number))
                await asyncio.sleep(0)
            first.cancel()
        assert order == list(range(10))


async def test_more_than_the_queue_holds_are_refused_with_429() -> None:
    async with running(queue=2) as model:
        first = await hold(model)
        waiting = [asyncio.create_task(ask(model, "x")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(ChatError) as refusal:
            await ask(model, "y")
        assert (refusal.value.status, refusal.value.code) == (429, "queue_full")
        assert refusal.value.retry_after_s
        assert refusal.value.retry_after_s >= 1
        # Who leaves makes room.
        waiting[0].cancel()
        await asyncio.wait({waiting[0]})
        late = asyncio.create_task(ask(model, "z"))
        await asyncio.sleep(0)
        first.cancel()
        assert await late == [{"what": "z"}]
        assert await waiting[1] == [{"what": "x"}]


async def test_who_leaves_while_being_answered_stops_the_engine() -> None:
    async with running() as model:
        (await hold(model)).cancel()
        assert await asyncio.wait_for(ask(model, "x"), 5) == [{"what": "x"}]


async def test_who_reads_no_further_stops_the_engine() -> None:
    async with running() as model:
        async with aclosing(model.chat({"what": "hold"})) as chunks:
            assert await anext(chunks) == {"what": "hold"}
        assert await ask(model, "x") == [{"what": "x"}]


@pytest.mark.parametrize("listening", [True, False], ids=["and is cancelled twice", "and is cancelled once"])
async def test_who_is_cancelled_while_the_engine_is_being_stopped_hands_on_no_busy_engine(listening: bool) -> None:
    begun = asyncio.Event()

    async def leave(model: Model) -> None:
        async with aclosing(model.chat({"what": "slow"})) as chunks:
            await anext(chunks)
            begun.set()
            if listening:
                await anext(chunks)

    async with running() as model, asyncio.timeout(30):
        leaver = asyncio.create_task(leave(model))
        await begun.wait()
        for _ in range(2 if listening else 1):
            leaver.cancel()
            await turns_of_the_loop()
        assert leaver.cancelled()  # although the engine has not stopped yet
        late = asyncio.create_task(ask(model, "x"))
        await turns_of_the_loop()
        assert not late.done()
        assert model.waiting == 1
        assert model._process
        assert model._process.stdin
        model._process.stdin.write(b'{"go": true}\n')
        assert await late == [{"what": "x"}]


async def test_an_engine_that_refuses_answers_the_next_one() -> None:
    async with running() as model:
        with pytest.raises(ChatError, match="no"):
            await ask(model, "refuse")
        assert await ask(model, "x") == [{"what": "x"}]


async def test_an_engine_that_dies_is_loaded_anew() -> None:
    async with running() as model:
        with pytest.raises(ChatError) as refusal:
            await ask(model, "die")
        assert refusal.value.status == 503
        async with asyncio.timeout(30):
            while True:
                try:
                    assert await ask(model, "x") == [{"what": "x"}]
                    break
                except ChatError:
                    await asyncio.sleep(0.01)


async def test_an_engine_that_does_not_stop_is_killed_and_loaded_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(modelling, "_STOP_S", 0.1)
    async with running() as model:
        before = model._process
        async with aclosing(model.chat({"what": "deaf"})) as chunks:
            await anext(chunks)
        async with asyncio.timeout(30):
            while model._process is before or not model.loaded.is_set():
                await asyncio.sleep(0.01)
        assert await ask(model, "x") == [{"what": "x"}]


@pytest.mark.parametrize(("behaviour", "reason"), [("bad", "because"), ("crash", "its engine ended while loading it")])
async def test_an_engine_that_can_not_load_is_one_line(behaviour: str, reason: str) -> None:
    model = Model("m", [sys.executable, "-c", ENGINE, behaviour], queue=1)
    with pytest.raises(ModelError, match=f"m can't be loaded: {reason}"):
        await model.run()


async def test_a_model_that_is_not_loaded_says_so() -> None:
    model = Model("m", ["x"], queue=1)
    with pytest.raises(ChatError, match="m is being loaded") as refusal:
        await ask(model, "x")
    assert refusal.value.status == 503


async def test_who_still_waits_when_the_service_stops_is_refused() -> None:
    async with running() as model:
        first = await hold(model)
        late = asyncio.create_task(ask(model, "x"))
        await asyncio.sleep(0)
        model.stopping = True
        first.cancel()
        with pytest.raises(ChatError, match="stopping"):
            await late
