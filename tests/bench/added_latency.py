"""`make bench`: what the suite adds to an instant upstream, on one connection, with signing and tracing on.

Prints a JSON line for each shape: milliseconds of wall clock through the suite, less the wall clock of the same number
of calls straight to the upstream in sequence (one for single, two for an ensemble: proposers, then the writer).
"""

from __future__ import annotations

import http.client
import json
import statistics
import sys
import time
from pathlib import Path
from typing import Any

from cli.collector import Collector
from system.suite import serving
from system.upstream import Upstream

_WARM_UP = 100
_REQUESTS = 1_000


def _times(
    connection: http.client.HTTPConnection, path: str, body: dict[str, Any], headers: dict[str, str]
) -> list[float]:
    data = json.dumps(body)
    times = []
    for index in range(_WARM_UP + _REQUESTS):
        began = time.perf_counter()
        connection.request("POST", path, data, headers)
        answer = connection.getresponse()
        answer.read()
        if answer.status != http.client.OK:
            sys.exit(f"the suite answered {answer.status}")
        if index >= _WARM_UP:
            times.append((time.perf_counter() - began) * 1e3)
    return times


def _quantiles(times: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100)
    return {"p50": round(cuts[49], 3), "p95": round(cuts[94], 3), "p99": round(cuts[98], 3)}


def _resident_mb(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    return round(int(status.split("VmRSS:")[1].split()[0]) / 1024, 1)


def main() -> None:
    """Measure and print."""
    question = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
    with Upstream() as upstream, Collector() as collector:
        traces = {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{collector.port}",
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
        }
        with serving({**upstream.environment, **traces, "OPENPRYSM_RATE_LIMIT_PER_MINUTE": "1000000"}) as suite:
            direct = http.client.HTTPConnection("127.0.0.1", upstream.port)
            alone = _times(direct, "/v1/chat/completions", {**question, "model": "x"}, {})
            print(json.dumps({"what": "upstream alone", "ms": _quantiles(alone)}))
            through = http.client.HTTPConnection(suite.url.removeprefix("http://"))
            shapes: dict[str, tuple[dict[str, Any], int]] = {
                "single": ({"strategy": "single"}, 1),
                "ensemble_moa k=3": ({"strategy": "ensemble_moa", "k": 3}, 2),
            }
            for name, (fields, rounds) in shapes.items():
                wall = _times(through, "/v2/orchestrate", {**question, **fields}, suite.headers)
                own = statistics.median(alone) * rounds
                added = _quantiles([took - own for took in wall])
                print(json.dumps({"what": name, "wall_ms": _quantiles(wall), "added_ms": added}))
            names = ("planner", "proof", "executor", "gateway")
            print(json.dumps({"what": "resident MB", **{name: _resident_mb(suite.pid_of(name)) for name in names}}))


if __name__ == "__main__":
    main()
