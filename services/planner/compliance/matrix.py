"""The matrix: what is known of each provider, claim by claim. Unknown fails a rule that needs it."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from planner.catalog import LOCAL

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CLAIMS: Final = ("jurisdiction", "regions", "frameworks", "certifications", "zero_retention", "cleared")


@dataclass(frozen=True)
class Provider:
    """What is known of a provider; None: unknown."""

    jurisdiction: str | None = None
    #: Where its data may be; never empty.
    regions: frozenset[str] | None = None
    frameworks: frozenset[str] | None = None
    certifications: frozenset[str] | None = None
    #: It offers a mode in which it keeps nothing.
    zero_retention: bool | None = None
    #: Classes of data that it is cleared for.
    cleared: frozenset[str] | None = None


@dataclass(frozen=True, eq=False)
class Matrix:
    """What is known of all providers; of one that is not here, nothing is. Equal to itself only."""

    version: str
    providers: Mapping[str, Provider]

    def of(self, provider: str) -> Provider:
        """Return what is known of a provider."""
        return self.providers.get(provider, _NOTHING)

    def placed(self, jurisdiction: str | None, regions: Sequence[str]) -> Matrix:
        """Return the same matrix with the operator's own models where the operator says that they are."""
        local = replace(
            self.of(LOCAL),
            jurisdiction=jurisdiction.upper() if jurisdiction else None,
            regions=frozenset(region.upper() for region in regions) or None,
        )
        return replace(self, providers={**self.providers, LOCAL: local})


_NOTHING: Final = Provider()


def _provider(claims: Mapping[str, Mapping[str, Any]]) -> Provider:
    values: dict[str, Any] = {name: claims[name].get("is") for name in CLAIMS}
    read: dict[str, Any] = {
        name: frozenset(value) if isinstance(value, list) else value for name, value in values.items()
    }
    return Provider(**read)


def load() -> Matrix:
    """Read the matrix that ships with this package."""
    tables = tomllib.loads(files("planner.compliance").joinpath("matrix.toml").read_text("utf-8"))
    version = tables.pop("version")
    return Matrix(version, {name: _provider(claims) for name, claims in tables.items()})
