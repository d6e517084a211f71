"""ComplianceService on the wire: what a policy would do, and the packs."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from google.protobuf import json_format, struct_pb2

from chassis import errors
from chassis.interceptors import note
from openprysm.compliance.v2 import compliance_pb2 as pb
from openprysm.compliance.v2 import compliance_pb2_grpc
from planner.compliance import policy
from planner.compliance.decision import attest, premium
from planner.compliance.officer import rule
from planner.compliance.record import Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import grpc

    from planner.catalog import Catalog
    from planner.compliance.decision import Premium
    from planner.compliance.matrix import Matrix
    from planner.compliance.policy import Policy

    Context: TypeAlias = grpc.aio.ServicerContext[Any, Any]

SERVICE: Final = pb.DESCRIPTOR.services_by_name["ComplianceService"].full_name
#: Methods that start with this need a key.
PROTECTED: Final = (f"/{SERVICE}/",)

_MAX_MESSAGES: Final = 256
_INERT: Final = "the policy has no rules: every model is allowed"
_SAMPLE_ID: Final = "preview"
_LARGEST_KEPT: Final = 4096


def plain(value: struct_pb2.Value, where: str) -> object:
    """Return a Value as JSON has it; `where` is what an error calls it.

    Raises:
        ServiceError: invalid_request; it holds a number that JSON does not have, or nests too deeply.
    """
    try:
        return json_format.MessageToDict(value)
    except (json_format.Error, ValueError, RecursionError) as error:
        raise errors.invalid_request(where, "must be JSON") from error


def log(record: Record) -> None:
    """Add a decision to the log line of the RPC that runs."""
    note(**record.fields())


def policy_of(value: struct_pb2.Value) -> Policy:
    """Read `compliance`.

    Raises:
        ServiceError: invalid_request, naming the field and what is allowed.
    """
    written = value.SerializeToString(deterministic=True)
    # Clients have a few policies and send them over and over; a huge one is not kept.
    return (_policy_of if len(written) <= _LARGEST_KEPT else _policy_of.__wrapped__)(written)


@lru_cache(256)
def _policy_of(written: bytes) -> Policy:
    return read_policy(plain(struct_pb2.Value.FromString(written), "compliance"), "compliance")


def read_policy(given: object, where: str) -> Policy:
    """Read a policy.

    Raises:
        ServiceError: invalid_request, naming the field and what is allowed.
    """
    try:
        return policy.parse(given, where)
    except policy.PolicyError as error:
        raise errors.invalid_request(error.field, error.allowed) from error


def _policy(request: pb.PreviewRequest) -> Policy:
    if request.HasField("compliance") and request.compliance.WhichOneof("kind") != "null_value":
        return policy_of(request.compliance)
    brain = plain(request.brain_config, "brain_config") if request.HasField("brain_config") else None
    if brain is None:
        return read_policy(None, "compliance")
    if not isinstance(brain, dict):
        raise errors.invalid_request("brain_config", "must be an object")
    return read_policy(brain.get("compliance"), "brain_config.compliance")


def _content(where: str, content: struct_pb2.Value) -> str:
    kind = content.WhichOneof("kind")
    if kind == "string_value":
        return content.string_value
    if kind != "list_value":
        raise errors.invalid_request(where, "must be a string or a list of text parts")
    texts = []
    for index, part in enumerate(content.list_value.values):
        fields = part.struct_value.fields
        if "text" not in fields or fields["text"].WhichOneof("kind") != "string_value":
            raise errors.invalid_request(f"{where}[{index}].text", "must be a string")
        texts.append(fields["text"].string_value)
    return "\n".join(texts)


def _text(request: pb.PreviewRequest) -> str:
    """Return what is classified: the prompt, else the last user message."""
    if request.HasField("prompt"):
        return request.prompt
    if len(request.messages) > _MAX_MESSAGES:
        raise errors.invalid_request("messages", f"must be at most {_MAX_MESSAGES}")
    for index in range(len(request.messages) - 1, -1, -1):
        if request.messages[index].role == "user":
            return _content(f"messages[{index}].content", request.messages[index].content)
    raise errors.invalid_request("prompt", "one of prompt and messages with a user message is needed")


def _message(rules: Policy) -> pb.CompliancePolicy:
    return pb.CompliancePolicy(**rules.document())


def _lists(values: Mapping[str, Sequence[str]]) -> dict[str, struct_pb2.ListValue]:
    return {
        name: struct_pb2.ListValue(values=[struct_pb2.Value(string_value=item) for item in items])
        for name, items in values.items()
    }


def _premium(cost: Premium) -> pb.CompliancePremium:
    return pb.CompliancePremium(
        compliant_available=cost.available,
        premium_usd_mtok=cost.usd_mtok,
        premium_pct=cost.percent,
        cheapest_compliant=cost.cheapest_compliant,
        cheapest_unrestricted=cost.cheapest_unrestricted,
    )


class ComplianceServicer(compliance_pb2_grpc.ComplianceServiceServicer):
    """Say what a policy would do over the whole catalog: which providers are configured is the executor's to know."""

    def __init__(self, catalog: Catalog, matrix: Matrix, tell: Callable[[Record], None] = log) -> None:
        """Make one; `tell` is told of every decision."""
        self._models = tuple(catalog.models.values())
        self._matrix = matrix
        self._tell = tell

    async def Preview(self, request: pb.PreviewRequest, context: Context) -> pb.PreviewResponse:  # noqa: ARG002, N802
        """Classify, decide, and call nobody."""
        rules = _policy(request)
        ruling = rule(rules, (_text(request),), self._models, self._matrix)
        decision, document = ruling.decision, ruling.decision.document()
        self._tell(Record.of(decision, "preview"))
        response = pb.PreviewResponse(
            active=rules.active,
            ok=bool(decision.allowed),
            policy=_message(rules),
            detected_classes=decision.detected,
            classification=_lists(ruling.classification),
            allowed_models=decision.allowed,
            excluded_models=_lists(decision.excluded),
            compliance_cost_premium=_premium(premium(decision, self._models)),
            decision=pb.ComplianceDecision(
                policy=_message(rules),
                policy_active=rules.active,
                detected_classes=decision.detected,
                allowed=decision.allowed,
                allowed_count=len(decision.allowed),
                excluded=_lists(decision.excluded),
                excluded_count=len(decision.excluded),
                matrix_version=decision.matrix_version,
            ),
            sample_attestation=attest(document, (), _SAMPLE_ID),
            matrix_version=decision.matrix_version,
        )
        if not rules.active:
            response.note = _INERT
        return response

    async def ListPacks(self, request: pb.ListPacksRequest, context: Context) -> pb.ListPacksResponse:  # noqa: ARG002, N802
        """Return the packs."""
        return pb.ListPacksResponse(packs={name: _message(rules) for name, rules in policy.packs().items()})
