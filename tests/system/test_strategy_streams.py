"""Every strategy as a stream: the same answer, and its words as they are written."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from system.events import OF_ITS_OWN, events_of
from system.roles import STRATEGIES, plays, said
from system.upstream import says

if TYPE_CHECKING:
    from system.suite import Suite
    from system.upstream import Upstream

pytestmark = pytest.mark.system


def written(raw: str) -> Any:
    """Read JSON so that all of its bytes but white space show: keys in their order, numbers as they were written."""
    return json.loads(raw, object_pairs_hook=_pairs, parse_float=str, parse_int=str)


def _pairs(pairs: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    return [(key, "its own" if key in OF_ITS_OWN else value) for key, value in pairs]


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_a_streamed_result_is_the_unary_one_byte_for_byte_and_its_deltas_are_its_answer(
    suite: Suite, upstream: Upstream, strategy: str
) -> None:
    upstream.scripts["*"] = [says("The sea, the sea, the open sea.\nFINAL ANSWER:\nThe sea is blue.", 30, 9)]
    asked: dict[str, Any] = {
        "strategy": strategy,
        "policy": "efficiency",
        "messages": [{"role": "user", "content": "Write a poem about the sea."}],
    }
    async with aiohttp.ClientSession(headers=suite.headers) as client:
        async with client.post(f"{suite.url}/v2/orchestrate", json=asked) as got:
            unary = await got.text()
        async with client.post(f"{suite.url}/v2/orchestrate", json={**asked, "stream": True}) as got:
            streamed = (await got.text()).rstrip().rpartition("data: ")[2]
    assert " " not in re.sub(r'"(?:[^"\\]|\\.)*"', "", unary + streamed), "no white space is hidden by reading"
    event = dict(written(streamed))
    assert event["type"] == "result"
    assert event["result"] == written(unary)
    events = await events_of(suite, **asked)
    deltas = "".join(event["delta"] for event in events if event["type"] == "answer.delta")
    assert deltas == said(json.loads(unary))


async def test_the_first_words_come_while_the_writer_still_writes(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [
        plays(writer=says("They agree.\nFINAL ANSWER:\nParis is the capital of France, as all say.", every_s=0.05))
    ]
    events = await events_of(suite, strategy="ensemble_moa")
    kinds = [event["type"] for event in events]
    written = next(
        index
        for index, event in enumerate(events)
        if event["type"] == "stage.completed" and event["stage"]["name"] == "aggregate"
    )
    assert kinds.index("answer.delta") < written
    assert "".join(event["delta"] for event in events if event["type"] == "answer.delta") == (
        "Paris is the capital of France, as all say."
    )
