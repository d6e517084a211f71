"""Files of fitted numbers. Each is named by its content, so that a damaged or a foreign one is noticed at the start."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

T = TypeVar("T")


@dataclass(frozen=True)
class Form:
    """What one kind of numbers looks like in a file."""

    #: Whose numbers they are; `<noun>.json` ships with it.
    package: str
    noun: str
    #: Their part of a file.
    part: str
    #: What their ids begin with.
    prefix: str
    version: int
    #: What is raised, with one line for the operator.
    error: type[ValueError]

    def identify(self, content: Mapping[str, Any]) -> str:
        """Return the id of a content: of everything in it but the id."""
        told = json.dumps({name: content[name] for name in content if name != "id"}, sort_keys=True)
        return f"{self.prefix}-{hashlib.sha256(told.encode()).hexdigest()[:16]}"

    def load(self, path: Path | None, read: Callable[[Mapping[str, Any]], T]) -> T:
        """Return what `read` makes of a file's content; without a path, of the file that ships.

        Raises `error`: it can't be read, is of another version, or is not what was written.
        """
        shipped = f"{self.noun}.json"
        name = str(path) if path else f"{self.package}/{shipped}"
        try:
            text = path.read_text("utf-8") if path else files(self.package).joinpath(shipped).read_text("utf-8")
            content = json.loads(text)[self.part]
            version, found = content["version"], content["id"]
        except OSError as error:
            raise self.error(f"{name}: can't be read") from error
        except (ValueError, KeyError, TypeError) as error:
            raise self.error(f"{name}: is no {self.noun} file") from error
        if version != self.version:
            raise self.error(f"{name}: version {version} of the format; this program reads version {self.version}")
        if found != self.identify(content):
            raise self.error(f"{name}: is damaged: its content is not that of {found}")
        try:
            return read(content)
        except (ValueError, KeyError, TypeError, AttributeError, ZeroDivisionError) as error:
            raise self.error(f"{name}: is no {self.noun} file") from error
