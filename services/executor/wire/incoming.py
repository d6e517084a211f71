"""What comes in: contracts to domain records, checked."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final, TypeAlias, TypeVar

from google.protobuf import json_format

from chassis import errors
from executor.chat import Message
from executor.orchestrate import Request
from executor.plan import Model, Plan
from executor.strategies import STRATEGIES
from openprysm.executor.v1 import executor_pb2
from openprysm.orchestration.v2 import orchestration_pb2 as pb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from google.protobuf import struct_pb2

    from openprysm.planner.v1 import planner_pb2

_PICO: Final = 10**12
_POLICIES: Final = ("efficiency", "balanced", "depth")
_STRATEGIES: Final = tuple(STRATEGIES)
_ROLES: Final = ("system", "user", "assistant")
_MAX_MESSAGES: Final = 256
_MAX_K: Final = 8
_MAX_TOKENS: Final = 32_768
_DEFAULT_MAX_TOKENS: Final = 1024
_DEFAULT_TEMPERATURE: Final = 0.7
_MAX_TEMPERATURE: Final = 2.0
#: USD; more is a mistake, and would not fit the wire.
_MAX_COST_USD: Final = 1_000_000.0
_MAX_KEY: Final = 128
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")

_Sampled: TypeAlias = pb.OrchestrateRequest | executor_pb2.ExecuteRequest
Number = TypeVar("Number", int, float)


def _number(field: str, value: Number, low: float, high: float, *, above: bool = False) -> Number:
    if not math.isfinite(value) or value > high or value < low or (above and value <= low):
        bounds = f"greater than {low:g} and at most {high:g}" if above else f"between {low:g} and {high:g}"
        raise errors.invalid_request(field, f"must be {bounds}")
    return value


def _one_of(field: str, value: str, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise errors.invalid_request(field, f"must be one of {', '.join(allowed)}")
    return value


def _text(where: str, content: struct_pb2.Value) -> str:
    """Read a message's content: a string, or text parts, which are joined."""
    kind = content.WhichOneof("kind")
    if kind == "string_value":
        return content.string_value
    if kind != "list_value":
        raise errors.invalid_request(where, "must be a string or a list of text parts")
    texts = []
    for index, part in enumerate(content.list_value.values):
        parts = part.struct_value.fields
        if "type" not in parts or parts["type"].string_value != "text":
            raise errors.invalid_request(f"{where}[{index}].type", "must be text; other parts are not supported")
        if "text" not in parts or parts["text"].WhichOneof("kind") != "string_value":
            raise errors.invalid_request(f"{where}[{index}].text", "must be a string")
        texts.append(parts["text"].string_value)
    return "\n".join(texts)


def read_messages(messages: Iterable[pb.Message]) -> tuple[Message, ...]:
    """Check a conversation.

    Raises:
        ServiceError: no_messages or invalid_request.
    """
    items = tuple(messages)
    if not items:
        raise errors.ServiceError(errors.INVALID_ARGUMENT, "no_messages", "messages[] must not be empty")
    if len(items) > _MAX_MESSAGES:
        raise errors.invalid_request("messages", f"must be at most {_MAX_MESSAGES}")
    read = tuple(
        Message(
            _one_of(f"messages[{index}].role", message.role, _ROLES),
            _text(f"messages[{index}].content", message.content),
        )
        for index, message in enumerate(items)
    )
    if not any(message.role == "user" and message.text.strip() for message in read):
        raise errors.invalid_request("messages", "must hold a user message with text")
    return read


def _refuse_unserved(request: pb.OrchestrateRequest) -> None:
    """Refuse what the contract has and this version does not do yet: ignoring it would break a promise in silence."""
    if request.HasField("brain_config") and request.brain_config.WhichOneof("kind") != "null_value":
        raise errors.invalid_request("brain_config", "is not supported by this version; leave it out")


def _compliance(request: pb.OrchestrateRequest) -> object:
    """Return the policy as JSON has it; it is the planner who reads it, strictly."""
    if not request.HasField("compliance"):
        return None
    try:
        return json_format.MessageToDict(request.compliance)
    except (json_format.Error, ValueError, RecursionError) as error:
        raise errors.invalid_request("compliance", "must be a policy object or the name of a pack") from error


def read_max_tokens(request: _Sampled) -> int:
    """Return the limit of one call in tokens; refuse what is out of range."""
    if not request.HasField("max_tokens"):
        return _DEFAULT_MAX_TOKENS
    return _number("max_tokens", request.max_tokens, 1, _MAX_TOKENS)


def read_temperature(request: _Sampled) -> float:
    """Return the temperature; refuse what is out of range."""
    if not request.HasField("temperature"):
        return _DEFAULT_TEMPERATURE
    return _number("temperature", request.temperature, 0, _MAX_TEMPERATURE)


def read_request(request: pb.OrchestrateRequest) -> Request:
    """Check a request.

    Raises:
        ServiceError: no_messages or invalid_request, naming the first bad field and what is allowed.
    """
    messages = read_messages(request.messages)
    _refuse_unserved(request)
    max_cost = None
    if request.HasField("max_cost_usd"):
        usd = _number("max_cost_usd", request.max_cost_usd, 0, _MAX_COST_USD, above=True)
        max_cost = round(usd * _PICO)
    return Request(
        messages=messages,
        policy=_one_of("policy", request.policy, _POLICIES) if request.policy else "balanced",
        strategy=_one_of("strategy", request.strategy, _STRATEGIES) if request.strategy else None,
        k=_number("k", request.k, 1, _MAX_K) if request.HasField("k") else None,
        max_tokens=read_max_tokens(request),
        temperature=read_temperature(request),
        max_cost=max_cost,
        judge_model=request.judge_model,
        include_trace=request.include_trace if request.HasField("include_trace") else True,
        compliance=_compliance(request),
    )


def read_idempotency_key(request: pb.OrchestrateRequest, metadata: Iterable[tuple[str, str | bytes]]) -> str | None:
    """Return the idempotency key from field or header; None when neither is given.

    Raises:
        ServiceError: invalid_request, naming the bad one, or both when they differ.
    """
    given = [("Idempotency-Key", str(value)) for name, value in metadata if name == "idempotency-key"]
    if request.idempotency_key:
        given.append(("idempotency_key", request.idempotency_key))
    for name, key in given:
        if not 0 < len(key) <= _MAX_KEY or _CONTROL.search(key):
            raise errors.invalid_request(name, f"must be 1 to {_MAX_KEY} characters, none of them a control character")
    keys = {key for _, key in given}
    if len(keys) > 1:
        raise errors.invalid_request(" and ".join(dict.fromkeys(name for name, _ in given)), "must not differ")
    return keys.pop() if keys else None


def body_of(request: pb.OrchestrateRequest) -> bytes:
    """Serialize what a request asks: all of it but its idempotency key, and in which form it wants the answer."""
    body = pb.OrchestrateRequest()
    body.CopyFrom(request)
    body.ClearField("idempotency_key")
    body.ClearField("stream")
    return body.SerializeToString(deterministic=True)


def _read_model(model: planner_pb2.Model) -> Model:
    return Model(
        id=model.id,
        provider=model.provider,
        upstream=model.upstream_name,
        family=model.family,
        context_window=model.context_window,
        input_price=model.input_pico_usd_per_token if model.HasField("input_pico_usd_per_token") else None,
        output_price=model.output_pico_usd_per_token if model.HasField("output_pico_usd_per_token") else None,
        quality=_number("plan: quality of a model", model.quality, 0, 1),
        logprobs=model.logprobs,
    )


def read_plan(plan: planner_pb2.Plan) -> Plan:
    """Read a plan.

    Raises:
        ServiceError: invalid_request: a chance is none.
    """
    return Plan(
        policy=plan.policy,
        strategy=plan.strategy,
        forced=plan.forced,
        rationale=plan.rationale,
        task=plan.task,
        signals=tuple(plan.signals),
        confidence_bar=_number("plan.confidence_bar", plan.confidence_bar, 0, 1),
        k=plan.k,
        proposers=tuple(_read_model(model) for model in plan.proposers),
        synthesizers=tuple(_read_model(model) for model in plan.synthesizers),
        fallbacks=tuple(_read_model(model) for model in plan.fallbacks),
        judges=tuple(_read_model(model) for model in plan.judges),
        routes={route.task: tuple(_read_model(model) for model in route.models) for route in plan.routes},
        decision=plan.compliance_decision,
        kind=plan.kind,
    )
