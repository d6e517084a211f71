"""Wall clock of every strategy, less the critical path of the upstream's scripted latencies.

Prints a JSON line for each strategy and latency: what is left, in milliseconds, and the limit of 5 ms and 5 % of the
path. The upstream runs in a process of its own; what it takes itself beyond its script is measured and printed first,
and not taken off. Between requests there is a pause, as between the requests of a person.
"""

from __future__ import annotations

import http.client
import json
import multiprocessing
import statistics
import time
from typing import TYPE_CHECKING, Any

from system.roles import PLAN, STRATEGIES, looking, plays
from system.suite import serving
from system.upstream import Upstream, says

if TYPE_CHECKING:
    from multiprocessing.queues import Queue
    from multiprocessing.synchronize import Event

_LATENCIES_S = (0.05, 0.1, 0.2)
_REQUESTS = 15
_QUESTION = [{"role": "user", "content": "Write a poem about the sea."}]


def _upstream(latency_s: float, environment: Queue[dict[str, str]], done: Event) -> None:
    def late(text: str) -> Any:
        return says(text, after_s=latency_s)

    with Upstream() as upstream:
        upstream.scripts["*"] = [
            plays(
                answerer=looking(lambda body: late(f"I take it to be {body['model']}, for reasons of my own.")),
                judge=late("A"),
                arbiter=late("A"),
                debater=late("DECISION: KEEP\nREASON: It holds.\nFINAL ANSWER:\nas before"),
                writer=late("They differ.\nFINAL ANSWER:\nParis."),
                planner=late(PLAN),
                worker=late("Done."),
                reporter=late("Paris, and 42."),
            )
        ]
        environment.put(upstream.environment)
        done.wait()


def _waves(stages: list[Any], latency_s: float) -> int:
    """Return how many calls are on the longest path: starts that are apart by less than half a call are one wave."""
    starts = sorted(stage["start_ms"] for stage in stages)
    waves, last = 1, starts[0]
    for start in starts:
        if start - last > latency_s * 500:
            waves, last = waves + 1, start
    return waves


def _post(connection: http.client.HTTPConnection, path: str, body: Any, headers: dict[str, str]) -> tuple[float, Any]:
    began = time.perf_counter()
    connection.request("POST", path, json.dumps(body), headers)
    answer = json.loads(connection.getresponse().read())
    return (time.perf_counter() - began) * 1e3, answer


def _measure(latency_s: float, environment: dict[str, str]) -> None:
    own = http.client.HTTPConnection(environment["OPENPRYSM_ANTHROPIC_BASE_URL"].removeprefix("http://"))
    alone = [
        _post(own, "/v1/chat/completions", {"model": "x", "messages": _QUESTION}, {})[0] - latency_s * 1e3
        for _ in range(_REQUESTS)
    ]
    print(json.dumps({"latency_ms": latency_s * 1e3, "upstream_beyond_script_ms": round(statistics.median(alone), 2)}))
    with serving({**environment, "OPENPRYSM_RATE_LIMIT_PER_MINUTE": "100000"}) as suite:
        through = http.client.HTTPConnection(suite.url.removeprefix("http://"))
        for strategy in STRATEGIES:
            body = {"strategy": strategy, "policy": "depth", "messages": _QUESTION}
            left, path_ms, calls = [], 0.0, 0
            for _ in range(_REQUESTS):
                wall_ms, answer = _post(through, "/v2/orchestrate", body, suite.headers)
                stages = answer["prysm"]["stages"]
                path_ms, calls = _waves(stages, latency_s) * latency_s * 1e3, len(stages)
                left.append(wall_ms - path_ms)
            over, limit = statistics.median(left[2:]), 5 + 0.05 * path_ms
            print(
                json.dumps(
                    {
                        "strategy": strategy,
                        "calls": calls,
                        "path_ms": path_ms,
                        "beyond_path_ms": round(over, 1),
                        "limit_ms": round(limit, 1),
                        "within": over <= limit,
                    }
                )
            )


def main() -> None:
    """Measure and print."""
    context = multiprocessing.get_context("spawn")
    for latency_s in _LATENCIES_S:
        environment: Queue[dict[str, str]] = context.Queue()
        done = context.Event()
        process = context.Process(target=_upstream, args=(latency_s, environment, done))
        process.start()
        try:
            _measure(latency_s, environment.get())
        finally:
            done.set()
            process.join()


if __name__ == "__main__":
    main()
