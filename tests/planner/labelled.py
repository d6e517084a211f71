"""The labelled table: what a person says of a prompt, and the shape that fits it under each policy."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_FOLDER: Final = Path(__file__).parent / "prompts"


@dataclass(frozen=True)
class Labelled:
    """One prompt and what a person says of it."""

    prompt: str
    #: Task, flags, language, as Signals.names() has them.
    names: tuple[str, ...]
    language: str
    #: Policy → strategy.
    shapes: Mapping[str, str]


def _row(label: str, language: str, prompt: str, shapes: Mapping[str, str]) -> Labelled:
    spoken = (f"language {language}",) if language else ()
    return Labelled(prompt, (*label.split(), *spoken), language, shapes)


def _read() -> Iterator[Labelled]:
    for path in sorted(_FOLDER.glob("*.toml")):
        if path.stem != "missed":
            table = tomllib.loads(path.read_text("utf-8"))
            for label, language, prompt in table["prompts"]:
                yield _row(label, language, prompt, table["shapes"])


def _read_missed() -> Iterator[Labelled]:
    for label, language, kind, prompt in tomllib.loads((_FOLDER / "missed.toml").read_text("utf-8"))["prompts"]:
        yield _row(label, language, prompt, tomllib.loads((_FOLDER / f"{kind}.toml").read_text("utf-8"))["shapes"])


TABLE: Final = tuple(_read())
#: What the rules do not see.
MISSED: Final = tuple(_read_missed())
