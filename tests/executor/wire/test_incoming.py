"""Requests as they come in: good ones are read, bad ones are refused by the name of their field."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from hypothesis import given
from hypothesis import strategies as st

from chassis.errors import ServiceError
from executor.chat import Message
from executor.orchestrate import Request
from executor.wire import incoming
from openprysm.executor.v1 import executor_pb2
from openprysm.orchestration.v2 import orchestration_pb2 as pb
from openprysm.planner.v1 import planner_pb2

HI = {"role": "user", "content": "Hi"}


def parse(**fields: Any) -> pb.OrchestrateRequest:
    """Read JSON as the gateway does: unknown fields are ignored."""
    body = {"messages": [HI], **fields}
    return json_format.Parse(json.dumps(body), pb.OrchestrateRequest(), ignore_unknown_fields=True)


def read(**fields: Any) -> Request:
    return incoming.read_request(parse(**fields))


def refusal(request: pb.OrchestrateRequest) -> ServiceError:
    with pytest.raises(ServiceError) as caught:
        incoming.read_request(request)
    assert caught.value.code.name == "INVALID_ARGUMENT"
    return caught.value


def test_a_request_of_messages_alone_gets_the_defaults() -> None:
    assert read() == Request(
        messages=(Message("user", "Hi"),),
        policy="balanced",
        strategy=None,
        k=None,
        max_tokens=1024,
        temperature=0.7,
        max_cost=None,
        judge_model="",
        include_trace=True,
    )


def test_every_field_is_read() -> None:
    request = read(
        policy="depth",
        strategy="ensemble_moa",
        k=8,
        max_tokens=32768,
        temperature=0,
        max_cost_usd=0.25,
        judge_model="gpt",
        include_trace=False,
    )
    assert request == Request(
        (Message("user", "Hi"),), "depth", "ensemble_moa", 8, 32768, 0.0, 25 * 10**10, "gpt", False
    )


@pytest.mark.parametrize(
    "field",
    [
        "policy",
        "strategy",
        "k",
        "max_tokens",
        "temperature",
        "max_cost_usd",
        "judge_model",
        "include_trace",
        "compliance",
        "brain_config",
        "stream",
        "idempotency_key",
    ],
)
def test_null_is_like_a_field_that_is_absent(field: str) -> None:
    assert read(**{field: None}) == read()


@pytest.mark.parametrize("policy", ["GDPR", {}, {"jurisdiction": ["EU"], "nonsense": None}, False, [1.5]], ids=str)
def test_a_policy_is_passed_on_as_it_is_for_the_planner_to_read(policy: Any) -> None:
    assert read(compliance=policy).compliance == policy


def test_unknown_fields_are_ignored() -> None:
    assert read(model="gpt", api_base="http://169.254.169.254/", api_key="x", top_p=0.1) == read()


def test_whether_to_stream_is_not_the_requests_to_say() -> None:
    assert read(stream=True) == read(stream=False) == read()


def test_false_and_empty_say_nothing() -> None:
    assert read(stream=False, idempotency_key="", policy="", strategy="", judge_model="") == read()


@pytest.mark.parametrize(
    ("fields", "named", "allowed"),
    [
        ({"policy": "cheap"}, "policy", "efficiency, balanced, depth"),
        ({"policy": "Depth"}, "policy", "efficiency, balanced, depth"),
        ({"strategy": "moa"}, "strategy", "ensemble_moa"),
        ({"k": 0}, "k", "between 1 and 8"),
        ({"k": 9}, "k", "between 1 and 8"),
        ({"k": -1}, "k", "between 1 and 8"),
        ({"k": 1_000_000}, "k", "between 1 and 8"),
        ({"max_tokens": 0}, "max_tokens", "between 1 and 32768"),
        ({"max_tokens": 32_769}, "max_tokens", "between 1 and 32768"),
        ({"max_tokens": -(2**31)}, "max_tokens", "between 1 and 32768"),
        ({"temperature": -0.01}, "temperature", "between 0 and 2"),
        ({"temperature": 2.01}, "temperature", "between 0 and 2"),
        ({"temperature": "NaN"}, "temperature", "between 0 and 2"),
        ({"temperature": "Infinity"}, "temperature", "between 0 and 2"),
        ({"temperature": "-Infinity"}, "temperature", "between 0 and 2"),
        ({"max_cost_usd": 0}, "max_cost_usd", "greater than 0"),
        ({"max_cost_usd": -1}, "max_cost_usd", "greater than 0"),
        ({"max_cost_usd": "NaN"}, "max_cost_usd", "greater than 0"),
        ({"max_cost_usd": "Infinity"}, "max_cost_usd", "greater than 0"),
        ({"max_cost_usd": 1e300}, "max_cost_usd", "at most"),
        ({"brain_config": {"rules": []}}, "brain_config", "leave it out"),
    ],
    ids=str,
)
def test_a_bad_field_is_named_with_what_is_allowed(fields: dict[str, Any], named: str, allowed: str) -> None:
    error = refusal(parse(**fields))
    assert error.reason == "invalid_request"
    assert error.message.startswith(f"{named}: ")
    assert allowed in error.message


@pytest.mark.parametrize(
    ("fields", "read_as"),
    [
        ({"k": 1}, 1),
        ({"k": 8}, 8),
        ({"max_tokens": 1}, 1),
        ({"max_tokens": 32_768}, 32_768),
        ({"temperature": 0}, 0.0),
        ({"temperature": 2}, 2.0),
    ],
    ids=str,
)
def test_the_bounds_themselves_are_good(fields: dict[str, Any], read_as: float) -> None:
    (name,) = fields
    assert getattr(read(**fields), name) == read_as


@pytest.mark.parametrize(("usd", "pico"), [(1e-12, 1), (0.1, 10**11), (0.000123456789012, 123456789), (1e6, 10**18)])
def test_a_budget_is_read_to_the_picodollar(usd: float, pico: int) -> None:
    assert read(max_cost_usd=usd).max_cost == pico


def test_a_plan_s_execution_has_the_same_bounds_and_defaults() -> None:
    assert incoming.read_max_tokens(executor_pb2.ExecuteRequest()) == 1024
    assert incoming.read_temperature(executor_pb2.ExecuteRequest()) == 0.7
    with pytest.raises(ServiceError, match=r"max_tokens: must be between"):
        incoming.read_max_tokens(executor_pb2.ExecuteRequest(max_tokens=0))
    with pytest.raises(ServiceError, match=r"temperature: must be between"):
        incoming.read_temperature(executor_pb2.ExecuteRequest(temperature=float("nan")))


def test_a_plan_is_read_with_its_absent_prices() -> None:
    request = executor_pb2.ExecuteRequest()
    request.plan.proposers.add(id="a", upstream_name="vendor/a", input_pico_usd_per_token=0, quality=0.5)
    (model,) = incoming.read_plan(request.plan).proposers
    assert (model.id, model.upstream, model.input_price, model.output_price) == ("a", "vendor/a", 0, None)


@pytest.mark.parametrize("chance", [float("nan"), float("inf"), -0.1, 1.1])
def test_a_plan_whose_chances_are_none_is_refused(chance: float) -> None:
    with pytest.raises(ServiceError, match=r"plan: quality of a model: must be between 0 and 1"):
        incoming.read_plan(planner_pb2.Plan(judges=[planner_pb2.Model(id="a", quality=chance)]))
    with pytest.raises(ServiceError, match=r"plan\.confidence_bar: must be between 0 and 1"):
        incoming.read_plan(planner_pb2.Plan(confidence_bar=chance))


def key_of(field: str, *headers: str) -> str | None:
    metadata = [("traceparent", "x"), *(("idempotency-key", header) for header in headers)]
    return incoming.read_idempotency_key(parse(idempotency_key=field), metadata)


@pytest.mark.parametrize(
    ("field", "headers", "key"),
    [
        ("", (), None),
        ("a", (), "a"),
        ("", ("a",), "a"),
        ("a", ("a",), "a"),
        ("a", ("a", "a"), "a"),
        ("é" * 128, (), "é" * 128),
        (" ", (), " "),
    ],
)
def test_an_idempotency_key_comes_from_field_or_header(field: str, headers: tuple[str, ...], key: str | None) -> None:
    assert key_of(field, *headers) == key


@pytest.mark.parametrize(
    ("field", "headers", "named"),
    [
        ("a" * 129, (), "idempotency_key"),
        ("a\n", (), "idempotency_key"),
        ("\x00", (), "idempotency_key"),
        ("\x9f", (), "idempotency_key"),
        ("a", ("",), "Idempotency-Key"),
        ("", ("",), "Idempotency-Key"),
        ("", ("a" * 129,), "Idempotency-Key"),
        ("", ("a\x7f",), "Idempotency-Key"),
        ("a", ("b",), "Idempotency-Key and idempotency_key"),
        ("", ("a", "b"), "Idempotency-Key"),
        ("a", ("A",), "Idempotency-Key and idempotency_key"),
    ],
    ids=str,
)
def test_a_bad_idempotency_key_is_named(field: str, headers: tuple[str, ...], named: str) -> None:
    with pytest.raises(ServiceError) as caught:
        key_of(field, *headers)
    assert (caught.value.code.name, caught.value.reason) == ("INVALID_ARGUMENT", "invalid_request")
    assert caught.value.message.startswith(f"{named}: must ")


def test_a_body_is_all_but_the_key_and_the_form_of_the_answer() -> None:
    body = incoming.body_of(parse(k=2))
    assert incoming.body_of(parse(k=2, idempotency_key="x", stream=True)) == body
    assert pb.OrchestrateRequest.FromString(body) == parse(k=2)
    others = [parse(), parse(k=3), parse(k=2, include_trace=False), parse(k=2, messages=[HI, HI])]
    assert body not in [incoming.body_of(other) for other in others]


@given(st.dictionaries(st.text(max_size=5), st.integers(0, 9), max_size=20))
def test_a_body_does_not_depend_on_the_order_of_its_fields(rules: dict[str, int]) -> None:
    backwards = dict(reversed(rules.items()))
    assert incoming.body_of(parse(brain_config=rules)) == incoming.body_of(parse(brain_config=backwards))
