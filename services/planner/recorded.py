"""The models of a recording, as entries of a catalog: their ids and prices, and what a price says of a tier."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from planner.catalog import TASKS, Model, Price

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from planner.catalog import Catalog

REPLAY: Final = "replay"
#: Tokens: what was recorded fitted.
_CONTEXT: Final = 1_000_000
_PICO_PER_MICRO: Final = 10**6
#: USD per million tokens of an answer from which on a model is taken for one of this tier, while nothing else is known.
_TIERS: Final = ((8.0, "frontier"), (2.0, "strong"), (0.0, "fast"))
#: What stands before a family's name.
_VENDORS: Final = re.compile(r"^(?:meta|nvidia|microsoft|google|openai|anthropic)[-/]", re.IGNORECASE)
_FAMILY: Final = re.compile(r"[a-zA-Z]+")


class PricesError(ValueError):
    """A price list can't be used."""


def family(model: str) -> str:
    """Return the family that a model's name begins with: `llama` of Meta-Llama-3.1-8B."""
    found = _FAMILY.search(_VENDORS.sub("", model))
    return found[0].lower() if found else model


def models(folder: Path, tiers: Mapping[str, Mapping[str, float]]) -> tuple[Model, ...]:
    """Return the models whose prices stand in a recording's `prices.json`.

    Raises:
        PricesError: there is no such file, or it is no price list.
    """
    path = folder / "prices.json"
    try:
        prices = json.loads(path.read_text("utf-8"))
        return tuple(
            _model(name, told["input_usd_per_mtok"], told["output_usd_per_mtok"], tiers)
            for name, told in prices.items()
        )
    except OSError as error:
        raise PricesError(f"{path}: can't be read") from error
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PricesError(f"{path}: must map each model to its input_usd_per_mtok and output_usd_per_mtok") from error


def _model(name: str, dollars_in: float, dollars_out: float, tiers: Mapping[str, Mapping[str, float]]) -> Model:
    if not (dollars_in >= 0 and dollars_out >= 0):
        raise ValueError("a price is no less than nothing")
    tier = next(tier for least, tier in _TIERS if dollars_out >= least)
    price = Price(round(dollars_in * _PICO_PER_MICRO), round(dollars_out * _PICO_PER_MICRO), "prices.json")
    quality = {task: tiers[tier][task] for task in TASKS}
    return Model(name, name, REPLAY, name, family(name), tier, _CONTEXT, price, quality)


def add(catalog: Catalog, folder: Path) -> Catalog:
    """Return a catalog with a recording's models, too.

    Raises:
        PricesError: see `models`.
    """
    more = {model.id: model for model in models(folder, catalog.tiers)}
    return replace(catalog, models={**catalog.models, **more})
