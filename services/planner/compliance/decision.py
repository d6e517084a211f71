"""Which models a policy leaves, and why not the others. Pure: the same inputs, the same decision, byte for byte."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from chassis import canonical

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from planner.catalog import Model
    from planner.compliance.matrix import Matrix, Provider
    from planner.compliance.policy import Policy

_SECRETS: Final = "SECRETS"
_UNKNOWN: Final = "unknown"
#: Decisions that are kept: some kilobytes each.
_REMEMBERED: Final = 256
#: Picodollars a token → USD per million tokens.
_USD_MTOK: Final = 1e-6


@dataclass(frozen=True)
class Premium:
    """What a policy costs: the cheapest model that it leaves against the cheapest of all, by list price."""

    available: bool
    #: USD per million tokens, half of them read and half written; None when there is nothing to compare.
    usd_mtok: float | None
    percent: float | None
    cheapest_compliant: str | None
    cheapest_unrestricted: str | None


@dataclass(frozen=True)
class Decision:
    """What a policy made of some models and a text."""

    policy: Policy
    #: Classes that the text holds.
    detected: tuple[str, ...]
    #: Ids.
    allowed: tuple[str, ...]
    #: Id → reasons, in the order of the policy's fields.
    excluded: Mapping[str, tuple[str, ...]]
    #: Rule → how many models it excluded; a model may be excluded by several.
    by_rule: Mapping[str, int]
    matrix_version: str

    def document(self) -> dict[str, Any]:
        """Return it as JSON: the contract's decision object."""
        return {
            "policy": self.policy.document(),
            "policy_active": self.policy.active,
            "detected_classes": list(self.detected),
            "allowed": list(self.allowed),
            "allowed_count": len(self.allowed),
            "excluded": {name: list(reasons) for name, reasons in self.excluded.items()},
            "excluded_count": len(self.excluded),
            "matrix_version": self.matrix_version,
        }

    @cached_property
    def canonical(self) -> bytes:
        """Its RFC 8785 form."""
        return canonical.dumps(self.document())

    def refusal(self) -> str:
        """Say for the client which rule excluded how many."""
        counts = ", ".join(f"{rule} excludes {count}" for rule, count in self.by_rule.items())
        return f"the policy leaves none of {len(self.excluded)} models: {counts}"


def attest(decision: Mapping[str, Any], models: Sequence[str], request_id: str) -> str:
    """Return the attestation: `sha256:` over the RFC 8785 form of decision, models that ran, and request id."""
    body = {"decision": decision, "models": list(models), "request_id": request_id}
    return "sha256:" + hashlib.sha256(canonical.dumps(body)).hexdigest()


def _missing(needed: Sequence[str], held: frozenset[str] | None) -> list[str]:
    return [value for value in needed if held is None or value not in held]


def _reasons(policy: Policy, detected: Sequence[str], name: str, known: Provider) -> Iterator[tuple[str, str]]:
    """Yield each rule that a provider fails, and how it is said."""
    if policy.provider_allowlist and name not in policy.provider_allowlist:
        yield "provider_allowlist", f"provider '{name}' not in {list(policy.provider_allowlist)}"
    if name in policy.provider_denylist:
        yield "provider_denylist", f"provider '{name}' in {list(policy.provider_denylist)}"
    if policy.jurisdiction and known.jurisdiction not in policy.jurisdiction:
        yield "jurisdiction", f"jurisdiction '{known.jurisdiction or _UNKNOWN}' not in {list(policy.jurisdiction)}"
    if policy.data_residency and (known.regions is None or not known.regions <= set(policy.data_residency)):
        regions = sorted(known.regions) if known.regions else _UNKNOWN
        yield "data_residency", f"data regions {regions} not within {list(policy.data_residency)}"
    if missing := _missing(policy.frameworks, known.frameworks):
        yield "frameworks", f"frameworks {missing} not supported"
    if missing := _missing(policy.certifications, known.certifications):
        yield "certifications", f"certifications {missing} not held"
    if missing := _uncleared(policy, detected, known):
        yield "block_data_classes", f"not cleared for {missing}"
    if policy.require_zero_retention and not known.zero_retention:
        yield "require_zero_retention", "zero retention not offered"


def _uncleared(policy: Policy, detected: Sequence[str], known: Provider) -> list[str]:
    """Return the blocked classes that the text holds and the provider is not cleared for; nobody is for secrets."""
    blocked = [name for name in policy.block_data_classes if name in detected]
    return [name for name in blocked if name == _SECRETS or known.cleared is None or name not in known.cleared]


def decide(policy: Policy, detected: Sequence[str], models: Sequence[Model], matrix: Matrix) -> Decision:
    """Hold models against a policy.

    Args:
        policy: the rules; an inert one leaves all.
        detected: classes that the text holds.
        models: those that could be asked.
        matrix: what is known of their providers.
    """
    return _decided(policy, tuple(detected), tuple((model.id, model.provider) for model in models), matrix)


@lru_cache(_REMEMBERED)
def _decided(policy: Policy, detected: tuple[str, ...], offer: tuple[tuple[str, str], ...], matrix: Matrix) -> Decision:
    """Decide; of the same rules, classes, offer and matrix the decision is the same, so it is made once."""
    failed = {
        provider: tuple(_reasons(policy, detected, provider, matrix.of(provider)))
        for provider in dict.fromkeys(provider for _, provider in offer)
    }
    excluded = {name: tuple(said for _, said in failed[provider]) for name, provider in offer if failed[provider]}
    return Decision(
        policy=policy,
        detected=detected,
        allowed=tuple(name for name, provider in offer if not failed[provider]),
        excluded=MappingProxyType(excluded),
        by_rule=MappingProxyType(Counter(rule for _, provider in offer for rule, _ in failed[provider])),
        matrix_version=matrix.version,
    )


def _usd_mtok(model: Model) -> float:
    return (model.price.input + model.price.output) / 2 * _USD_MTOK if model.price else float("inf")


def premium(decision: Decision, models: Sequence[Model]) -> Premium:
    """Compare list prices. The operator's own models have none, so they count only where nothing else is left."""
    by_id = {model.id: model for model in models}
    priced = [model for model in models if model.price is not None and model.price.output]
    compliant = [model for model in priced if model.id not in decision.excluded]
    cheapest = min(priced, key=_usd_mtok, default=None)
    best = min(compliant, key=_usd_mtok, default=None)
    if best is None or cheapest is None:
        free = next((by_id[name].id for name in decision.allowed), None)
        return Premium(bool(decision.allowed), None, None, free, cheapest.id if cheapest else None)
    more = _usd_mtok(best) - _usd_mtok(cheapest)
    return Premium(True, round(more, 6), round(100 * more / _usd_mtok(cheapest), 2), best.id, cheapest.id)
