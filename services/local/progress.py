"""How far a fetch is: bars on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import math
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, Protocol

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
from rich.progress import Progress as RichProgress

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from rich.progress import TaskID

#: Seconds between two lines about one model.
LINE_EVERY_S: Final = 5.0


class Progress(Protocol):
    """Somebody who is told how far a fetch is."""

    def update(self, model: str, done: int, total: int) -> None:
        """Take note that `done` of `total` bytes of a model are here."""

    def note(self, text: str) -> None:
        """Take note of something worth a line."""


class Lines:
    """Says a line now and then."""

    def __init__(self, say: Callable[[str], None]) -> None:
        self._say = say
        self._due: dict[str, float] = {}

    def update(self, model: str, done: int, total: int) -> None:
        """See Progress."""
        now, due = time.monotonic(), self._due.get(model, 0.0)
        if now < due and (done < total or due == math.inf):
            return
        self._due[model] = now + LINE_EVERY_S if done < total else math.inf
        self._say(f"{model}: {done * 100 // total} % of {total / 1e6:.0f} MB")

    def note(self, text: str) -> None:
        """See Progress."""
        self._say(text)


class _Bars:
    def __init__(self, rich: RichProgress) -> None:
        self._rich = rich
        self._tasks: dict[str, TaskID] = {}

    def update(self, model: str, done: int, total: int) -> None:
        if model not in self._tasks:
            self._tasks[model] = self._rich.add_task(model, total=total)
        self._rich.update(self._tasks[model], completed=done, total=total)

    def note(self, text: str) -> None:
        self._rich.console.print(text, highlight=False, markup=False)


@contextmanager
def on_stderr() -> Iterator[Progress]:
    """Show progress on stderr: bars when it is a terminal, else lines."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Lines(lambda text: print(text, file=sys.stderr, flush=True))  # noqa: T201 - for the operator's eyes
        return
    columns = TextColumn("{task.description}"), BarColumn(), DownloadColumn(), TimeRemainingColumn()
    with RichProgress(*columns, console=console) as rich:
        yield _Bars(rich)
