"""How many requests run: the bound of memory, whatever the models take."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


class OverloadedError(Exception):
    """As many requests run as may."""


class Admission:
    """Counts running requests. Who waits for a model costs memory and no time, so the bound is a wide one.

    It does not hold back what there is no time for: that is gRPC's queue, see chassis.server.
    """

    def __init__(self, limit: int) -> None:
        self._left = limit

    @contextmanager
    def one(self) -> Iterator[None]:
        """Run one more while the block lasts.

        Raises:
            OverloadedError: too many run.
        """
        if not self._left:
            raise OverloadedError
        self._left -= 1
        try:
            yield
        finally:
            self._left += 1
