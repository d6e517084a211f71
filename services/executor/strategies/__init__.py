"""The shapes of a run: one file each, one async function each, reading like its paper."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from executor.strategies.cascade import cascade
from executor.strategies.debate import debate
from executor.strategies.decompose_and_route import decompose_and_route
from executor.strategies.ensemble_moa import ensemble_moa
from executor.strategies.rank_fuse import rank_fuse
from executor.strategies.self_consistency import self_consistency
from executor.strategies.single import single

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from executor.run import Run
    from executor.strategies.answer import Answer

STRATEGIES: Final[Mapping[str, Callable[[Run], Awaitable[Answer]]]] = {
    "single": single,
    "cascade": cascade,
    "ensemble_moa": ensemble_moa,
    "rank_fuse": rank_fuse,
    "decompose_and_route": decompose_and_route,
    "self_consistency": self_consistency,
    "debate": debate,
}
