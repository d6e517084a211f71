"""`make prices`: looks up every hosted model of the catalog in genai-prices and writes prices.toml.

A file and no look-up at start: the same prompt gets the same plan until a person has read the new prices.
"""

from __future__ import annotations

import sys
import tomllib
from datetime import UTC, datetime
from decimal import Decimal
from importlib.metadata import version
from importlib.resources import files

from genai_prices import data_snapshot
from genai_prices.types import ModelPrice, TieredPrices

_PICO_PER_MICRO = 10**6


def _pico_per_token(usd_per_mtok: Decimal | TieredPrices | None) -> int:
    """Return a price as picodollars a token: exactly microdollars per million tokens."""
    base = usd_per_mtok.base if isinstance(usd_per_mtok, TieredPrices) else usd_per_mtok
    if base is None or (pico := Decimal(base) * _PICO_PER_MICRO) != int(pico):
        sys.exit(f"{base} USD per million tokens is no whole number of picodollars a token")
    return int(pico)


def main() -> None:
    """Write prices.toml beside the catalog."""
    folder = files("planner")
    catalog = tomllib.loads(folder.joinpath("catalog.toml").read_text("utf-8"))
    snapshot = data_snapshot.get_snapshot()
    source = f"genai-prices {version('genai-prices')}, read {datetime.now(UTC):%Y-%m-%d}"
    lines = ["# Written by `make prices`. Picodollars (1e-12 USD) a token, for short prompts where a price has steps."]
    for model in catalog["models"]:
        if "price" not in model:
            continue
        provider, _, name = model["price"].partition("/")
        _, found = snapshot.find_provider_model(name, None, provider, None)
        price = found.get_prices(datetime.now(UTC))
        if not isinstance(price, ModelPrice):
            sys.exit(f"{model['id']}: no price for {model['price']}")
        lines += [
            "",
            f'["{model["id"]}"]',
            f"input = {_pico_per_token(price.input_mtok)}",
            f"output = {_pico_per_token(price.output_mtok)}",
            f'source = "{source}"',
        ]
    folder.joinpath("prices.toml").write_text("\n".join(lines) + "\n", "utf-8")  # type: ignore[attr-defined] # a real folder in a checkout


if __name__ == "__main__":
    main()
