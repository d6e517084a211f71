"""The catalog that ships: complete, priced, and sound."""

from __future__ import annotations

import tomllib
from importlib.resources import files
from typing import TYPE_CHECKING

import pytest

from planner import vocabulary
from planner.catalog import LOCAL, TASKS

from .requests import HOSTED

if TYPE_CHECKING:
    from planner.catalog import Catalog

_PROMISED = ["gpt-5.2", "claude-sonnet-4.5", "claude-haiku-4.5", "deepseek-v3.2"]


def test_the_models_that_clients_name_are_there(shipped: Catalog) -> None:
    assert set(_PROMISED) <= shipped.models.keys()


def test_europe_has_a_provider_of_its_own(shipped: Catalog) -> None:
    assert any(item.provider == "mistral" for item in shipped.models.values())


def test_every_provider_is_one_that_the_contract_names(shipped: Catalog) -> None:
    assert {item.provider for item in shipped.models.values()} == HOSTED | {LOCAL}


def test_every_hosted_model_has_a_price_from_a_source(shipped: Catalog) -> None:
    for item in shipped.models.values():
        assert item.price, item.id
        assert item.price.source
        if item.provider == LOCAL:
            assert (item.price.input, item.price.output) == (0, 0)
        else:
            assert 0 < item.price.input <= item.price.output


def test_every_task_has_a_quality_between_0_and_1(shipped: Catalog) -> None:
    for item in shipped.models.values():
        assert item.quality.keys() == set(TASKS), item.id
        assert all(0 < value < 1 for value in item.quality.values()), item.id


def test_no_price_is_of_a_model_that_is_not_there(shipped: Catalog) -> None:
    priced = tomllib.loads(files("planner").joinpath("prices.toml").read_text("utf-8"))
    hosted = {item.id for item in shipped.models.values() if item.provider != LOCAL}
    assert priced.keys() == hosted


def test_no_model_is_there_twice(shipped: Catalog) -> None:
    entries = tomllib.loads(files("planner").joinpath("catalog.toml").read_text("utf-8"))["models"]
    assert len(entries) == len(shipped.models)
    upstream = [(item["provider"], item["upstream"]) for item in entries]
    assert len(set(upstream)) == len(upstream)


def test_better_tiers_are_better(shipped: Catalog) -> None:
    def best(tier: str) -> float:
        return max(item.quality["general"] for item in shipped.models.values() if item.tier == tier)

    assert best("local") < best("fast") < best("strong") < best("frontier")


@pytest.mark.parametrize("provider", sorted(HOSTED))
def test_a_provider_offers_its_own_models_alone(shipped: Catalog, provider: str) -> None:
    offered = shipped.available(frozenset({provider}), ())
    assert offered
    assert {item.provider for item in offered} == {provider}


def test_a_known_local_model_keeps_its_figures_and_an_unknown_one_gets_the_prior(shipped: Catalog) -> None:
    known, unknown = shipped.available(frozenset(), ("smollm2-135m", "mine"))
    assert known == shipped.models["smollm2-135m"]
    assert (unknown.id, unknown.upstream, unknown.family, unknown.provider) == ("mine", "mine", "mine", LOCAL)
    assert unknown.price
    assert unknown.price.output == 0
    assert known.quality["general"] < unknown.quality["general"] < 0.5


def test_a_local_model_with_a_hosted_ones_name_is_still_local(shipped: Catalog) -> None:
    (item,) = shipped.available(frozenset(), ("gpt-5.2",))
    assert item.provider == LOCAL
    assert item.price
    assert item.price.output == 0


def test_token_probabilities_are_expected_only_where_they_are_promised(shipped: Catalog) -> None:
    local = {item.id for item in shipped.models.values() if item.provider == LOCAL}
    assert {item.id for item in shipped.models.values() if item.logprobs} == {"gpt-4.1-mini", "deepseek-v3.2", *local}
    (unknown,) = shipped.available(frozenset(), ("mine",))
    assert not unknown.logprobs


def test_the_vocabulary_is_written_as_prompts_are_read() -> None:
    for table in (vocabulary.TERMS, vocabulary.UNSPACED):
        for terms in table.values():
            for term in terms.split(","):
                assert term.strip()
                assert term == term.lower()
                assert "'" not in term
