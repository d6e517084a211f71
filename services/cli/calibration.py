"""`openprysm calibrate`: what an operator's own recordings teach, as a file that planner and executor read."""

from __future__ import annotations

import sys
from pathlib import Path  # noqa: TC003 - the command line is read by its annotations
from typing import NoReturn


def calibrate(folder: Path, *, out: Path) -> None:
    """Fit evidence and calibration to a folder of recorded answers.

    The services read the file when OPENPRYSM_EVIDENCE names it. See docs/evaluation.md for the format of a recording.

    Args:
        folder: recorded answers (*.jsonl, *.jsonl.gz) and prices.json.
        out: the file to write.
    """
    try:
        from evaluation import evidence, fitting  # noqa: PLC0415 - fitting needs numpy, which no service does
    except ModuleNotFoundError as error:
        _fail(f"calibrating needs {error.name}, which is not installed: pip install numpy")
    from evaluation.__main__ import PROBLEMS, read  # noqa: PLC0415 - likewise

    try:
        items = read(folder)
        fitted = fitting.fit(folder, items)
        content = {"planning": fitted.planning, "calibration": fitted.calibration, "fitted": fitted.names}
        out.write_text(evidence.dumps(content), "utf-8")
    except PROBLEMS as error:
        _fail(error)
    except OSError as error:
        _fail(f"{out}: {error.strerror}")
    kinds = fitted.calibration["kinds"]
    if not kinds:
        print(f"no kind of task has enough questions ({len(items)} in all): nothing will be calibrated")
    for kind, counts in fitted.planning["recording"]["questions"].items():
        told = ", ".join(f"{count} to {name}" for name, count in counts.items())
        print(f"{kind}: {told}{'' if kind in kinds else '; too few, left out'}")
    print(f"wrote {out}; start the suite with OPENPRYSM_EVIDENCE={out.absolute()}")


def _fail(line: object) -> NoReturn:
    print(f"openprysm: {line}", file=sys.stderr)
    sys.exit(1)
