"""What calls cost, to the picodollar, and that calls which run at once never overrun a budget together."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from executor.chat import CallError
from executor.costing import text_tokens
from executor.stages import total

if TYPE_CHECKING:
    from executor.conftest import Behaviour, Lab
    from executor.plan import Model
    from executor.run import Run
    from executor.stages import Stage

#: 30 bytes and 8 for the turn's frame.
PROMPT_GUESS = 30 // 3 + 1 + 8


async def _ask(run: Run, lab: Lab, model: Model) -> None:
    with suppress(CallError):
        await run.ask("answer", model, lab.question)


def stage_of(lab: Lab, behaviour: Behaviour, **price: Any) -> Stage:
    world = lab.world({"a": [behaviour]})
    run = world.run(lab.task(), deadline_s=5.0)
    world.do(_ask(run, lab, lab.model("a", **price)))
    return run.stages[0]


def test_a_call_costs_its_tokens_times_their_prices_exactly(lab: Lab) -> None:
    price = {"input_price": 1_250_003, "output_price": 10_000_007}
    stage = stage_of(lab, lab.says("Paris", prompt=877, completion=313), **price)
    assert stage.cost == 877 * 1_250_003 + 313 * 10_000_007
    assert (stage.prompt_tokens, stage.completion_tokens, stage.estimated) == (877, 313, False)


@pytest.mark.parametrize("price", [{"input_price": None}, {"output_price": None}])
def test_without_a_price_nothing_is_added_and_the_stage_says_so(lab: Lab, price: dict[str, None]) -> None:
    stage = stage_of(lab, lab.says("Paris"), **price)
    assert (stage.cost, stage.priced) == (0, False)


@pytest.mark.parametrize("claim", [None, 0, -1, -(10**30), 10**6, 10**30, float("inf"), float("nan")])
def test_a_prompt_count_that_can_not_be_is_replaced_by_a_guess(lab: Lab, claim: Any) -> None:
    stage = stage_of(lab, lab.says("Paris", prompt=claim, completion=5))
    assert (stage.prompt_tokens, stage.completion_tokens, stage.estimated) == (PROMPT_GUESS, 5, True)
    assert stage.cost == PROMPT_GUESS * 2 + 5 * 10


@pytest.mark.parametrize("claim", [None, -1, -(10**30), 10**6, 10**30, float("inf"), float("nan")])
def test_an_answer_count_that_can_not_be_is_replaced_by_a_guess(lab: Lab, claim: Any) -> None:
    stage = stage_of(lab, lab.says("Paris", prompt=20, completion=claim))
    assert (stage.prompt_tokens, stage.completion_tokens, stage.estimated) == (20, text_tokens("Paris"), True)


def test_hidden_reasoning_beyond_the_limit_is_believed_within_reason(lab: Lab) -> None:
    stage = stage_of(lab, lab.says("Paris", completion=380))
    assert (stage.completion_tokens, stage.estimated) == (380, False)


@pytest.mark.parametrize("text", ["", "a", "Paris", "日本語", "😀" * 50, "x" * 1000])
def test_a_guess_of_tokens_is_at_least_a_third_of_the_bytes(text: str) -> None:
    assert text_tokens(text) >= max(1, len(text.encode()) / 3)


@pytest.mark.parametrize("reason", ["unavailable", "rejected", "rate_limited"])
def test_a_call_that_never_reached_a_model_is_free(lab: Lab, reason: str) -> None:
    stage = stage_of(lab, lab.fails(reason))
    assert (stage.cost, stage.prompt_tokens, stage.estimated) == (0, 0, False)


def test_a_failure_after_the_prompt_was_read_is_charged(lab: Lab) -> None:
    stage = stage_of(lab, lab.fails("bad_response", worked=True))
    assert (stage.status, stage.cost, stage.estimated) == ("failed", PROMPT_GUESS * 2, True)


def test_a_call_that_timed_out_is_charged_for_its_prompt(lab: Lab) -> None:
    stage = stage_of(lab, lab.hangs())
    assert (stage.error_reason, stage.cost, stage.estimated) == ("timeout", PROMPT_GUESS * 2, True)


def test_a_cancelled_call_is_recorded_and_charged_for_its_prompt(lab: Lab) -> None:
    world = lab.world({"a": [lab.hangs()]})
    run = world.run(lab.task(), max_cost=10**9)

    async def cancel() -> None:
        task = asyncio.create_task(_ask(run, lab, lab.model("a")))
        await asyncio.sleep(1.5)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    world.do(cancel())
    (stage,) = run.stages
    assert (stage.status, stage.error_reason, stage.cost) == ("cancelled", "cancelled", PROMPT_GUESS * 2)
    assert stage.duration_ms == pytest.approx(1500)
    assert world.watcher.completed_stages == [(0, "cancelled")]
    assert run._ledger.spent == stage.cost
    assert run._ledger.reserve(10**9 - stage.cost), "the rest of the reservation was given back"


def test_the_first_call_runs_whatever_it_costs(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris")]})
    run = world.run(lab.task(), max_cost=1)
    world.do(_ask(run, lab, lab.model("a")))
    assert run.stages[0].status == "ok"


def test_a_second_call_that_might_not_fit_is_refused_before_it_goes_out(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris")]})
    run = world.run(lab.task(), max_cost=100 * 10)
    world.do(_ask(run, lab, lab.model("a")))
    with pytest.raises(CallError, match=r"^budget: "):
        world.do(run.ask("answer", lab.model("a"), lab.question))
    assert len(world.asked) == len(run.stages) == 1


def test_a_model_without_a_price_fits_every_budget(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("Paris")]})
    run = world.run(lab.task(), max_cost=1)
    for _ in range(3):
        world.do(_ask(run, lab, lab.model("a", input_price=None)))
    assert [stage.status for stage in run.stages] == ["ok"] * 3


def test_a_breaker_that_refuses_a_call_gives_its_reservation_back(lab: Lab) -> None:
    world = lab.world({"a": [lab.says("no")], "b": [lab.says("Paris")]})
    world.break_open("a")
    run = world.run(lab.task(), max_cost=2 * PROMPT_GUESS + 10 * 100)
    world.do(_ask(run, lab, lab.model("a")))
    world.do(_ask(run, lab, lab.model("b")))
    world.do(_ask(run, lab, lab.model("a")))
    assert [stage.model.id for stage in run.stages] == ["b"]


Call = tuple[int, int, int, float, float, bool]
#: Prices of prompt and answer, tokens of the answer, seconds before and during the call, whether it hangs.
CALLS = st.lists(
    st.tuples(
        st.integers(0, 50),
        st.integers(0, 50),
        st.integers(0, 100),
        st.floats(0, 3),
        st.floats(0, 3),
        st.booleans(),
    ),
    min_size=1,
    max_size=12,
)


@settings(deadline=None)
@given(calls=CALLS, limit=st.integers(1, 20_000))
def test_calls_at_once_never_overrun_a_budget_by_more_than_the_one_call_that_an_answer_takes(
    lab: Lab, calls: list[Call], limit: int
) -> None:
    names = [str(index) for index in range(len(calls))]
    script = {
        name: [lab.hangs() if hangs else lab.says("x", prompt=PROMPT_GUESS, completion=tokens, after_s=during)]
        for name, (_, _, tokens, _, during, hangs) in zip(names, calls, strict=True)
    }
    world = lab.world(script)
    run = world.run(lab.task(), deadline_s=5.0, max_cost=limit)

    async def late(name: str, call: Call) -> None:
        await asyncio.sleep(call[3])
        await _ask(run, lab, lab.model(name, input_price=call[0], output_price=call[1]))

    async def all_at_once() -> None:
        await asyncio.gather(*(late(name, call) for name, call in zip(names, calls, strict=True)))

    world.do(all_at_once())
    assert run.stages, "the first call always runs"
    spent = total(run.stages).cost
    assert spent <= limit + max(stage.cost for stage in run.stages)
    assert spent <= limit or sum(stage.cost > 0 for stage in run.stages if stage.status == "ok") <= 1
    assert spent == run._ledger.spent
    assert run._ledger._reserved == 0
    assert all(stage.cost >= 0 for stage in run.stages)
