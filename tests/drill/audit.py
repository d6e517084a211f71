"""At the end: every acknowledged answer has its proof, and every proof holds."""

from __future__ import annotations

import asyncio
import json
import time
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from proof import trust, verify

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drill.ledger import Told

_AT_ONCE: Final = 16
#: Seconds after which an executor has tried again to have a kept run signed.
_PROMISE_S: Final = 20.0


async def _proof(client: aiohttp.ClientSession, url: str) -> tuple[int, Any]:
    """Look a proof up, and again while it is not there: one that was promised may still be on its way."""
    until = time.monotonic() + _PROMISE_S
    while True:
        async with client.get(url) as response:
            body: Any = json.loads(await response.read())
        if response.status != 404 or time.monotonic() > until:
            return response.status, body
        await asyncio.sleep(0.5)


async def lost(urls: Sequence[str], answered: Sequence[Told]) -> list[str]:
    """Look every answer's proof up and check it offline; return a line for each that is missing or does not hold."""
    found: list[str] = []
    waiting = iter(enumerate(answered))
    async with aiohttp.ClientSession() as client:
        async with client.get(f"{urls[0]}/.well-known/prysm/trusted_root.json") as response:
            log = trust.read_trusted_root(await response.read())
        async with client.get(f"{urls[0]}/.well-known/jwks.json") as response:
            believed = trust.Trust(trust.read_jwks(await response.read()), log)

        async def look() -> None:
            for number, told in waiting:
                status, body = await _proof(client, f"{urls[number % len(urls)]}/v1/proof/{told.id}")
                if status != 200 or not body["verified"]:
                    found.append(f"{told.id}: {status} {body}")
                    continue
                # A promised proof's transcript is gone with its answer.
                transcript = told.transcript.encode() if told.transcript else None
                checks = verify.verify(body, believed, transcript)
                if not verify.verified(checks):
                    found.append(f"{told.id}: {[check for check in checks if check.status == 'fail']}")

        await asyncio.gather(*(look() for _ in range(_AT_ONCE)))
    return found
