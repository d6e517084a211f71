"""A trace in the terminal: every span once, below its parent, and nothing of it read as markup."""

from __future__ import annotations

import io
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from cli import span_tree
from cli.collector import Span


def span(number: int, parent: int | None = None, start: float = 0.0, end: float = 10.0, **fields: Any) -> Span:
    """Return a span from `start` to `end` milliseconds."""
    usual: dict[str, Any] = {
        "service": "openprysm-executor",
        "name": f"span {number}",
        "attributes": {},
        "failed": False,
    }
    ids = ("t", f"{number:016x}", "" if parent is None else f"{parent:016x}")
    told = {**usual, **fields}
    return Span(
        told["service"], told["name"], *ids, round(start * 1e6), round(end * 1e6), told["attributes"], told["failed"],
        told.get("links", ()),
    )  # fmt: skip


def shown(spans: list[Span], width: int = 160) -> list[str]:
    console = Console(width=width, file=io.StringIO(), color_system=None)
    console.print(span_tree.table(spans, width))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()[1:]


ROOT = span(1, 99, service="openprysm-gateway", name="POST /v2/orchestrate")


def test_children_stand_below_their_parent_in_order_of_their_start() -> None:
    lines = shown([span(4, 2, 3), span(3, 1, 5), span(2, 1, 2), ROOT])
    assert [line.split("  ")[0].rstrip() for line in lines] == [
        "gateway",
        "├─ executor span 2",
        "│",
        "└─ executor span 3",
    ]
    assert "│  └─ executor span 4" in lines[2]


@pytest.mark.parametrize("width", [60, 100, 139, 140, 200])
def test_a_line_is_a_line_at_any_width(width: int) -> None:
    said = {"gen_ai.provider.name": "p" * 300}
    lines = shown([ROOT, span(2, 1, attributes=said)], width)
    assert len(lines) == 2
    assert all(len(line) <= width for line in lines)
    assert ("━" in lines[0]) == (width >= 140)


def test_what_is_worth_knowing_is_said() -> None:
    told = {
        "gen_ai.provider.name": "xai", "gen_ai.usage.input_tokens": 20, "gen_ai.usage.output_tokens": 10,
        "prysm.attempt": 2, "prysm.cost.usd": 0.0002, "error.type": "timeout",
    }  # fmt: skip
    hedge = span(3, 1, name="chat b", attributes=told, failed=True, links=(span(2).span_id,))
    line = shown([ROOT, span(2, 1, name="chat a"), hedge])[2]
    for part in ("timeout", "xai", "$0.000200", "20+10 tokens", "attempt 2", "hedges chat a"):
        assert part in line


def test_markup_in_names_and_values_is_text() -> None:
    odd = span(
        2, 1, name="chat [bold]x[/]", attributes={"gen_ai.provider.name": "[red]y", "error.type": "[/z]"}, failed=True
    )
    line = shown([ROOT, odd])[1]
    assert "chat [bold]x[/]" in line
    assert "[red]y" in line
    assert "[/z]" in line


def test_a_trace_is_complete_when_all_hangs_on_the_gateways_span() -> None:
    assert span_tree.complete([ROOT, span(2, 1)])
    assert not span_tree.complete([ROOT, span(3, 2)])
    assert not span_tree.complete([span(2, 1)])
    assert not span_tree.complete([])


@given(st.lists(st.integers(0, 5), max_size=12), st.integers(0, 1000))
def test_every_span_is_there_once_whatever_arrived(parents: list[int], seed: int) -> None:
    spans = [span(number, parent if parent < number else None, number) for number, parent in enumerate(parents, 1)]
    Random(seed).shuffle(spans)  # noqa: S311 - a test's dice
    walked = [one for one, _ in span_tree.walk(spans)]
    assert sorted(walked, key=lambda one: one.span_id) == sorted(spans, key=lambda one: one.span_id)
    seen = set()
    for one in walked:
        assert one.parent_id in seen or one.parent_id not in {other.span_id for other in spans}
        seen.add(one.span_id)
