"""Every image has a bill of what is in it, which names every package of its lock and no other."""

from __future__ import annotations

import json

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from deploy import sbom
from deploy.image import pins
from deploy.pods import SETTINGS


@pytest.mark.parametrize("image", SETTINGS)
def test_the_bill_names_what_the_lock_names_with_the_hashes_that_are_checked(image: str) -> None:
    bill = sbom.bill(image)
    assert {one["name"]: one["version"] for one in bill["components"]} == pins(f"images/{image}.txt")
    known = sbom.hashes()
    for one in bill["components"]:
        assert [found["content"] for found in one["hashes"]] == known[one["name"], one["version"]] != []
        assert one["purl"] == f"pkg:pypi/{one['name']}@{one['version']}"
    assert bill["metadata"]["component"]["name"] == f"openprysm-{image}"


def test_the_bill_is_cyclonedx_and_the_same_again() -> None:
    text = json.dumps(sbom.bill("planner"))
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert json.dumps(sbom.bill("planner")) == text


def test_what_is_installed_here_says_its_licence() -> None:
    silent = [one["name"] for one in sbom.bill("planner")["components"] if not one["licenses"]]
    assert silent == []
