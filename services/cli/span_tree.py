"""A trace in the terminal: its spans as a tree, when and how long each ran, and what is worth knowing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cli.collector import Span

_COLOURS: Final = {"gateway": "magenta", "executor": "cyan", "planner": "yellow", "proof": "green"}
#: Characters of the time line, and those that a terminal must have for it.
_LINE: Final = 28
_WIDE: Final = 140
_FORMATS: Final[Mapping[str, str]] = {
    "gen_ai.provider.name": "{}",
    "prysm.policy": "{}",
    "prysm.agreement": "agreement {:.2f}",
    "prysm.confidence": "confidence {:.2f}",
    "prysm.cost.usd": "${:.6f}",
    "prysm.calls": "{} calls",
    "http.status_code": "{}",
    "http.response.status_code": "{}",
}


def complete(spans: Sequence[Span]) -> bool:
    """Tell whether a trace is there from its root, the gateway's, down to every leaf."""
    tops = [span for span, depth in walk(spans) if not depth]
    return [span.service for span in tops] == ["openprysm-gateway"]


def walk(spans: Sequence[Span]) -> Iterator[tuple[Span, tuple[bool, ...]]]:
    """Yield each span before its children, in order of their start.

    Yields:
        A span, and for each level down to it whether it is the last one there; of a top span nothing.
    """
    known = {span.span_id for span in spans}
    children: dict[str, list[Span]] = {}
    for span in sorted(spans, key=lambda span: span.start_ns):
        children.setdefault(span.parent_id if span.parent_id in known else "", []).append(span)

    def below(parent: str, path: tuple[bool, ...]) -> Iterator[tuple[Span, tuple[bool, ...]]]:
        siblings = children.get(parent, [])
        for number, span in enumerate(siblings, 1):
            here = (*path, number == len(siblings)) if parent else ()
            yield span, here
            yield from below(span.span_id, here)

    return below("", ())


def table(spans: Sequence[Span], width: int) -> Table:
    """Return a trace as a table of one line a span, for a terminal of so many characters."""
    began = min(span.start_ns for span in spans)
    whole = max(span.end_ns for span in spans) - began or 1
    names = {span.span_id: _name(span) for span in spans}
    shown = Table(box=None, header_style="dim", pad_edge=False)
    # Only the last column gives way: what does not fit there is cut.
    longest = max(
        3 * len(path) + len(_service(span).ljust(8)) + 1 + len(names[span.span_id]) for span, path in walk(spans)
    )
    shown.add_column("span", no_wrap=True, min_width=longest)
    shown.add_column("ms", justify="right", no_wrap=True, min_width=7)
    if width >= _WIDE:
        shown.add_column("at ms", justify="right", no_wrap=True, min_width=7)
        shown.add_column("", no_wrap=True, min_width=_LINE)
    shown.add_column("", no_wrap=True, overflow="ellipsis")
    for span, path in walk(spans):
        colour = _COLOURS.get(_service(span), "white")
        guides = "".join("   " if last else "│  " for last in path[:-1])
        if path:
            guides += "└─ " if path[-1] else "├─ "
        cells = [
            f"[dim]{guides}[/][{colour}]{_service(span):8}[/] {escape(names[span.span_id])}",
            f"{(span.end_ns - span.start_ns) / 1e6:.1f}",
            f"{(span.start_ns - began) / 1e6:.1f}",
            f"[{'red' if span.failed else colour}]{_line((span.start_ns - began) / whole, span, whole)}[/]",
            _said(span, names),
        ]
        shown.add_row(*(cells if width >= _WIDE else (*cells[:2], cells[4])))
    return shown


def _line(start: float, span: Span, whole: int) -> str:
    left = min(int(start * _LINE), _LINE - 1)
    length = round((span.end_ns - span.start_ns) / whole * _LINE)
    return " " * left + "━" * min(max(1, length), _LINE - left)


def _service(span: Span) -> str:
    return span.service.removeprefix("openprysm-")


def _name(span: Span) -> str:
    """Return a span's name, an RPC's without its package."""
    package, _, method = span.name.rpartition("/")
    return f"{package.rpartition('.')[2]}/{method}" if span.name.startswith("openprysm.") else span.name


def _said(span: Span, names: Mapping[str, str]) -> str:
    told: Mapping[str, Any] = span.attributes
    parts = [escape(pattern.format(told[name])) for name, pattern in _FORMATS.items() if told.get(name)]
    if told.get("gen_ai.usage.input_tokens"):
        parts.append(f"{told['gen_ai.usage.input_tokens']}+{told['gen_ai.usage.output_tokens']} tokens")
    if told.get("prysm.attempt", 1) > 1:
        parts.append(f"attempt {told['prysm.attempt']}")
    parts += [f"hedges {escape(names.get(link, link))}" for link in span.links]
    if span.failed:
        parts.insert(0, f"[red]{escape(str(told.get('error.type', 'failed')))}[/]")
    return " · ".join(parts)
