"""`python -m evaluation fit` and `… eval`: what `make fit` and `make eval` run."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from evaluation import evidence as recorded_evidence
from evaluation import fitting
from evaluation.replaying import POLICIES, SHAPES, Player
from evaluation.report import ReportError, insert, tables
from evaluation.results import results
from executor import calibration, recording
from planner import catalog, evidence, recorded

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evaluation.evidence import Item
    from evaluation.replaying import Row


#: What is wrong with what was given, and not with this program.
PROBLEMS: Final = (
    recording.RecordingError,
    recorded.PricesError,
    evidence.EvidenceError,
    calibration.CalibrationError,
    ReportError,
)


def read(folder: Path) -> list[Item]:
    """Read, grade and price a folder of recorded answers.

    Raises:
        RecordingError, PricesError: it can't be read.
    """
    models = recorded_evidence.models_of(folder, catalog.load().tiers)
    return recorded_evidence.items_of(recording.read(folder), models)


def fit(folder: Path) -> None:
    """Fit to a folder and write the files that ship."""
    items = read(folder)
    fitted = fitting.fit(folder, items)
    for package, name, content in (
        ("planner", "evidence.json", {"planning": fitted.planning}),
        ("executor", "calibration.json", {"calibration": fitted.calibration}),
        ("evaluation", "fitted.json", {"fitted": fitted.names}),
    ):
        path = Path(str(files(package).joinpath(name)))
        path.write_text(recorded_evidence.dumps(content), "utf-8")
        print(f"wrote {package}/{name}")  # noqa: T201 - a terminal program prints


def evaluate(folder: Path, out: Path, document: Path | None) -> None:
    """Test what ships on a folder, but for the questions that it was fitted to."""
    from evaluation import plots  # noqa: PLC0415 - takes a second to load, and only this needs it

    known = set(json.loads(files("evaluation").joinpath("fitted.json").read_text("utf-8"))["fitted"])
    items = [item for item in read(folder) if fitting.name_of(item.question) not in known]
    if not items:
        raise recording.RecordingError(f"{folder}: all of its questions were fitted to")
    models = recorded.add(catalog.load(evidence.load()), folder)
    calibrated = calibration.load()
    rows = asyncio.run(_play(Player(items, models, calibrated), items))
    told: dict[str, Any] = {
        "recording": recording.digest(folder),
        "fitted": {"evidence": models.evidence.id, "calibration": calibrated.id},
    }
    found = results(items, rows, told)
    out.mkdir(parents=True, exist_ok=True)
    (out / "results.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8")
    plots.draw(out, items, rows, found)
    text = tables(found)
    if document is not None:
        insert(document, text)
    print(text)  # noqa: T201 - a terminal program prints
    print(f"\nwrote results.json and plots to {out}")  # noqa: T201 - likewise


async def _play(player: Player, items: Sequence[Item]) -> list[Row]:
    return [await player.play(item, policy, shape) for policy in POLICIES for shape in SHAPES for item in items]


def main() -> None:
    """Read the command line and do what it says."""
    parser = argparse.ArgumentParser(prog="python -m evaluation")
    commands = parser.add_subparsers(dest="command", required=True)
    fitter, tester = commands.add_parser("fit"), commands.add_parser("eval")
    for command in (fitter, tester):
        command.add_argument("--data", type=Path, required=True, help="folder of recorded answers")
    tester.add_argument("--out", type=Path, required=True, help="folder of results.json and plots")
    tester.add_argument("--document", type=Path, help="where the tables are written between marks")
    told = parser.parse_args()
    try:
        if told.command == "fit":
            fit(told.data)
        else:
            evaluate(told.data, told.out, told.document)
    except PROBLEMS as error:
        sys.exit(f"evaluation: {error}")


if __name__ == "__main__":
    main()
