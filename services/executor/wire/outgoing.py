"""What goes out: domain records to contracts."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final, cast

from google.protobuf import json_format, struct_pb2

from openprysm.executor.v1 import executor_pb2
from openprysm.orchestration.v2 import orchestration_pb2 as pb
from openprysm.planner.v1 import planner_pb2
from openprysm.proof.v2 import proof_pb2

if TYPE_CHECKING:
    from executor.orchestrate import Offer, Outcome, Request, Result
    from executor.plan import Plan
    from executor.stages import Stage
    from executor.transcript import Transcript

_PICO: Final = 10**12


def plan_request(request: Request, offer: Offer) -> planner_pb2.PlanRequest:
    """Return what the planner is asked."""
    policy = None
    if request.compliance is not None:
        policy = json_format.ParseDict(cast("dict[str, Any]", request.compliance), struct_pb2.Value())
    return planner_pb2.PlanRequest(
        messages=[planner_pb2.PlanMessage(role=message.role, text=message.text) for message in request.messages],
        policy=request.policy,
        strategy=request.strategy or "",
        k=request.k,
        max_tokens=request.max_tokens,
        max_cost_pico_usd=request.max_cost,
        judge_model=request.judge_model,
        providers=offer.providers,
        local_models=offer.local_models,
        unhealthy_models=offer.unhealthy,
        compliance=policy,
    )


def plan_summary(plan: Plan) -> pb.PlanSummary:
    """Return what a client is told of a plan: of those who may judge or write, only who is asked first."""
    asked = (*plan.proposers, *plan.judges[:1], *plan.synthesizers[:1])
    return pb.PlanSummary(
        policy=plan.policy,
        strategy=plan.strategy,
        rationale=plan.rationale,
        models=dict.fromkeys(model.id for model in asked),
    )


def stage_message(stage: Stage) -> pb.Stage:
    """Return a stage for gRPC callers."""
    message = pb.Stage(
        index=stage.index,
        name=stage.name,
        model=stage.model.id,
        provider=stage.model.provider,
        status=stage.status,
        start_ms=stage.start_ms,
        duration_ms=stage.duration_ms,
        prompt_tokens=stage.prompt_tokens,
        completion_tokens=stage.completion_tokens,
        cost_usd=stage.cost / _PICO,
        attempt=stage.attempt,
        depends_on=stage.depends_on,
        span_id=stage.span_id,
        note=stage.note or None,
    )
    if stage.error_reason:
        message.error.reason, message.error.message = stage.error_reason, stage.error_message
    return message


_STAGE_SCALARS: Final = (
    "index",
    "name",
    "model",
    "provider",
    "status",
    "start_ms",
    "duration_ms",
    "prompt_tokens",
    "completion_tokens",
    "cost_usd",
    "attempt",
)


def _stage_object(stage: Stage) -> Any:
    """Return a stage in the JSON shape of the Stage message."""
    message = stage_message(stage)
    fields: dict[str, Any] = {name: getattr(message, name) for name in _STAGE_SCALARS}
    fields["depends_on"] = list(stage.depends_on)
    if stage.error_reason:
        fields["error"] = {"reason": stage.error_reason, "message": stage.error_message}
    if stage.note:
        fields["note"] = stage.note
    fields["span_id"] = stage.span_id
    return fields


def _choice(outcome: Outcome) -> pb.Choice:
    return pb.Choice(
        index=0,
        message=pb.AnswerMessage(role="assistant", content=outcome.answer.text),
        finish_reason=outcome.answer.finish_reason,
    )


def _usage(outcome: Outcome) -> pb.Usage:
    totals = outcome.totals
    return pb.Usage(
        prompt_tokens=totals.prompt_tokens,
        completion_tokens=totals.completion_tokens,
        total_tokens=totals.prompt_tokens + totals.completion_tokens,
    )


def _orchestration(outcome: Outcome) -> pb.Orchestration:
    answer, parts = outcome.answer, outcome.answer.confidence.parts
    return pb.Orchestration(
        policy=outcome.plan.policy,
        strategy=outcome.plan.strategy,
        models_used=outcome.totals.models_used,
        agreement=answer.agreement,
        confidence=answer.confidence.value,
        confidence_source=answer.confidence.source,
        calibration_id=answer.confidence.calibration,
        forced=outcome.plan.forced,
        k=outcome.plan.k,
        aggregator=answer.aggregator,
        calls=len(outcome.stages),
        degraded=bool(outcome.degradations),
        degradations=[
            pb.Degradation(stage=item.stage, reason=item.reason, model=item.model, action=item.action)
            for item in outcome.degradations
        ],
        confidence_parts=pb.ConfidenceParts(
            prior=parts.prior, agreement=parts.agreement, logprob=parts.logprob, judge=parts.judge
        ),
    )


def _cost(outcome: Outcome) -> pb.Cost:
    totals = outcome.totals
    return pb.Cost(total_usd=totals.cost / _PICO, estimated=totals.estimated, unpriced_calls=totals.unpriced_calls)


def _latency(outcome: Outcome, total_ms: float) -> pb.Latency:
    models_ms = outcome.totals.models_ms
    return pb.Latency(total_ms=total_ms, models_ms=models_ms, overhead_ms=total_ms - models_ms)


def outcome_message(outcome: Outcome, total_ms: float) -> executor_pb2.Outcome:
    """Return the last event of an execution."""
    return executor_pb2.Outcome(
        choice=_choice(outcome),
        usage=_usage(outcome),
        orchestration=_orchestration(outcome),
        cost=_cost(outcome),
        latency=_latency(outcome, total_ms),
    )


def response(result: Result, trace_id: str) -> pb.OrchestrateResponse:
    """Return what the client gets."""
    outcome, answer, signed = result.outcome, result.outcome.answer, result.signed
    message = pb.OrchestrateResponse(
        id=result.id,
        object="orchestration",
        created=result.created,
        policy=outcome.plan.policy,
        strategy=outcome.plan.strategy,
        rationale=outcome.plan.rationale,
        choices=[_choice(outcome)],
        usage=_usage(outcome),
        prysm=pb.Prysm(
            orchestration=_orchestration(outcome),
            cost=_cost(outcome),
            latency=_latency(outcome, result.total_ms),
            proof=pb.ProofSummary(
                proof_hash=signed.proof_hash,
                version=2,
                id=result.id,
                keyid=signed.keyid,
                log_index=signed.log_index,
                tree_size=signed.tree_size,
                checkpoint=signed.checkpoint,
                nonce=result.transcript.nonce.hex(),
                verify_url=f"/v1/proof/{result.id}",
                agreement=answer.agreement,
                confidence=answer.confidence.value,
                models=outcome.totals.models_used,
                transcript=result.transcript.text.decode(),
            ),
            trace_id=trace_id,
        ),
    )
    if (attested := result.transcript.attested) is not None:
        message.prysm.compliance.update(attested.decision)
        message.prysm.proof.compliance.attestation = attested.text
    if result.request.include_trace:
        message.prysm.stages.extend([_stage_object(stage) for stage in outcome.stages])
        message.prysm.proof.bundle.update(json.loads(signed.bundle))
    return message


def _compliance_record(written: Transcript) -> proof_pb2.ComplianceRecord | None:
    if (attested := written.attested) is None:
        return None
    return proof_pb2.ComplianceRecord(
        decision_sha256=attested.sha256, attestation=attested.text, matrix_version=attested.matrix_version
    )


def sign_request(
    request_id: str, created: int, outcome: Outcome, written: Transcript, trace_id: str, software_version: str
) -> proof_pb2.SignRequest:
    """Return the record that is signed: no text of prompt or answer, only salted digests."""
    plan, answer = outcome.plan, outcome.answer
    return proof_pb2.SignRequest(
        request_id=request_id,
        created=created,
        policy=plan.policy,
        strategy=plan.strategy,
        forced=plan.forced,
        k=plan.k,
        calls=[
            proof_pb2.CallRecord(
                stage=stage.name,
                model=stage.model.id,
                provider=stage.model.provider,
                status=stage.status,
                attempt=stage.attempt,
                input_digest=digest.input,
                output_digest=digest.output,
                prompt_tokens=stage.prompt_tokens,
                completion_tokens=stage.completion_tokens,
                cost_pico_usd=stage.cost if stage.priced else None,
            )
            for stage, digest in zip(outcome.stages, written.digests, strict=True)
        ],
        agreement=answer.agreement,
        confidence=answer.confidence.value,
        confidence_source=answer.confidence.source,
        calibration_id=answer.confidence.calibration,
        aggregator=answer.aggregator,
        degradations=[
            proof_pb2.DegradationRecord(stage=item.stage, reason=item.reason, model=item.model)
            for item in outcome.degradations
        ],
        transcript_sha256=written.sha256,
        compliance=_compliance_record(written),
        trace_id=trace_id,
        software_version=software_version,
        cost_estimated=outcome.totals.estimated,
    )
