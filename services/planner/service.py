"""PlannerService on the wire."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import grpc

from chassis import errors
from chassis.metrics.meter import Uncounted
from openprysm.planner.v1 import planner_pb2, planner_pb2_grpc
from planner.compliance.officer import rule
from planner.compliance.record import Record
from planner.compliance_service import log, policy_of
from planner.metering import planning
from planner.plan import Plan, PlanError, Request, make_plan
from planner.policies import MAX_K, POLICIES
from planner.shapes import STRATEGIES

if TYPE_CHECKING:
    from collections.abc import Callable

    from chassis.metrics.meter import Recorder
    from planner.catalog import Catalog, Model
    from planner.compliance.decision import Decision
    from planner.compliance.matrix import Matrix

    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]
    Made: TypeAlias = Callable[[Plan], None]

SERVICE = planner_pb2.DESCRIPTOR.services_by_name["PlannerService"].full_name

_MAX_TOKENS: Final = 32_768

_CODES: Final = {
    "invalid_request": grpc.StatusCode.INVALID_ARGUMENT,
    "no_compliant_model": grpc.StatusCode.INVALID_ARGUMENT,
    "no_provider_available": grpc.StatusCode.UNAVAILABLE,
}


def _require(holds: bool, field: str, allowed: str) -> None:
    if not holds:
        raise errors.invalid_request(field, allowed)


def _request(message: planner_pb2.PlanRequest) -> Request:
    """Read a request; its sender has checked it, but a wrong one must not cost more than this error."""
    _require(any(item.role == "user" for item in message.messages), "messages", "must hold one of role user")
    _require(message.policy in POLICIES, "policy", f"must be one of {', '.join(POLICIES)}")
    _require(message.strategy in {"", *STRATEGIES}, "strategy", f"must be one of {', '.join(STRATEGIES)}")
    _require(not message.HasField("k") or 0 < message.k <= MAX_K, "k", f"must be 1..{MAX_K}")
    _require(0 < message.max_tokens <= _MAX_TOKENS, "max_tokens", f"must be 1..{_MAX_TOKENS}")
    return Request(
        messages=tuple((item.role, item.text) for item in message.messages),
        policy=message.policy,
        strategy=message.strategy or None,
        k=message.k if message.HasField("k") else None,
        max_tokens=message.max_tokens,
        max_cost=message.max_cost_pico_usd if message.HasField("max_cost_pico_usd") else None,
        judge_model=message.judge_model,
        providers=frozenset(message.providers),
        local_models=tuple(message.local_models),
        unhealthy=frozenset(message.unhealthy_models),
    )


def _model(model: Model, task: str) -> planner_pb2.Model:
    return planner_pb2.Model(
        id=model.id,
        provider=model.provider,
        upstream_name=model.upstream,
        family=model.family,
        context_window=model.context_window,
        input_pico_usd_per_token=model.price.input if model.price else None,
        output_pico_usd_per_token=model.price.output if model.price else None,
        quality=model.quality[task],
        logprobs=model.logprobs,
    )


def _plan(plan: Plan, decision: Decision | None) -> planner_pb2.Plan:
    return planner_pb2.Plan(
        policy=plan.policy,
        strategy=plan.strategy,
        forced=plan.forced,
        rationale=plan.rationale,
        task=plan.task,
        signals=plan.signals,
        confidence_bar=plan.confidence_bar,
        k=plan.k,
        proposers=[_model(model, plan.task) for model in plan.proposers],
        synthesizers=[_model(model, plan.task) for model in plan.synthesizers],
        fallbacks=[_model(model, plan.task) for model in plan.fallbacks],
        judges=[_model(model, plan.task) for model in plan.judges],
        routes=[
            planner_pb2.Route(task=task, models=[_model(model, task) for model in models])
            for task, models in plan.routes
        ],
        compliance_decision=decision.canonical if decision else b"",
        kind=plan.kind,
    )


class PlannerServicer(planner_pb2_grpc.PlannerServiceServicer):
    """Plan for the executor and for internal callers."""

    def __init__(
        self,
        catalog: Catalog,
        matrix: Matrix,
        tell: Callable[[Record], None] = log,
        meter: Recorder | None = None,
    ) -> None:
        """Make one; `tell` is told of every decision that a policy asks for."""
        self._catalog = catalog
        self._matrix = matrix
        self._tell = tell
        self._meter = meter or Uncounted()

    async def Plan(self, request: planner_pb2.PlanRequest, context: Context) -> planner_pb2.PlanResponse:  # noqa: ARG002, N802
        """Plan with the models that the policy leaves."""
        with planning(self._meter) as counted:
            return self._answer(request, counted)

    def _answer(self, request: planner_pb2.PlanRequest, made: Made) -> planner_pb2.PlanResponse:
        asked = _request(request)
        decision = self._decide(request, asked)
        try:
            if decision is not None:
                asked = replace(asked, barred=frozenset(decision.excluded))
            plan = make_plan(asked, self._catalog)
        except PlanError as error:
            message = error.message
            if decision is not None and error.reason == "no_compliant_model":
                message = decision.refusal()
            raise errors.ServiceError(_CODES[error.reason], error.reason, message) from error
        made(plan)
        return planner_pb2.PlanResponse(plan=_plan(plan, decision))

    def _decide(self, message: planner_pb2.PlanRequest, request: Request) -> Decision | None:
        """Hold what is available against the policy, on every message of the conversation; None: there is no policy."""
        if not message.HasField("compliance"):
            return None
        policy = policy_of(message.compliance)
        if not policy.active:
            return None
        models = self._catalog.available(request.providers, request.local_models)
        decision = rule(policy, (text for _, text in request.messages), models, self._matrix).decision
        self._tell(Record.of(decision, "orchestrate"))
        return decision
