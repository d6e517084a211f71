"""Which models a policy leaves of the shipped catalog, by the shipped matrix, and what is said of the others."""

from __future__ import annotations

import datetime as dt
import hashlib
import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785

from planner.compliance import matrix
from planner.compliance.decision import attest, decide, premium
from planner.compliance.matrix import CLAIMS
from planner.compliance.officer import rule
from planner.compliance.policy import packs, parse

if TYPE_CHECKING:
    from planner.catalog import Catalog
    from planner.compliance.decision import Decision

EUROPE = {"jurisdiction": ["EU"], "frameworks": ["GDPR"], "data_residency": ["EU"]}


def decided(
    catalog: Catalog, policy: Any, *detected: str, placed: tuple[str | None, list[str]] = (None, [])
) -> Decision:
    return decide(parse(policy), detected, tuple(catalog.models.values()), matrix.load().placed(*placed))


def providers(catalog: Catalog, decision: Decision) -> set[str]:
    return {catalog.models[name].provider for name in decision.allowed}


def test_europe_leaves_mistral(shipped: Catalog) -> None:
    assert providers(shipped, decided(shipped, EUROPE)) == {"mistral"}


def test_the_operators_own_models_count_where_the_operator_says_they_are(shipped: Catalog) -> None:
    rules = {"jurisdiction": ["EU"], "data_residency": ["EU"]}
    assert providers(shipped, decided(shipped, rules)) == {"mistral"}
    assert providers(shipped, decided(shipped, rules, placed=("eu", ["eu"]))) == {"mistral", "local"}
    assert providers(shipped, decided(shipped, rules, placed=("eu", ["EU", "US"]))) == {"mistral"}


def test_openai_and_anthropic_support_the_gdpr(shipped: Catalog) -> None:
    assert {"openai", "anthropic", "mistral"} <= providers(shipped, decided(shipped, "GDPR", "PII"))


@pytest.mark.parametrize("classes", [["SECRETS"], ["PII", "SECRETS"]])
def test_nobody_is_cleared_for_secrets(shipped: Catalog, classes: list[str]) -> None:
    assert decided(shipped, {"block_data_classes": classes}, "SECRETS").allowed == ()
    assert decided(shipped, {"block_data_classes": classes}).excluded == {}


def test_a_class_that_is_not_blocked_excludes_nobody(shipped: Catalog) -> None:
    assert decided(shipped, {"block_data_classes": ["PHI"]}, "SECRETS", "PII").excluded == {}


@pytest.mark.parametrize(
    ("policy", "detected", "said"),
    [
        ({"provider_allowlist": ["mistral"]}, (), "provider 'openai' not in ['mistral']"),
        ({"provider_denylist": ["OpenAI"]}, (), "provider 'openai' in ['openai']"),
        ({"jurisdiction": ["EU"]}, (), "jurisdiction 'US' not in ['EU']"),
        ({"data_residency": ["EU"]}, (), "data regions unknown not within ['EU']"),
        ({"frameworks": ["gdpr", "pipl"]}, (), "frameworks ['PIPL'] not supported"),
        ({"certifications": ["PCI-DSS"]}, (), "certifications ['PCI-DSS'] not held"),
        ({"block_data_classes": ["financial"]}, ("FINANCIAL",), "not cleared for ['FINANCIAL']"),
    ],
)
def test_every_rule_says_why(shipped: Catalog, policy: Any, detected: tuple[str, ...], said: str) -> None:
    assert said in decided(shipped, policy, *detected).excluded["gpt-5.2"]


def test_unknown_fails_a_rule_that_needs_it(shipped: Catalog) -> None:
    models = tuple(shipped.models.values())
    nothing = matrix.Matrix("rcm-0", {})
    for policy in (
        {"jurisdiction": ["US"]}, {"data_residency": ["US"]}, {"frameworks": ["GDPR"]}, {"certifications": ["SOC2"]},
        {"require_zero_retention": True},
    ):  # fmt: skip
        assert decide(parse(policy), (), models, nothing).allowed == ()
    assert decide(parse({"block_data_classes": ["PII"]}), ("PII",), models, nothing).allowed == ()
    assert len(decide(parse({"provider_denylist": ["x"]}), (), models, nothing).allowed) == len(models)


def test_an_impossible_policy_counts_by_rule(shipped: Catalog) -> None:
    said = decided(shipped, {"jurisdiction": ["MARS"], "frameworks": ["GDPR"]}).refusal()
    assert "jurisdiction excludes 15" in said
    assert "frameworks excludes 4" in said


def test_a_policy_never_adds_and_never_ranks(shipped: Catalog) -> None:
    order = list(shipped.models)
    for policy in packs().values():
        decision = decided(shipped, policy.document(), "PII", "PHI")
        assert list(decision.allowed) == [name for name in order if name not in decision.excluded]
        assert set(decision.allowed) | set(decision.excluded) == set(order)


def test_the_premium_compares_list_prices(shipped: Catalog) -> None:
    cost = premium(decided(shipped, EUROPE), tuple(shipped.models.values()))
    assert (cost.cheapest_compliant, cost.cheapest_unrestricted) == ("mistral-small-4", "deepseek-v3.2")
    assert cost.usd_mtok == pytest.approx(0.375 - 0.286)
    none = premium(decided(shipped, {"jurisdiction": ["MARS"]}), tuple(shipped.models.values()))
    assert (none.available, none.usd_mtok, none.cheapest_compliant) == (False, None, None)


def test_the_attestation_is_over_rfc_8785(shipped: Catalog) -> None:
    document = decided(shipped, EUROPE, "PII").document()
    body: Any = {"decision": document, "models": ["mistral-large-3"], "request_id": "prysm-0"}
    assert (
        attest(document, ["mistral-large-3"], "prysm-0") == f"sha256:{hashlib.sha256(rfc8785.dumps(body)).hexdigest()}"
    )
    assert decided(shipped, EUROPE, "PII").canonical == rfc8785.dumps(document)


def test_no_text_is_in_a_ruling(shipped: Catalog) -> None:
    secret = "AKIAIOSFODNN7EXAMPLE"
    ruling = rule(
        parse({"block_data_classes": ["SECRETS"]}), (f"key {secret}",), tuple(shipped.models.values()), matrix.load()
    )
    assert ruling.classification == {"SECRETS": ("aws_access_key",)}
    assert secret not in repr(ruling)


def test_every_claim_about_a_provider_of_the_catalog_has_a_source(shipped: Catalog) -> None:
    tables = tomllib.loads(files("planner.compliance").joinpath("matrix.toml").read_text("utf-8"))
    assert tables.pop("version") == "rcm-2026.11"
    assert set(tables) == {model.provider for model in shipped.models.values()}
    for name, claims in tables.items():
        assert set(claims) == set(CLAIMS)
        for claim in claims.values():
            assert ("is" in claim) != claim.get("unknown", False)
            assert claim["source"]
            assert name == "local" or isinstance(claim["read"], dt.date)
            assert all(value == value.upper() for value in claim["is"]) if isinstance(claim.get("is"), list) else True
        assert "SECRETS" not in claims["cleared"].get("is", [])
