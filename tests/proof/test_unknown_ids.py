"""Ids that are nobody's, random, near to others' and malformed: no hit, and nothing to be learnt from the time.

`make drill-ids` asks for a hundred thousand and prints what each kind takes; the suite asks for fewer, and holds no
clock.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import time
from typing import TYPE_CHECKING

import grpc

from openprysm.proof.v2 import proof_pb2

from .processes import connected
from .records import record
from .wire import sign_request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest

    from .processes import Start

_ASKED = int(os.environ.get("DRILL_IDS", "1500"))
_STORED = 300
_DIGITS = "0123456789abcdef"
_random = random.Random(4)  # noqa: S311 - the same ids each time


def _id() -> str:
    return f"prysm-{_random.getrandbits(128):032x}"


def _near(known: str) -> str:
    """Return an id with one digit of another one's changed."""
    place = _random.randrange(6, len(known))
    digit = _random.choice(_DIGITS.replace(known[place], ""))
    return known[:place] + digit + known[place + 1 :]


def _next(known: str) -> str:
    return f"prysm-{int(known[6:], 16) + _random.choice((-1, 1)):032x}"


def _malformed(known: str) -> str:
    """Return what is as long as an id, and none."""
    place = _random.randrange(len(known))
    return known[:place] + _random.choice("gG-_ é%'") + known[place + 1 :]


_KINDS: dict[str, Callable[[str], str]] = {
    "random": lambda _: _id(),
    "one digit off": _near,
    "the next one": _next,
    "malformed": _malformed,
}


async def test_ids_that_are_nobodys_find_nothing(
    folder: Path, start: Start, capsys: pytest.CaptureFixture[str]
) -> None:
    await start()
    known = [_id() for _ in range(_STORED)]
    times: dict[str, list[float]] = {kind: [] for kind in _KINDS}
    answers = set()
    async with connected(folder) as stub:
        for request_id in known:
            await stub.Sign(sign_request(record(request_id=request_id)), wait_for_ready=True)
        for _ in range(_ASKED // len(_KINDS)):
            for kind, make in _random.sample(
                sorted(_KINDS.items()), len(_KINDS)
            ):  # in turn: what drifts, drifts for all
                wanted = make(_random.choice(known))
                if wanted in known:
                    continue
                began = time.perf_counter_ns()
                try:
                    await stub.Get(proof_pb2.GetRequest(id=wanted))
                except grpc.aio.AioRpcError as error:
                    times[kind].append((time.perf_counter_ns() - began) / 1e3)
                    answers.add((error.code(), error.details()))
                else:
                    raise AssertionError(wanted)
    assert answers == {(grpc.StatusCode.NOT_FOUND, "no proof has this id")}
    with capsys.disabled():
        if "DRILL_IDS" in os.environ:
            for kind, took in times.items():
                cuts = statistics.quantiles(took, n=20)
                shown = {"asked": len(took), "p50_us": round(cuts[9], 1), "p95_us": round(cuts[18], 1)}
                print(json.dumps({"ids": kind, **shown}))  # noqa: T201 - a drill prints
