"""What waits for a reader: whole, in order, and little."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from hypothesis import given
from hypothesis import strategies as st

from executor.wire.stream import Stream
from openprysm.orchestration.v2 import orchestration_pb2 as pb

if TYPE_CHECKING:
    from executor.conftest import Lab

#: A step: a piece that is said, a plan that is told (None), or so many events that are taken.
STEPS = st.lists(st.one_of(st.text(max_size=3), st.none(), st.integers(1, 3)), max_size=30)


def response(text: str) -> pb.OrchestrateResponse:
    return pb.OrchestrateResponse(choices=[pb.Choice(message=pb.AnswerMessage(content=text))])


async def take_now(stream: Stream) -> list[pb.StreamOrchestrateResponse]:
    """Take an event if one waits."""
    taking = asyncio.create_task(stream.take())
    await asyncio.sleep(0)
    if not taking.done():
        taking.cancel()
        return []
    event = await taking
    return [event] if event else []


@given(STEPS, st.text(max_size=5))
def test_however_it_is_read_all_comes_once_in_order_and_in_few_events(
    lab: Lab, steps: list[str | int | None], rest: str
) -> None:
    said = "".join(step for step in steps if isinstance(step, str))

    async def read() -> list[pb.StreamOrchestrateResponse]:
        clock = iter(range(10**6))
        stream, plan = Stream(lambda: next(clock)), lab.plan()
        taken: list[pb.StreamOrchestrateResponse] = []
        for step in steps:
            if step is None:
                stream.planned(plan)
            elif isinstance(step, str):
                stream.said(step)
            else:
                for _ in range(step):
                    taken += await take_now(stream)
        stream.answered(response(said + rest))
        stream.end()
        while (event := await stream.take()) is not None:
            taken.append(event)
        return taken

    events = asyncio.run(read())
    assert [event.seq for event in events] == list(range(len(events)))
    assert [event.ts_ms for event in events] == sorted(event.ts_ms for event in events)
    assert events[-1].type == "result"
    assert "".join(event.delta for event in events) == said + rest
    plans = [event.type for event in events].count("plan")
    assert len(events) <= 2 * plans + 2 + sum(step for step in steps if isinstance(step, int))
    # Text and plans alternate as they were told: what was said between two plans is one text between them.
    told = "".join("|" if step is None else step.replace("|", "") for step in steps if not isinstance(step, int))
    read_back = "".join("|" if event.type == "plan" else event.delta.replace("|", "") for event in events)
    assert read_back == told + rest.replace("|", "")


def test_a_reader_waits_until_there_is_something(lab: Lab) -> None:
    async def read() -> None:
        stream = Stream(lambda: 0.0)
        reading = asyncio.create_task(stream.take())
        await asyncio.sleep(0)
        assert not reading.done()
        stream.planned(lab.plan())
        event = await reading
        assert event is not None
        assert event.type == "plan"
        stream.end()
        assert await stream.take() is None

    asyncio.run(read())
