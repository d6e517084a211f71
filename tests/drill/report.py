"""The table that a drill prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from drill.ledger import Verdict

_HEAD: Final = ("what was done", "took", "requests", "failed", "recovered", "p50", "p99", "")


def _row(verdict: Verdict) -> tuple[str, ...]:
    phase = verdict.phase
    failed = ", ".join(f"{count} of {failure}" for failure, count in verdict.failures.most_common()) or "0"
    return (
        phase.name,
        f"{phase.ended - phase.began:.1f} s",
        str(len(verdict.requests)),
        failed,
        f"{verdict.recovered_s:.1f} s" if verdict.failures else "",
        f"{verdict.quantile_ms(0.5):.0f} ms",
        f"{verdict.quantile_ms(0.99):.0f} ms",
        phase.notes,
    )


def table(verdicts: Sequence[Verdict]) -> str:
    """Return a line a phase: how long it took, what its requests were told, and when the last one failed."""
    rows = [_HEAD, *map(_row, verdicts)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(_HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
