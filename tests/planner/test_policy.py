"""A policy is read strictly, and a refusal names what is wrong and what is allowed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from planner.compliance import policy
from planner.compliance.policy import FIELDS, Policy, PolicyError, parse

JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.sampled_from(FIELDS), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("given_", "field", "allowed"),
    [
        ({"jurisdictions": ["EU"]}, "compliance.jurisdictions", "there are provider_allowlist"),
        ({"no such\nrule": 1}, "compliance", "is not a rule"),
        ({"jurisdiction": "EU"}, "compliance.jurisdiction", "must be a list"),
        ({"jurisdiction": ["EU", 5.0]}, "compliance.jurisdiction[1]", "must be a text"),
        ({"jurisdiction": [" "]}, "compliance.jurisdiction[0]", "must be a text"),
        ({"jurisdiction": ["E\nU"]}, "compliance.jurisdiction[0]", "printable"),
        ({"jurisdiction": ["x" * 65]}, "compliance.jurisdiction[0]", "1 to 64"),
        ({"frameworks": ["GDPR"] * 65}, "compliance.frameworks", "at most 64"),
        ({"block_data_classes": ["PII", "PFI"]}, "compliance.block_data_classes[1]", "PII, PHI, FINANCIAL, SECRETS"),
        ({"require_zero_retention": "yes"}, "compliance.require_zero_retention", "true or false"),
        ({"require_zero_retention": 1.0}, "compliance.require_zero_retention", "true or false"),
        ("GDRP", "compliance", "there are GDPR, HIPAA, LGPD, PIPL, EU-SOVEREIGN, PCI-DSS"),
        ("", "compliance", "is not a pack"),
        ([], "compliance", "must be an object"),
        (5.0, "compliance", "must be an object"),
        (False, "compliance", "must be an object"),
    ],
    ids=str,
)
def test_what_is_not_understood_is_refused_by_name(given_: Any, field: str, allowed: str) -> None:
    with pytest.raises(PolicyError) as caught:
        parse(given_)
    assert caught.value.field == field
    assert allowed in caught.value.allowed


@given(JSON)
def test_any_json_is_a_policy_or_a_refusal(value: Any) -> None:
    try:
        read = parse(value)
    except PolicyError:
        return
    assert parse(read.document()) == read


def test_values_compare_in_any_case_and_once() -> None:
    read = parse({"jurisdiction": ["eu", "EU", " Eu "], "provider_denylist": ["OpenAI"], "block_data_classes": ["pii"]})
    assert read == Policy(jurisdiction=("EU",), provider_denylist=("openai",), block_data_classes=("PII",))


@pytest.mark.parametrize(
    "nothing", [None, {}, {"jurisdiction": []}, {"jurisdiction": None}, {"require_zero_retention": False}]
)
def test_a_policy_without_rules_is_inert(nothing: Any) -> None:
    assert not parse(nothing).active


@pytest.mark.parametrize("name", ["gdpr", "GDPR", " Gdpr "])
def test_a_pack_is_known_by_its_name_in_any_case(name: str) -> None:
    assert parse(name) == policy.packs()["GDPR"]
    assert parse(name).active
