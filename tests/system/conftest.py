"""One suite, one provider edge and one OTLP receiver for all system tests that do not break them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cli.collector import Collector
from system.suite import Suite, serving
from system.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """An OTLP receiver for the whole session."""
    with Collector() as receiver:
        yield receiver


@pytest.fixture(scope="session")
def shared_upstream() -> Iterator[Upstream]:
    """A provider edge for the whole session."""
    with Upstream() as server:
        yield server


@pytest.fixture(scope="session")
def shared_suite(shared_upstream: Upstream, collector: Collector) -> Iterator[Suite]:
    """A suite with every hosted provider, for the whole session."""
    with serving(
        {**shared_upstream.environment, **collector.environment, "OPENPRYSM_REQUEST_TIMEOUT_S": "8"}
    ) as running:
        yield running


@pytest.fixture
def upstream(shared_upstream: Upstream) -> Iterator[Upstream]:
    """The provider edge, without a script."""
    shared_upstream.reset()
    yield shared_upstream
    shared_upstream.reset()


@pytest.fixture
def suite(shared_suite: Suite, upstream: Upstream) -> Suite:
    """The suite, its providers without a script."""
    assert upstream is not None
    return shared_suite
