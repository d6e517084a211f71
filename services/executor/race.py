"""A race of two calls for one answer: the second starts when the first is late, and the loser is cancelled."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from executor.chat import CallError

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

    from executor.plan import Model
    from executor.reply import Reply
    from executor.speech import Speech


@dataclass(frozen=True)
class Outcome:
    """Who answered."""

    reply: Reply
    by_spare: bool
    #: What became of the first call, when it failed.
    failure: CallError | None = None


async def first_to_answer(
    first: Coroutine[None, None, Reply],
    spare: Callable[[], Coroutine[None, None, Reply] | None],
    spare_model: Model,
    patience_s: float,
    speech: Speech | None,
) -> Outcome:
    """Await `first`; when it is late, `spare` as well, and return the answer that is there first.

    Args:
        first: the planned call.
        spare: starts the second one, or returns None when it may not.
        spare_model: whom the second one asks; not the first one's.
        patience_s: seconds after which the first call is late, if it has written nothing: criticism before an answer
            is no delay.
        speech: who has the floor has won, however long the rest of the answer takes.

    Raises:
        CallError: neither answered; what became of the first.
    """
    planned: asyncio.Task[Reply] = asyncio.ensure_future(first)
    racing = [planned]
    stirred, begun = [], []
    if speech:
        speech.stirred.clear()  # an earlier call may have written something before it failed
        stirred, begun = [asyncio.ensure_future(speech.stirred.wait())], [asyncio.ensure_future(speech.begun.wait())]
    try:
        await asyncio.wait([planned, *stirred], timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
        if planned.done() or (speech and speech.stirred.is_set()) or (second := spare()) is None:
            return Outcome(await planned, by_spare=False)
        racing.append(asyncio.ensure_future(second))
        await asyncio.wait([*racing, *begun], return_when=asyncio.FIRST_COMPLETED)
        if speech and speech.speaker:
            winner = racing[speech.speaker.model is spare_model]
            racing[winner is planned].cancel()
            return Outcome(await winner, winner is not planned)
        return await _first_answer(planned, racing[1])
    finally:
        for task in (*racing, *stirred, *begun):
            task.cancel()
        # Waited for, so that a cancelled stage is settled before anybody counts.
        await asyncio.gather(*racing, *stirred, *begun, return_exceptions=True)


async def _first_answer(planned: asyncio.Task[Reply], spare: asyncio.Task[Reply]) -> Outcome:
    await asyncio.wait([planned, spare], return_when=asyncio.FIRST_COMPLETED)
    one, other = (planned, spare) if planned.done() else (spare, planned)
    try:
        return Outcome(await one, one is spare)
    except CallError as error:
        try:
            return Outcome(await other, other is spare, error if one is planned else None)
        except CallError:
            return Outcome(await planned, by_spare=False)  # raises what became of it
