"""A trace in the terminal: its spans as a tree, when and how long each ran, and what is worth knowing of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from cli.collector import Span

_COLOURS: Final = {"gateway": "magenta", "executor": "cyan", "planner": "yellow", "proof": "green"}
#: Characters of the time line.
_WIDTH: Final = 28
_FORMATS: Final[Mapping[str, str]] = {
    "gen_ai.provider.name": "{}",
    "prysm.policy": "{}",
    "prysm.confidence": "confidence {:.2f}",
    "prysm.agreement": "agreement {:.2f}",
    "prysm.calls": "{} calls",
    "prysm.cost.usd": "${:.6f}",
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


def table(spans: Sequence[Span]) -> Table:
    """Return a trace as a table of one line a span."""
    began = min(span.start_ns for span in spans)
    whole = max(span.end_ns for span in spans) - began or 1
    names = {span.span_id: _name(span) for span in spans}
    shown = Table(box=None, header_style="dim", pad_edge=False)
    shown.add_column("span", no_wrap=True)
    for title in ("at ms", "ms"):
        shown.add_column(title, justify="right", no_wrap=True)
    shown.add_column("", no_wrap=True, width=_WIDTH)
    shown.add_column("", overflow="fold")
    for span, path in walk(spans):
        colour = _COLOURS.get(_service(span), "white")
        guides = "".join("   " if last else "│  " for last in path[:-1])
        if path:
            guides += "└─ " if path[-1] else "├─ "
        start, length = (span.start_ns - began) / whole, (span.end_ns - span.start_ns) / whole
        left = min(int(start * _WIDTH), _WIDTH - 1)
        bar = " " * left + "━" * min(max(1, round(length * _WIDTH)), _WIDTH - left)
        shown.add_row(
            f"[dim]{guides}[/][{colour}]{_service(span):8}[/] {escape(names[span.span_id])}",
            f"{(span.start_ns - began) / 1e6:.1f}",
            f"{(span.end_ns - span.start_ns) / 1e6:.1f}",
            f"[{'red' if span.failed else colour}]{bar}[/]",
            _said(span, names),
        )
    return shown


def _service(span: Span) -> str:
    return span.service.removeprefix("openprysm-")


def _name(span: Span) -> str:
    """Return a span's name, an RPC's without its package."""
    package, _, method = span.name.rpartition("/")
    return f"{package.rpartition('.')[2]}/{method}" if span.name.startswith("openprysm.") else span.name


def _said(span: Span, names: Mapping[str, str]) -> str:
    told: Mapping[str, Any] = span.attributes
    parts = [escape(pattern.format(told[name])) for name, pattern in _FORMATS.items() if name in told]
    if "gen_ai.usage.input_tokens" in told:
        parts.append(f"{told['gen_ai.usage.input_tokens']}+{told['gen_ai.usage.output_tokens']} tokens")
    if told.get("prysm.attempt", 1) > 1:
        parts.append(f"attempt {told['prysm.attempt']}")
    parts += [f"hedges {escape(names.get(link, link))}" for link in span.links]
    if span.failed:
        parts.insert(0, f"[red]{escape(str(told.get('error.type', 'failed')))}[/]")
    return " · ".join(parts)
