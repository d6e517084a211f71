"""The tables of an evaluation, as Markdown, and how they get into a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from evaluation.replaying import AUTO, POLICIES, SHAPES
from evaluation.results import POOLED

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

_BEGIN: Final = "<!-- written by make eval: begin -->"
_END: Final = "<!-- written by make eval: end -->"


class ReportError(ValueError):
    """A document has no place for the tables."""


def tables(results: Mapping[str, Any]) -> str:
    """Return what an evaluation came to."""
    return "\n".join(
        (
            *_summary(results),
            "",
            *_unforced(results),
            "",
            *_baselines(results),
            "",
            *_confidence(results),
            "",
            *_forced(results),
        )
    )


def insert(document: Path, text: str) -> None:
    """Put text between the marks of a document.

    Raises:
        ReportError: it has no such marks.
    """
    before, begin, rest = document.read_text("utf-8").partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ReportError(f"{document}: has no marks to write between")
    document.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{after}", "utf-8")


def _cells(results: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield POOLED, results["pooled"]
    yield from results["tasks"].items()


def _percent(value: float) -> str:
    return f"{100 * value:.1f}"


def _summary(results: Mapping[str, Any]) -> Iterator[str]:
    fitted = results["fitted"]
    yield (
        f"Tested: {results['pooled']['balanced'][AUTO]['n']} questions, none of which was fitted or calibrated to; "
        f"recording `{results['recording'][:12]}`, evidence `{fitted['evidence']}`, "
        f"calibration `{fitted['calibration']}`."
    )


def _unforced(results: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "| questions | policy | accuracy % | 95 % interval | against the best single model, points | cost of it % "
        "| calls | escalated % |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    for task, policies in _cells(results):
        for policy in POLICIES:
            cell = policies[policy][AUTO]
            low, high = map(_percent, cell["accuracy_ci"])
            gain = cell["accuracy"] - results["baselines"][task]["best_single"]["accuracy"]
            worst, most = (f"{100 * end:+.1f}" for end in cell["gain_ci"])
            yield (
                f"| {task} | `{policy}` | {_percent(cell['accuracy'])} | {low} to {high} "
                f"| {100 * gain:+.1f} ({worst} to {most}) | {_percent(cell['cost_vs_best_single'])} "
                f"| {cell['calls']:.2f} | {_percent(cell['escalated'])} |"
            )


def _baselines(results: Mapping[str, Any]) -> Iterator[str]:
    yield "| questions | baseline | model | accuracy % | cost of the best single model's % |"
    yield "|---|---|---|---|---|"
    for task, _ in _cells(results):
        unit = results["baselines"][task]["best_single"]["cost_usd"]
        for name, told in results["baselines"][task].items():
            yield (
                f"| {task} | {name.replace('_', ' ')} | {told['model']} | {_percent(told['accuracy'])}"
                f" | {_percent(told['cost_usd'] / unit)} |"
            )


def _confidence(results: Mapping[str, Any]) -> Iterator[str]:
    yield "| answers | questions | AUROC | ECE | Brier | answers counted | calibrated % |"
    yield "|---|---|---|---|---|---|---|"
    for policy, rows in (("all unforced", results["confidence"]), *results["confidence_by_policy"].items()):
        for task, told in sorted(rows.items(), key=lambda row: row[0] != POOLED):
            area = "none" if told["auroc"] is None else f"{told['auroc']:.3f}"
            yield (
                f"| {policy} | {task} | {area} | {told['ece']:.3f} | {told['brier']:.3f} | {told['n']}"
                f" | {_percent(told['calibrated'])} |"
            )


def _forced(results: Mapping[str, Any]) -> Iterator[str]:
    yield (
        "| strategy, forced | could be replayed | "
        + " | ".join(f"`{policy}`: accuracy %, cost %" for policy in POLICIES)
        + " |"
    )
    yield "|---|---|---|---|---|"
    for shape in SHAPES[1:]:
        cells = [results["pooled"][policy][shape] for policy in POLICIES]
        told = " | ".join(f"{_percent(cell['accuracy'])}, {_percent(cell['cost_vs_best_single'])}" for cell in cells)
        yield f"| `{shape}` | {results['evaluated'].get(shape, 'never ran')} | {told} |"
