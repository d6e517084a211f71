"""A compliance policy, read strictly: a rule that is not understood is refused, since ignoring it would be a hole."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, fields
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any, Final

from planner.classifier import CLASSES

if TYPE_CHECKING:
    from collections.abc import Mapping

_MAX_VALUES: Final = 64
_MAX_LENGTH: Final = 64
#: The fields whose values are in lower case: names of providers. All others are in upper case.
_LOWER: Final = ("provider_allowlist", "provider_denylist")
_SWITCH: Final = "require_zero_retention"
_CLASSES: Final = "block_data_classes"


class PolicyError(ValueError):
    """A policy that can't be read.

    Attributes:
        field: path of what is wrong, below the request's field.
        allowed: what it must be, for the client.
    """

    def __init__(self, field: str, allowed: str) -> None:
        super().__init__(f"{field}: {allowed}")
        self.field = field
        self.allowed = allowed


@dataclass(frozen=True)
class Policy:
    """Rules that remove models; an empty one removes none. Values are in one case and without repeats."""

    #: A provider stays when it is one of these.
    provider_allowlist: tuple[str, ...] = ()
    #: A provider stays when it is none of these.
    provider_denylist: tuple[str, ...] = ()
    #: Its governing jurisdiction is one of these.
    jurisdiction: tuple[str, ...] = ()
    #: Its data stays in these.
    data_residency: tuple[str, ...] = ()
    #: It supports all of these.
    frameworks: tuple[str, ...] = ()
    #: It holds all of these.
    certifications: tuple[str, ...] = ()
    #: It is cleared for each of these that the text holds.
    block_data_classes: tuple[str, ...] = ()
    #: It can be told to keep nothing.
    require_zero_retention: bool = False

    @property
    def active(self) -> bool:
        """Whether there is any rule."""
        return self != _INERT

    def document(self) -> dict[str, Any]:
        """Return it as JSON, every field present."""
        return {name: list(value) if isinstance(value := getattr(self, name), tuple) else value for name in FIELDS}


_INERT: Final = Policy()
FIELDS: Final = tuple(field.name for field in fields(Policy))


def _values(where: str, name: str, given: object) -> tuple[str, ...]:
    if not isinstance(given, list) or len(given) > _MAX_VALUES:
        raise PolicyError(where, f"must be a list of at most {_MAX_VALUES} texts")
    for index, value in enumerate(given):
        if not isinstance(value, str) or not value.strip().isprintable() or not 0 < len(value.strip()) <= _MAX_LENGTH:
            raise PolicyError(f"{where}[{index}]", f"must be a text of 1 to {_MAX_LENGTH} printable characters")
    values = tuple(dict.fromkeys(value.strip().lower() if name in _LOWER else value.strip().upper() for value in given))
    if name == _CLASSES:
        for index, value in enumerate(values):
            if value not in CLASSES:
                raise PolicyError(f"{where}[{index}]", f"must be one of {', '.join(CLASSES)}")
    return values


def _rules(where: str, given: Mapping[str, object]) -> Policy:
    read: dict[str, Any] = {}
    for name, value in given.items():
        if name not in FIELDS:
            # The name is the client's; only a plain one is quoted back.
            shown = f"{where}.{name}" if name.isidentifier() and len(name) <= _MAX_LENGTH else where
            raise PolicyError(shown, f"is not a rule; there are {', '.join(FIELDS)}")
        if value is None:
            continue
        if name == _SWITCH:
            if not isinstance(value, bool):
                raise PolicyError(f"{where}.{name}", "must be true or false")
            read[name] = value
        else:
            read[name] = _values(f"{where}.{name}", name, value)
    return Policy(**read)


def parse(given: object, where: str = "compliance") -> Policy:
    """Read a policy: an object of rules, the name of a pack, or None.

    Args:
        given: as JSON has it.
        where: what an error calls it.

    Raises:
        PolicyError: an unknown rule, class or pack, or a wrong type.
    """
    if given is None:
        return _INERT
    if isinstance(given, str):
        pack = packs().get(given.strip().upper())
        if pack is None:
            raise PolicyError(where, f"is not a pack; there are {', '.join(packs())}")
        return pack
    if isinstance(given, dict):
        return _rules(where, given)
    raise PolicyError(where, "must be an object, or the name of a pack")


@cache
def packs() -> Mapping[str, Policy]:
    """Return the named policies that ship with this package."""
    tables = tomllib.loads(files("planner.compliance").joinpath("packs.toml").read_text("utf-8"))
    return {
        name: _rules(name, {key: value for key, value in table.items() if key != "why"})
        for name, table in tables.items()
    }


@cache
def _names() -> Mapping[Policy, str]:
    return {rules: name for name, rules in packs().items()}


def pack_of(policy: Policy) -> str | None:
    """Return the name of the pack whose rules these are; a client that writes a pack's rules out uses the pack."""
    return _names().get(policy)
