"""Requests, catalogs and plans as the planner's tests write them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.catalog import TASKS, Catalog, Model, Price
from planner.plan import Request

if TYPE_CHECKING:
    from collections.abc import Mapping

HOSTED = frozenset({"openai", "anthropic", "google", "mistral", "deepseek", "xai"})
#: Says nothing of any task: neither trivial nor compound.
PLAIN = "Describe the sea near the town where my grandmother used to live long ago"
TRIVIAL = "What is the capital of France?"
OPEN = "Why do cities grow? Compare the reasons."
PICO = 10**12


def ask(text: str = PLAIN, **fields: Any) -> Request:
    """Return a request of one user message."""
    defaults: dict[str, Any] = {
        "messages": (("user", text),),
        "policy": "balanced",
        "strategy": None,
        "k": None,
        "max_tokens": 1024,
        "max_cost": None,
        "judge_model": "",
        "providers": HOSTED,
        "local_models": (),
        "unhealthy": frozenset(),
    }
    return Request(**{**defaults, **fields})


def model(
    name: str, quality: float | Mapping[str, float] = 0.8, usd_per_mtok: float | None = 1.0, **fields: Any
) -> Model:
    """Return a model, each its own family at its own provider; a single quality is that of all tasks."""
    price = None if usd_per_mtok is None else Price(round(usd_per_mtok * 1e6), round(usd_per_mtok * 4e6), "test")
    defaults: dict[str, Any] = {
        "id": name,
        "display": name,
        "provider": name,
        "upstream": name,
        "family": name,
        "tier": "strong",
        "context_window": 100_000,
        "price": price,
        "quality": dict.fromkeys(TASKS, quality) if isinstance(quality, float) else quality,
    }
    return Model(**{**defaults, **fields})


def catalog_of(*models: Model) -> Catalog:
    return Catalog({item.id: item for item in models}, dict.fromkeys(TASKS, 0.4))


def ids(models: tuple[Model, ...]) -> list[str]:
    return [item.id for item in models]
