"""The shapes of a run: one file each, one async function each, reading like its paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from executor.strategies.ensemble_moa import ensemble_moa
from executor.strategies.single import single

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from executor.run import Run
    from executor.strategies.answer import Answer

STRATEGIES: Final[Mapping[str, Callable[[Run], Awaitable[Answer]]]] = {
    "single": single,
    "ensemble_moa": ensemble_moa,
}
