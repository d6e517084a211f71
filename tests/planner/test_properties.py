"""For any text: a plan or a PlanError, always the same, and soon."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner import catalog
from planner.plan import POLICIES, Plan, PlanError, Request, make_plan

from .requests import HOSTED, ask, ids

_CATALOG = catalog.load()
_PROSE = """
The model of a language and how people use tools to build systems that work well with others in many places, while time
goes by quickly every day for some reason (nobody can say why). Prices rose by 5% in 2019; rents did not. And then they
fell: which is better? „Größer“ ist nicht immer besser, und la vie est belle.

- one
- two"""
_LOCAL = ("qwen2.5-coder-1.5b", "qwen2.5-coder-0.5b", "smollm2-135m", "mine")

texts = st.text(alphabet=st.characters(), max_size=300)
requests = st.builds(
    Request,
    messages=st.lists(st.tuples(st.sampled_from(["system", "user", "assistant"]), texts), max_size=4).map(
        lambda messages: (*messages, ("user", messages[0][1] if messages else ""))
    ),
    policy=st.sampled_from(sorted(POLICIES)),
    strategy=st.sampled_from([None, "single", "cascade", "ensemble_moa", "debate"]),
    k=st.none() | st.integers(1, 8),
    max_tokens=st.integers(1, 32_768),
    max_cost=st.none() | st.integers(1, 10**13),
    judge_model=st.sampled_from(["", "nobody", *_CATALOG.models]),
    providers=st.frozensets(st.sampled_from(sorted(HOSTED))),
    local_models=st.lists(st.sampled_from(_LOCAL)).map(tuple),
    unhealthy=st.frozensets(st.sampled_from(sorted(_CATALOG.models))),
)


def planned(request: Request) -> Plan | str:
    try:
        return make_plan(request, _CATALOG)
    except PlanError as error:
        return str(error)


@given(requests)
def test_any_request_gets_a_plan_or_a_plan_error_and_always_the_same(request: Request) -> None:
    plan = planned(request)
    assert plan == planned(request)
    if isinstance(plan, str):
        return
    assert 1 <= plan.k == len(plan.proposers) <= 8
    assert bool(plan.synthesizers) == (plan.k > 1)
    assert len(plan.fallbacks) <= 3
    proposers, fallbacks = set(ids(plan.proposers)), set(ids(plan.fallbacks))
    assert not proposers & fallbacks
    offered = set(ids(_CATALOG.available(request.providers, request.local_models)))
    assert proposers | fallbacks | set(ids(plan.synthesizers)) <= offered
    # The texts are short: every model can read them.
    assert proposers <= (offered - request.unhealthy or offered)


def fastest(request: Request, times: int) -> float:
    """Return the milliseconds of the fastest of some tries: what the code takes when the machine lets it."""
    spent = []
    for _ in range(times):
        started = time.perf_counter()
        make_plan(request, _CATALOG)
        spent.append(time.perf_counter() - started)
    return min(spent) * 1e3


@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_planning_a_prompt_of_2000_words_takes_less_than_300_microseconds(policy: str) -> None:
    text = _PROSE * 31
    assert len(text.split()) > 2_000
    assert fastest(ask(text, policy=policy, local_models=_LOCAL), 300) < 0.3


@pytest.mark.parametrize("text", ["What is the capital of France?", "Why do cities grow? Compare the reasons.", "hi"])
@pytest.mark.parametrize("policy", sorted(POLICIES))
def test_planning_a_short_prompt_takes_less_than_150_microseconds(policy: str, text: str) -> None:
    assert fastest(ask(text, policy=policy, local_models=_LOCAL), 300) < 0.15


@pytest.mark.parametrize(
    "piece", ["\n", " ", "a", "?", "1 ", "A) x ", "SELECT ", "\n- x", "é", "翻", "how do "], ids=ascii
)
def test_a_hostile_mebibyte_is_planned_within_100_milliseconds(piece: str) -> None:
    request = ask(piece * ((1 << 20) // len(piece)))
    assert fastest(request, 3) < 100
