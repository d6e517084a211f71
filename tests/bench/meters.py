"""What is read off: quantiles of times, and processes' CPU, memory, descriptors and threads from /proc."""

from __future__ import annotations

import os
import statistics
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_TICKS: Final = os.sysconf("SC_CLK_TCK")


def quantiles(milliseconds: Iterable[float]) -> dict[str, float]:
    """Return p50, p95 and p99; of nothing: zeros."""
    times = sorted(milliseconds)
    if len(times) < 2:
        return dict.fromkeys(("p50", "p95", "p99"), round(times[0], 2) if times else 0.0)
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return {"p50": round(cuts[49], 2), "p95": round(cuts[94], 2), "p99": round(cuts[98], 2)}


def cpu_s(pid: int) -> float:
    """Return the seconds of CPU that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def resident_mb(pid: int) -> float:
    """Return what a process has in memory."""
    return round(int(_status(pid, "VmRSS").split()[0]) / 1024, 1)


def threads(pid: int) -> int:
    """Return how many threads a process has."""
    return int(_status(pid, "Threads"))


def descriptors(pid: int) -> int:
    """Return how many files and sockets a process has open."""
    return len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208 - as strings they are only counted


def _status(pid: int, name: str) -> str:
    return Path(f"/proc/{pid}/status").read_text().split(f"{name}:")[1].split("\n")[0]


class Cpu:
    """CPU of several processes since it was made."""

    def __init__(self, pids: Mapping[str, int]) -> None:
        self._pids = dict(pids)
        self._began = {name: cpu_s(pid) for name, pid in self._pids.items()}

    def per(self, count: int) -> dict[str, float]:
        """Return milliseconds per request, of `count`."""
        spent = {name: cpu_s(pid) - self._began[name] for name, pid in self._pids.items()}
        return {name: round(seconds * 1e3 / max(1, count), 3) for name, seconds in spent.items()}
