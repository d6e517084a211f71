"""`make soak`: a steady mix for ten minutes, or `SOAK_S` seconds, and what grew: memory, files, threads, the log."""

from __future__ import annotations

import asyncio
import os
import time
from typing import TYPE_CHECKING, Any, Final

from bench import load
from bench.fake import Fake
from bench.meters import descriptors, resident_mb, threads
from bench.rig import SERVICES, Rig, rig

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

_MIX: Final[tuple[dict[str, Any], ...]] = (
    {"strategy": "single"},
    {"strategy": "ensemble_moa", "k": 3},
    {"strategy": "cascade"},
    {},
)
#: Requests a second of each of the mix.
_RATE: Final = 15.0
_LOOK_S: Final = 10.0


def _look(a_rig: Rig) -> dict[str, Any]:
    pids = a_rig.pids
    return {
        "resident_mb": {name: resident_mb(pids[name]) for name in SERVICES},
        "descriptors": {name: descriptors(pids[name]) for name in SERVICES},
        "threads": {name: threads(pids[name]) for name in SERVICES},
        "proof_db_mb": round(sum(file.stat().st_size for file in a_rig.suite.state.glob("proof.db*")) / 2**20, 1),
    }


async def soak() -> AsyncIterator[dict[str, Any]]:
    """Look every ten seconds; at the end, what grew since the first quarter."""
    seconds = float(os.environ.get("SOAK_S", "600"))
    with Fake() as upstream, rig(upstream) as a_rig:
        upstream.takes(0.05)
        began, looks = time.perf_counter(), [_look(a_rig)]
        other = asked = 0
        while (now := time.perf_counter() - began) < seconds:
            done = await asyncio.gather(
                *(load.opened(a_rig.url, a_rig.ask(**fields), _RATE, _LOOK_S, connections=4) for fields in _MIX)
            )
            asked += sum(len(one.replies) + one.broken for one in done)
            other += sum(one.broken + sum(reply.status != 200 for reply in one.replies) for one in done)
            looks.append(_look(a_rig))
            yield {"at_s": round(now + _LOOK_S), "asked": asked, "other": other, **looks[-1]}
        first, last = looks[max(1, len(looks) // 4)], looks[-1]
        grown = {
            kind: {name: round(last[kind][name] - first[kind][name], 1) for name in SERVICES}
            for kind in ("resident_mb", "descriptors", "threads")
        }
        yield {"grown_since_s": round(_LOOK_S * max(1, len(looks) // 4)), **grown,
               "proof_db_mb": round(last["proof_db_mb"] - first["proof_db_mb"], 1)}  # fmt: skip
