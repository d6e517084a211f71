"""The pictures of an evaluation: what accuracy costs, and what confidence is worth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import matplotlib as mpl
import numpy as np

from evaluation import measures
from evaluation.replaying import AUTO, POLICIES
from evaluation.results import POOLED

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from evaluation.evidence import Item
    from evaluation.replaying import Row

mpl.use("Agg")
from matplotlib import pyplot as plt

_COLOURS: Final = {"efficiency": "#2a9d8f", "balanced": "#264653", "depth": "#e76f51"}
_GREY: Final = "#9aa0a6"
_DPI: Final = 110


def draw(folder: Path, items: Sequence[Item], rows: Sequence[Row], results: Mapping[str, Any]) -> None:
    """Write the pictures into a folder."""
    _costs(folder / "cost-accuracy.png", items, results)
    free = [row for row in rows if row.shape == AUTO]
    _reliability(folder / "reliability.png", free)
    _risks(folder / "risk-coverage.png", free)


def _costs(path: Path, items: Sequence[Item], results: Mapping[str, Any]) -> None:
    tasks = [POOLED, *results["tasks"]]
    figure, axes = plt.subplots(1, len(tasks), figsize=(4.6 * len(tasks), 4.4), squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        tested = [item for item in items if task in {POOLED, item.question.task}]
        unit = results["baselines"][task]["best_single"]["cost_usd"]
        models = sorted({model for item in tested for model in item.right})
        accuracy = [np.mean([item.right.get(model, False) for item in tested]) for model in models]
        cost = [np.mean([item.costs.get(model, 0) for item in tested]) / 1e12 / unit for model in models]
        axis.scatter(cost, accuracy, color=_GREY, s=22, label="one model")
        for name, x, y in zip(models, cost, accuracy, strict=True):
            axis.annotate(name[:16], (x, y), fontsize=6, color=_GREY, xytext=(3, -7), textcoords="offset points")
        for name, mark in (("vote_all", "s"), ("oracle", "^")):
            told = results["baselines"][task][name]
            axis.scatter(told["cost_usd"] / unit, told["accuracy"], color=_GREY, marker=mark, s=34, label=name)
        cells = results["pooled"] if task == POOLED else results["tasks"][task]
        for policy in POLICIES:
            cell = cells[policy][AUTO]
            low, high = cell["accuracy_ci"]
            errors = [[cell["accuracy"] - low], [high - cell["accuracy"]]]
            axis.errorbar(
                cell["cost_vs_best_single"],
                cell["accuracy"],
                yerr=errors,
                fmt="o",
                capsize=3,
                color=_COLOURS[policy],
                label=policy,
            )
        axis.set_xscale("log")
        axis.set_title(f"{task}, {len(tested)} questions", fontsize=10)
        axis.set_xlabel("cost, as a share of the best single model's")
    axes[0][0].set_ylabel("accuracy, with its 95 % interval")
    axes[0][0].legend(fontsize=7, loc="lower right")
    _save(figure, path)


def _reliability(path: Path, rows: Sequence[Row]) -> None:
    tasks = [POOLED, *sorted({row.task for row in rows})]
    figure, axes = plt.subplots(1, len(tasks), figsize=(3.6 * len(tasks), 3.8), squeeze=False)
    for axis, task in zip(axes[0], tasks, strict=True):
        found = [row for row in rows if task in {POOLED, row.task}]
        bins = measures.bins(*_told(found))
        axis.plot([0, 1], [0, 1], color=_GREY, linewidth=1)
        axis.scatter(
            [chance for chance, _, _ in bins],
            [accuracy for _, accuracy, _ in bins],
            s=[12 + 300 * count / len(found) for _, _, count in bins],
            color=_COLOURS["balanced"],
            alpha=0.8,
        )
        axis.set_title(f"{task}, {len(found)} answers", fontsize=10)
        axis.set_xlabel("confidence")
    axes[0][0].set_ylabel("accuracy")
    _save(figure, path)


def _risks(path: Path, rows: Sequence[Row]) -> None:
    figure, axis = plt.subplots(figsize=(5.4, 4.0))
    for policy in POLICIES:
        coverage, risk = measures.risks(*_told([row for row in rows if row.policy == policy]))
        axis.plot(coverage, risk, color=_COLOURS[policy], label=policy)
    axis.set_xlabel("share of the questions that are answered, the surest first")
    axis.set_ylabel("share of wrong answers among them")
    axis.legend(fontsize=8)
    _save(figure, path)


def _told(rows: Sequence[Row]) -> tuple[measures.Floats, measures.Floats]:
    return np.array([row.confidence for row in rows]), np.array([row.right for row in rows], float)


def _save(figure: Any, path: Path) -> None:
    figure.tight_layout()
    figure.savefig(path, dpi=_DPI, metadata={"Software": None})
    plt.close(figure)
