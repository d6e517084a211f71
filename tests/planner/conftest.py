"""What the planner's tests share."""

from __future__ import annotations

import pytest

from planner import catalog


@pytest.fixture(scope="session")
def shipped() -> catalog.Catalog:
    """Return the catalog that ships with the planner."""
    return catalog.load()
