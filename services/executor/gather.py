"""Waiting for several calls: for enough of them, then a little longer, then no more."""

from __future__ import annotations

import asyncio
import math
from typing import TYPE_CHECKING, Final

from executor.chat import CallError

if TYPE_CHECKING:
    from collections.abc import Coroutine, Sequence

    from executor.reply import Reply

#: Part of the calls whose answers are enough.
_QUORUM: Final = 2 / 3
#: Seconds of grace at least, and as a multiple of the time that the quorum took.
_GRACE_S: Final = 1.0
_GRACE_FACTOR: Final = 1.5
_PAIR: Final = 2
#: Of two calls one is a quorum of little worth: the other one gets more time.
_PAIR_GRACE_S: Final = 3.0
_PAIR_GRACE_FACTOR: Final = 2.0


async def gather(calls: Sequence[Coroutine[None, None, Reply]]) -> list[Reply | CallError | None]:
    """Run calls at once and return each one's reply or error in order, None for a straggler that was cancelled.

    Cancelling this cancels all of them.
    """
    loop = asyncio.get_running_loop()
    began = loop.time()
    tasks = [asyncio.ensure_future(call) for call in calls]
    pending, answered, alive = set(tasks), 0, len(tasks)
    until: float | None = None
    try:
        while pending and (until is None or loop.time() < until):
            timeout = None if until is None else until - loop.time()
            done, pending = await asyncio.wait(pending, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            ended = [task for task in done if not task.cancelled()]  # a call that cancelled itself did not answer
            for task in ended:
                if not isinstance(task.exception(), CallError):
                    task.result()  # a fault of ours goes on: it is not to be taken for a model's
            answers = sum(task.exception() is None for task in ended)
            answered, alive = answered + answers, alive - (len(done) - answers)
            if until is None and (grace := _grace(answered, alive, loop.time() - began)) is not None:
                until = loop.time() + grace
    finally:
        for task in pending:
            task.cancel()
        # Waited for, so that every cancelled stage is settled before anybody counts; all of them, because asyncio logs
        # the text of an exception that nobody looked at.
        await asyncio.gather(*tasks, return_exceptions=True)
    return [None if task.cancelled() else _outcome(task) for task in tasks]


def _grace(answered: int, alive: int, took: float) -> float | None:
    """Return the seconds that are still waited, or None while the answers are too few.

    Args:
        answered: how many have.
        alive: how many have answered or still may; a failure makes the quorum smaller.
        took: seconds so far.
    """
    if not answered or answered < (1 if alive == _PAIR else math.ceil(alive * _QUORUM)):
        return None
    if alive == _PAIR:
        return max(_PAIR_GRACE_S, _PAIR_GRACE_FACTOR * took)
    return max(_GRACE_S, _GRACE_FACTOR * took)


def _outcome(task: asyncio.Future[Reply]) -> Reply | CallError:
    error = task.exception()
    if isinstance(error, CallError):
        return error
    return task.result()
