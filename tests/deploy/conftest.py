"""The overlays, rendered once."""

from __future__ import annotations

import pytest

from deploy.manifests import OVERLAYS
from deploy.pods import Overlay


@pytest.fixture(scope="session", params=OVERLAYS)
def overlay(request: pytest.FixtureRequest) -> Overlay:
    return Overlay(request.param)


@pytest.fixture(scope="session")
def production() -> Overlay:
    return Overlay("production")
