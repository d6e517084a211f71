"""SECRETS: what opens something. Nobody is cleared for these."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from planner.classifier import passwords, tokens

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.classifier.text import Text

KINDS: Final = ("aws_access_key", "private_key", "github_token", "slack_token", "jwt", "api_key", "password")

#: The end of a name, and the names.
_NAMES: Final = {
    "key": (
        "api_key", "apikey", "api-key", "api key", "app key", "app_key", "secret_key", "secretkey", "secret key",
        "secret_access_key", "secretaccesskey", "secret access key", "access_key", "accesskey", "access key",
        "account_key", "accountkey", "signing_key", "signing key", "encryption_key", "encryption key", "shared_key",
        "auth key", "auth_key", "master_key", "license key",
    ),
    "token": ("token",),
    "secret": ("secret",),
}  # fmt: skip
#: Endings that are words of their own, by a piece of theirs.
_WORDS: Final = {
    b"bearer": ("bearer ",),
    b"api": ("clé api", "clave api", "chave de api", "ключ api", "api-schlüssel", "api密钥", "apiキー"),
}
#: From the end of a name to its value.
_VALUE: Final = re.compile(
    r"(?:s|_?id|_secret)?[\"'`]?\s{0,3}"
    r"(?:=>|:=|[=:]|\bis\b|\bist\b|\blautet\b|\best\b|\bes\b|(?<=[Bb]earer )|は|是|為|为)"
    r"\s{0,3}[\"'`]?([\w\-./+=~]{16,512})"
)
#: Without a sign the value must be longer, and the name say more than `token`.
_BESIDE: Final = re.compile(r"\s{1,2}[\"'`]?([A-Za-z0-9_\-]{20,512})(?![\w\-./])")
_TELLING: Final = re.compile(
    r"(?:(?:api|app|access|auth|bearer|bot|refresh|personal|service|signing|client|webhook|shared)[ _\-]?"
    r"(?:token|secret)"
    r"|(?:api|app|secret|access|account|auth|signing|encryption)[ _\-]?key)$"
)
_REACH: Final = 24
#: Places of one name that are looked at; a text with more of them counts as holding a key.
_MOST: Final = 50_000
_AWS: Final = ("secret_access_key", "secretaccesskey", "secret access key")
#: Values that are found by themselves, under a kind of their own.
_KNOWN: Final = ("AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox", "xapp-", "eyJ")


def _is_key(value: str) -> bool:
    return (
        not value.startswith(_KNOWN)
        and passwords.STRONG.match(value) is not None
        and tokens.real(value)
        and not passwords.PLACEHOLDER.search(value.lower())
    )


def _beside(seen: Text, end: int) -> re.Match[str] | None:
    value = _BESIDE.match(seen.text, end)
    return value if value and _TELLING.search(seen.before(end, _REACH)) else None


def _keys(seen: Text) -> Iterator[str]:
    named = {ending: names for ending, names in _NAMES.items() if ending.encode() in seen.joined}
    words = {name: (name,) for piece, names in _WORDS.items() if piece in seen.pieces for name in names}
    for ending, names in (named | words).items():
        for end in passwords.places(seen.lower, ending, _MOST):
            if end < 0:
                yield "api_key"
                return
            if not seen.lower.endswith(names, 0, end):
                continue
            value = _VALUE.match(seen.text, end) or _beside(seen, end)
            if value and _is_key(value[1]):
                yield "aws_access_key" if seen.lower.endswith(_AWS, 0, end) else "api_key"
                break


def find(seen: Text) -> Iterator[str]:
    """Yield the kinds; some of them more than once."""
    yield from tokens.find(seen)
    yield from _keys(seen)
    if passwords.are_in(seen):
        yield "password"
