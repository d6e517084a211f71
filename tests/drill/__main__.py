"""`python -m drill [PART]`: the production overlay under load on this machine, and everything that may happen to it.

PART is of the name of an operation; then only these are done.
"""

from __future__ import annotations

import asyncio
import sys
import time
from functools import partial
from typing import TYPE_CHECKING, Final

from drill import audit, operations, usage
from drill.crowd import Balancer, Crowd
from drill.ledger import CUT, CUT_STREAM, Phase, assign
from drill.report import table
from drill.town import ORDER, Town

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    Operation = Callable[[Town, Crowd], Awaitable[str]]

#: Seconds after a blow in which requests may fail.
_WINDOW_S: Final = 8.0


class Drill:
    """The suite, its clients, and what was done to them so far."""

    def __init__(self, town: Town, crowd: Crowd, wanted: str) -> None:
        """Do only what has `wanted` in its name, and all of it when that is empty."""
        self._wanted = wanted
        self._town = town
        self._crowd = crowd
        self._phases: list[Phase] = []

    async def planned(self, name: str, operation: Operation) -> None:
        """Do what must fail no request."""
        if self._wanted not in name:
            return
        began = time.monotonic()
        sys.stderr.write(f"{name} …\n")
        notes = await operation(self._town, self._crowd)
        self._phases.append(Phase(name, began, time.monotonic(), planned=True, notes=notes))

    async def unplanned(self, name: str, make: Callable[[list[float]], Operation], *besides: str) -> None:
        """Do what may fail requests for a while, in documented ways or these."""
        if self._wanted not in name:
            return
        blows: list[float] = []
        began = time.monotonic()
        sys.stderr.write(f"{name} …\n")
        notes = await make(blows)(self._town, self._crowd)
        self._phases.append(
            Phase(name, began, time.monotonic(), False, _WINDOW_S, tuple(blows), frozenset(besides), notes)
        )

    async def everything(self) -> None:
        """Do it all, what was planned first."""
        await self.planned("steady load", usage.processor)
        await self.planned("many requests under way", usage.memory)
        for service in ORDER:
            await self.planned(f"rolling restart: {service}", operations.restarts(service))
        await self.planned("gateway drained, slow requests", operations.drain_with_slow_requests)
        await self.planned("certificates and authority", operations.certificates_change)
        await self.planned("signing key", operations.signing_key_changes)
        await self.planned("API key", operations.api_key_changes)
        for service in ORDER:
            besides = {"executor": (CUT_STREAM,), "gateway": (CUT, CUT_STREAM)}.get(service, ())
            await self.unplanned(f"kill -9: {service}", partial(operations.dies, service), *besides)
        await self.unplanned("database restarted", partial(operations.database_restarts, kill=False))
        await self.unplanned("database killed", partial(operations.database_restarts, kill=True))
        await self.unplanned("a model goes dark", operations.provider_goes_dark)

    async def judge(self) -> list[str]:
        """Print the table, look at every proof, and return what must not be."""
        verdicts = assign(self._phases, self._crowd.told)
        sys.stdout.write(table(verdicts) + "\n")
        answered = [told for told in self._crowd.told if told.id]
        promised = sum(bool(told.failure) for told in answered)
        began = time.monotonic()
        lost = await audit.lost(self._town.urls, answered)
        looked_s = time.monotonic() - began
        sys.stdout.write(
            f"{len(answered) - promised} answers and {promised} promises of a proof: "
            f"{len(answered) - len(lost)} proofs hold; {looked_s:.1f} s to look\n"
        )
        return [*lost[:10], *(line for verdict in verdicts for line in verdict.complaints())]


async def _run(wanted: str) -> list[str]:
    async with Town() as town:
        crowd = Crowd(Balancer(town.urls), town.keys.key)
        drill = Drill(town, crowd, wanted)
        try:
            async with crowd:
                await drill.everything()
        finally:
            complaints = await drill.judge()
            if complaints:
                town.keep = True
                sys.stderr.write(f"logs: {town.folder}\n")
        return complaints


if __name__ == "__main__":
    BEGAN = time.monotonic()
    WRONG = asyncio.run(_run(" ".join(sys.argv[1:])))
    sys.stdout.write(f"{'not ' if WRONG else ''}green in {time.monotonic() - BEGAN:.0f} s\n")
    sys.exit("\n".join(WRONG) or None)
