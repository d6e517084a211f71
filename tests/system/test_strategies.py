"""Every strategy, forced and planned, through the real gateway: who is asked for what, in which order, who is not."""

from __future__ import annotations

import itertools
import json
from typing import TYPE_CHECKING, Any

import pytest

from system.roles import PLAN, STRATEGIES, looking, plays, quoted, role_of, roles, run_of, said, script
from system.upstream import says

if TYPE_CHECKING:
    from system.suite import Suite
    from system.upstream import Upstream

pytestmark = pytest.mark.system


def test_the_words_by_which_roles_are_told_are_those_of_our_prompts() -> None:
    # A role that is not recognised would make the tests below say less than they seem to.
    from executor import prompts  # noqa: PLC0415 - for this test alone
    from executor.chat import Message  # noqa: PLC0415
    from executor.dag import Node  # noqa: PLC0415

    question = (Message("user", "?"),)
    asked = {
        "judge": prompts.compare(question, "a", "b"),
        "arbiter": prompts.choose(question, ["a", "b"]),
        "debater": prompts.debate(question, "a", ["b"]),
        "writer": prompts.aggregate(question, ["a", "b"]),
        "planner": prompts.decompose(question, ["math"], 8),
        "replanner": prompts.decompose_again(question, "x", "why"),
        "worker": prompts.solve(Node("1", "task", (), ""), {}),
        "reporter": prompts.synthesize(question, [("task", "answer")]),
    }
    for role, messages in asked.items():
        assert role_of({"messages": [{"content": message.text} for message in messages]}) == role


async def test_cascade_spends_one_call_when_the_first_answer_clears_the_bar(suite: Suite, upstream: Upstream) -> None:
    body = await suite.ask(strategy="cascade", policy="efficiency")
    assert len(upstream.calls) == run_of(body)["calls"] == 1
    assert run_of(body)["confidence"] >= 0.62
    assert "agreement" not in run_of(body)


async def test_cascade_climbs_from_cheap_to_strong_and_stops_when_two_agree(suite: Suite, upstream: Upstream) -> None:
    body = await suite.ask(strategy="cascade", policy="depth")
    run = run_of(body)
    assert run["calls"] == len(upstream.calls) == 2
    assert (run["agreement"], run["confidence_source"]) == (1, "agreement")
    assert run["confidence"] >= 0.85
    starts = [(stage["start_ms"], stage["duration_ms"]) for stage in body["prysm"]["stages"]]
    assert starts[1][0] >= sum(starts[0]), "one rung after another"
    assert body["prysm"]["stages"][0]["cost_usd"] < body["prysm"]["stages"][1]["cost_usd"]


async def test_cascade_stops_at_the_budget_and_says_so(suite: Suite, upstream: Upstream) -> None:
    answers = itertools.cycle(["It was in 1914.", "It was in 1939.", "It was in 1870.", "It was in 1812."])
    upstream.scripts["*"] = [plays(answerer=looking(lambda _: says(next(answers), 30, 500)))]
    asked: dict[str, Any] = {"strategy": "cascade", "policy": "depth", "text": "In which year did the war begin?"}
    free = await suite.ask(**asked)
    limit = free["prysm"]["stages"][0]["cost_usd"] * 3
    body = await suite.ask(**asked, max_cost_usd=limit)
    assert run_of(free)["calls"] > run_of(body)["calls"] == 1
    assert [item["reason"] for item in run_of(body)["degradations"]] == ["budget"]
    assert body["prysm"]["cost"]["total_usd"] <= limit


async def test_self_consistency_with_samples_of_one_mind_spends_three_of_eight(
    suite: Suite, upstream: Upstream
) -> None:
    upstream.scripts["*"] = [says("42")]
    body = await suite.ask(strategy="self_consistency", k=8)
    assert run_of(body)["calls"] == len(upstream.calls) == 3
    assert (run_of(body)["agreement"], said(body)) == (1, "42")
    assert len({call.model for call in upstream.calls}) == 1


async def test_self_consistency_takes_the_majority(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [says(text) for text in ("41", "The answer is 42.", "42", "40", "42.0", "42", "7", "42")]
    body = await suite.ask(strategy="self_consistency", k=8)
    assert "42" in said(body)
    assert 0.5 <= run_of(body)["agreement"] < 1
    assert 3 < run_of(body)["calls"] <= 8


async def test_rank_fuse_judges_each_pair_in_both_orders_by_somebody_else(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [script()]
    body = await suite.ask(strategy="rank_fuse", k=3, text="Write a poem about the sea.")
    assert sorted(roles(upstream)) == ["answerer"] * 3 + ["judge"] * 6 + ["writer"]
    judged = [(call.model, quoted(call.body)) for call in upstream.calls if role_of(call.body) == "judge"]
    pairs = [tuple(pair) for _, pair in judged]
    assert sorted(pairs) == sorted((second, first) for first, second in pairs)
    for judge, pair in judged:
        assert not any(judge in answer for answer in pair), "nobody judges itself"
    assert said(body) == "Paris, as all say."
    assert run_of(body)["aggregator"]
    assert run_of(body)["confidence_source"] == "judge"


async def test_rank_fuse_asks_no_judge_about_what_is_the_same(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [says("42")]
    body = await suite.ask(strategy="rank_fuse", k=3)
    assert roles(upstream) == ["answerer"] * 3
    assert run_of(body)["agreement"] == 1


async def test_debate_that_begins_in_agreement_is_over(suite: Suite, upstream: Upstream) -> None:
    body = await suite.ask(strategy="debate", policy="depth")
    assert roles(upstream) == ["answerer"] * 3
    assert run_of(body)["agreement"] == 1


async def test_debate_ends_when_nobody_changes_and_a_judge_breaks_the_tie(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [script()]
    body = await suite.ask(strategy="debate", policy="depth", text="Should cities ban cars?")
    assert roles(upstream)[:6] == ["answerer"] * 3 + ["debater"] * 3
    assert roles(upstream)[6:] == ["arbiter"]
    assert run_of(body)["calls"] == 7
    assert not run_of(body)["degraded"]


async def test_debate_follows_a_reasoned_change(suite: Suite, upstream: Upstream) -> None:
    answers = itertools.cycle(["1945", "1945", "1918"])
    upstream.scripts["*"] = [
        plays(
            answerer=looking(lambda _: says(next(answers))),
            debater=says("DECISION: CHANGE\nREASON: I took the other war.\nFINAL ANSWER:\n1945"),
        )
    ]
    body = await suite.ask(strategy="debate", policy="depth")
    assert (said(body), run_of(body)["agreement"], run_of(body)["calls"]) == ("1945", 1, 6)


async def test_decompose_runs_the_parts_routes_them_and_puts_answers_where_they_belong(
    suite: Suite, upstream: Upstream
) -> None:
    upstream.scripts["*"] = [plays(planner=says(PLAN), worker=says("Paris-on-Seine"), reporter=says("Paris, and 42."))]
    body = await suite.ask(strategy="decompose_and_route")
    assert roles(upstream) == ["planner", "worker", "worker", "worker", "reporter"]
    assert said(body) == "Paris, and 42."
    third = upstream.calls[3].body["messages"][-1]["content"]
    assert 'Write a line about "Paris-on-Seine" and the number.' in third
    depends = [stage["depends_on"] for stage in body["prysm"]["stages"]]
    assert depends == [[], [0], [0], [0, 1, 2], [1, 2, 3]]
    assert "agreement" not in run_of(body)


async def test_decompose_asks_once_more_for_a_plan_that_goes_in_a_circle(suite: Suite, upstream: Upstream) -> None:
    circle = json.dumps({"nodes": [{"id": "1", "task": "x", "needs": ["2"]}, {"id": "2", "task": "y", "needs": ["1"]}]})
    upstream.scripts["*"] = [plays(planner=says(circle), replanner=says(PLAN), reporter=says("Paris, and 42."))]
    body = await suite.ask(strategy="decompose_and_route")
    assert roles(upstream) == ["planner", "replanner", *["worker"] * 3, "reporter"]
    assert not run_of(body)["degraded"]


async def test_decompose_without_a_usable_plan_is_one_answer_and_says_so(suite: Suite, upstream: Upstream) -> None:
    upstream.scripts["*"] = [plays(planner=says("no"), replanner=says("still no"))]
    body = await suite.ask(strategy="decompose_and_route")
    assert roles(upstream) == ["planner", "replanner", "answerer"]
    assert [(item["stage"], item["reason"]) for item in run_of(body)["degradations"]] == [("decompose", "bad_response")]


PLANNED = {
    ("What is the capital of France?", "balanced"): "single",
    ("What is 17 * 23 - 4? Answer with the number only.", "efficiency"): "cascade",
    ("What is 17 * 23 - 4? Answer with the number only.", "depth"): "self_consistency",
    ("Write a poem about the sea in autumn.", "balanced"): "rank_fuse",
    ("Should governments ban cars from city centres?", "depth"): "debate",
    ("Explain how a refrigerator works, and also name three makers, and then translate both to French.", "balanced"):
        "decompose_and_route",
    ("Summarize the plot of Hamlet for a ten year old child who likes castles.", "depth"): "ensemble_moa",
}  # fmt: skip


@pytest.mark.parametrize(("text", "policy"), PLANNED)
async def test_a_prompt_gets_its_shape_by_policy_and_the_rationale_says_why(
    suite: Suite, upstream: Upstream, text: str, policy: str
) -> None:
    upstream.scripts["*"] = [script()]
    body = await suite.ask(text=text, policy=policy)
    assert (body["strategy"], run_of(body)["forced"]) == (PLANNED[text, policy], False)
    assert "language en" in body["rationale"]
    assert upstream.calls


@pytest.mark.parametrize("strategy", STRATEGIES)
async def test_calls_that_need_not_wait_run_at_once(suite: Suite, upstream: Upstream, strategy: str) -> None:
    upstream.scripts["*"] = [script()]
    body = await suite.ask(strategy=strategy, policy="depth", text="Write a poem about the sea.")
    by_index = {stage["index"]: stage for stage in body["prysm"]["stages"]}
    for stage in by_index.values():
        for needed in stage["depends_on"]:
            assert stage["start_ms"] >= by_index[needed]["start_ms"] + by_index[needed]["duration_ms"] - 0.001
    first = [stage for stage in by_index.values() if stage["name"] in {"propose", "sample"}]
    assert all(one["start_ms"] < other["start_ms"] + other["duration_ms"] for one in first for other in first)
