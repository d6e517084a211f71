"""`make bench`: everything that is measured, or the parts that ARGS names; JSON lines, and a table at the end.

The load comes from a generator of our own in this process (`bench.load`), the upstream is an Envoy (`bench.fake`); both
share the machine with the suite, and their CPU is printed beside the suite's.
"""

from __future__ import annotations

import gc
import json
import sys
import time
from typing import TYPE_CHECKING, Any, Final

import uvloop

from bench import comparing_time, critical_path, parts, planning_time, proofs
from bench.fake import Fake
from bench.soak import soak

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

_MEASURED: Final[dict[str, Callable[[], AsyncIterator[dict[str, Any]]]]] = {
    "fake": parts.fake,
    "strategies": parts.strategies,
    "proposers": parts.proposers,
    "latency": parts.latency,
    "flight": parts.flight,
    "overload": parts.overload,
    "tracing": parts.tracing,
    "peer": parts.peer,
}
#: Only when named: programs of their own, which print their own lines.
_OTHERS: Final[dict[str, Callable[[], None]]] = {
    "planning": planning_time.main,
    "comparing": comparing_time.main,
    "paths": critical_path.main,
    "proofs": proofs.main,
}
_UPSTREAM_PORT: Final = 18_080


async def _measure(name: str, part: Callable[[], AsyncIterator[dict[str, Any]]], rows: list[dict[str, Any]]) -> None:
    async for figures in part():
        row = {"part": name, **figures}
        print(json.dumps(row), flush=True)
        rows.append(row)


def _cell(value: object) -> str:
    if isinstance(value, dict):
        return " ".join(f"{key} {_cell(item)}" for key, item in value.items())
    return str(value)


def _table(rows: list[dict[str, Any]]) -> None:
    """Print the figures, a line each, under the names of their fields."""
    heads: list[str] = []
    for row in rows:
        names = [name for name in row if name != "part"]
        if names != heads:
            heads = names
            print(f"\n{row['part']}: " + " | ".join(heads))
        print("  " + " | ".join(_cell(row[name]) for name in heads))


def _serve_upstream() -> None:
    with Fake(_UPSTREAM_PORT) as upstream:
        print(f"an OpenAI-compatible upstream for a peer: http://127.0.0.1:{upstream.port}/v1; Ctrl-C ends it")
        try:
            time.sleep(86_400)
        except KeyboardInterrupt:
            return


async def _run(names: list[str]) -> None:
    rows: list[dict[str, Any]] = []
    for name in names:
        await _measure(name, _MEASURED.get(name, soak), rows)
    _table(rows)


def main() -> None:
    """Measure and print."""
    names = sys.argv[1:] or list(_MEASURED)
    known = {*_MEASURED, *_OTHERS, "soak", "upstream"}
    if unknown := set(names) - known:
        sys.exit(f"no part {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    gc.disable()  # with what is kept of every reply, a collection takes a tenth of a second, and the load waits for it
    for name in names:
        if name in _OTHERS:
            _OTHERS[name]()
        elif name == "upstream":
            _serve_upstream()
    uvloop.run(_run([name for name in names if name in _MEASURED or name == "soak"]))


if __name__ == "__main__":
    main()
