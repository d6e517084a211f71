"""What the operator can say about the embedded models."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_settings import NoDecode

from chassis.config import Address, Settings
from local.weights import SMALL, Weights, catalog, embedding

_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/-]{0,127}")
_MAGIC: Final = b"GGUF"
#: More threads that generate gain nothing: they wait for memory.
_MOST_WRITERS: Final = 4
_CPU_LIMIT: Final = Path("/sys/fs/cgroup/cpu.max")


def _split(value: Any) -> Any:
    """Read `id=/path,id=/path`.

    Raises:
        ValueError: an entry is no `id=/path`, or an id is there twice.
    """
    if not isinstance(value, str):
        return value
    models: dict[str, str] = {}
    for entry in filter(None, (part.strip() for part in value.split(","))):
        name, equals, path = (part.strip() for part in entry.partition("="))
        if not (_ID.fullmatch(name) and equals and path):
            raise ValueError(f"{entry!r} must be id=/path/to/file.gguf")
        if name in models:
            raise ValueError(f"{name} is there twice")
        models[name] = path
    return models


def _check_files(models: dict[str, Path]) -> dict[str, Path]:
    for name, path in models.items():
        try:
            with path.expanduser().open("rb") as file:
                magic = file.read(len(_MAGIC))
        except OSError as error:
            raise ValueError(f"{path} of {name} can't be read: {error.strerror}") from error
        if magic != _MAGIC:
            raise ValueError(f"{path} of {name} is no GGUF file")
    return {name: path.expanduser().absolute() for name, path in models.items()}


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "openprysm" / "weights"


class LocalSettings(Settings):
    """What the local models service reads."""

    #: Which embedded models are served: all, the two small ones, or none.
    local_models: Literal["all", "small", "off"] = "all"
    #: A user's own models, served besides: id to file.
    gguf: Annotated[dict[str, Path], NoDecode, BeforeValidator(_split), AfterValidator(_check_files)] = Field(
        default_factory=dict
    )
    #: `local`: the embedding model is served. Anything else is the executor's to read.
    embeddings: str = "off"
    local_listen: Address | None = None
    #: Tokens of prompt and answer together that one model can hold.
    local_context: int = Field(default=4096, ge=256, le=1 << 20)
    #: Threads of one model; default: see `threads`.
    local_threads: int | None = Field(default=None, ge=1, le=256)
    #: Requests that may wait for one model before further ones are refused.
    local_queue: int = Field(default=32, ge=0, le=10_000)
    weights: Annotated[Path, AfterValidator(lambda path: path.expanduser().absolute())] = Field(
        default_factory=_cache_folder
    )

    @model_validator(mode="after")
    def _check_ids(self) -> LocalSettings:
        for embedded in self.embedded():
            if embedded.id in self.gguf:
                raise ValueError(f"OPENPRYSM_GGUF: {embedded.id} is an embedded model; choose another id")
        return self

    def embedded(self) -> tuple[Weights, ...]:
        """Return the embedded models to serve, largest first."""
        if self.local_models == "off":
            return ()
        return tuple(one for one in catalog() if self.local_models == "all" or one.id in SMALL)

    def embedder(self) -> Weights | None:
        """Return the embedding model, if it is to be served."""
        return embedding() if self.embeddings == "local" else None

    def needed(self) -> tuple[Weights, ...]:
        """Return all that is to be fetched."""
        embedder = self.embedder()
        return (*self.embedded(), *((embedder,) if embedder else ()))

    def threads(self) -> tuple[int, int]:
        """Return the threads of one model for reading a prompt and for generating.

        By default every processor reads, and half of them generate: reading is bound by them, generating by memory, and
        a thread that is not there need not be waited for when others are busy.
        """
        if self.local_threads:
            return self.local_threads, self.local_threads
        processors = _processors()
        return processors, max(1, min(processors // 2, _MOST_WRITERS))


def _processors() -> int:
    """Return the processors that we may use, after the affinity mask and the control group's limit, rounded up."""
    usable = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    try:
        quota, period = _CPU_LIMIT.read_text("ascii").split()
        return min(usable, max(1, -(-int(quota) // int(period))))
    except (OSError, ValueError):  # no control group of version 2, or "max"
        return usable
