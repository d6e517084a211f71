"""What every strategy costs, and what a budget makes of it."""

from __future__ import annotations

import itertools
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest

from system.roles import PLAN, STRATEGIES, looking, plays, run_of, said, script
from system.upstream import says

if TYPE_CHECKING:
    from system.suite import Suite
    from system.upstream import Behaviour, Upstream

pytestmark = pytest.mark.system


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_costs_are_those_of_the_price_list_to_the_last_microdollar(
    suite: Suite, upstream: Upstream, strategy: str
) -> None:
    counts = itertools.count(1)
    claimed: list[tuple[int, int]] = []

    def counted(*texts: str) -> Any:
        in_turn = itertools.cycle(texts)

        def answer(_: Any) -> Behaviour:
            claimed.append((100 + 7 * next(counts), 11 * len(claimed) + 3))
            return says(next(in_turn), *claimed[-1])

        return looking(answer)

    roles_of_all = {
        "judge": "A", "arbiter": "A", "planner": PLAN, "worker": "Done.", "reporter": "Paris, and 42.",
        "writer": "They differ.\nFINAL ANSWER:\nParis.",
        "debater": "DECISION: KEEP\nREASON: It holds.\nFINAL ANSWER:\nas before",
    }  # fmt: skip
    plays_all = {role: counted(text) for role, text in roles_of_all.items()}
    plays_all["answerer"] = counted("It was in 1914.", "It was in 1939.", "It was in 1870.")
    upstream.scripts["*"] = [plays(**plays_all)]
    body = await suite.ask(strategy=strategy, policy="depth", text="In which year did the war begin?")
    prices = tomllib.loads(files("planner").joinpath("prices.toml").read_text())
    stages_ = body["prysm"]["stages"]
    assert sorted((stage["prompt_tokens"], stage["completion_tokens"]) for stage in stages_) == sorted(claimed)
    pico = 0
    for stage in stages_:
        price = prices[stage["model"]]
        own = stage["prompt_tokens"] * price["input"] + stage["completion_tokens"] * price["output"]
        assert stage["cost_usd"] == own / 1e12
        pico += own
    assert body["prysm"]["cost"] == {"total_usd": pico / 1e12, "estimated": False, "unpriced_calls": 0}
    assert body["usage"]["total_tokens"] == sum(map(sum, claimed))
    assert run_of(body)["calls"] == len(stages_) == len(upstream.calls)


@pytest.mark.parametrize("strategy", STRATEGIES)
@pytest.mark.parametrize("limit", [1e-9, 0.0005, 0.01])
async def test_a_budget_narrows_and_never_errs(suite: Suite, upstream: Upstream, strategy: str, limit: float) -> None:
    upstream.scripts["*"] = [script()]
    body = await suite.ask(strategy=strategy, policy="depth", text="Write a poem about the sea.", max_cost_usd=limit)
    dearest = max(stage["cost_usd"] for stage in body["prysm"]["stages"])
    assert body["prysm"]["cost"]["total_usd"] <= limit + dearest
    assert said(body)
