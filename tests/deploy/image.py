"""A Dockerfile, read as far as the tests need it."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

from deploy.manifests import ROOT

DOCKERFILE: Final = ROOT / "deploy" / "Dockerfile"
LOCKS: Final = ROOT / "requirements"


@dataclass(frozen=True)
class Stage:
    """One FROM and what follows it: pairs of instruction and arguments."""

    name: str
    start: str
    steps: tuple[tuple[str, str], ...]

    def all(self, word: str) -> list[str]:
        """Return the arguments of every instruction of that name."""
        return [arguments for name, arguments in self.steps if name == word]


def read(text: str) -> tuple[dict[str, str], list[Stage]]:
    """Return the arguments that stand before the first stage, with their defaults, and the stages."""
    lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    steps = [tuple(line.split(None, 1)) for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines()]
    first = next(number for number, (word, _) in enumerate(steps) if word == "FROM")
    arguments = {name: value for _, rest in steps[:first] for name, _, value in [rest.partition("=")]}
    stages: list[Stage] = []
    for word, rest in steps[first:]:
        if word == "FROM":
            start, _, name = rest.partition(" AS ")
            stages.append(Stage(name, start, ()))
        else:
            last = stages[-1]
            stages[-1] = Stage(last.name, last.start, (*last.steps, (word, rest)))
    return arguments, stages


def stages() -> dict[str, Stage]:
    """Return the stages of the real file by name; the last one's is empty."""
    return {stage.name: stage for stage in read(DOCKERFILE.read_text())[1]}


def command(service: str) -> list[str]:
    """Return what a service's image starts."""
    (arguments,) = stages()[service].all("CMD")
    return [str(word) for word in json.loads(arguments)]


def pins(name: str) -> dict[str, str]:
    """Return version by package of a file in requirements/, without markers."""
    text = (LOCKS / name).read_text()
    return dict(re.findall(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)", text, re.MULTILINE))
