"""The gateway that a module's tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import pytest_asyncio

from gateway.stack import Stack, Start, run_stack

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


@pytest.fixture
def start() -> Start:
    """Start a stack with settings of the test's own."""
    return run_stack


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def module_stack(request: pytest.FixtureRequest) -> AsyncIterator[Stack]:
    async with run_stack(**getattr(request.module, "SETTINGS", {})) as stack:
        yield stack


@pytest_asyncio.fixture(loop_scope="module")
async def stack(module_stack: Stack) -> Stack:
    """The stack of this module, its services as new. The module's SETTINGS are its settings."""
    module_stack.reset()
    await module_stack.until(module_stack.healthy)
    return module_stack
