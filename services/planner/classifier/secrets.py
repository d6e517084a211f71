"""SECRETS: what opens something. Nobody is cleared for these."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.classifier.text import Text

KINDS: Final = ("aws_access_key", "private_key", "github_token", "slack_token", "jwt", "api_key", "password")

#: Kind, what a text must hold for a search to be worth it, and the pattern. Each begins with what it is looked for by,
#: so that a search is one pass.
_TOKENS: Final = tuple(
    (kind, marks.split(), re.compile(pattern))
    for kind, marks, pattern in (
        ("aws_access_key", "AKIA ASIA", r"(?<![A-Za-z0-9])(?:AKIA|ASIA)[A-Z2-7]{16}(?![A-Za-z0-9])"),
        ("private_key", "PRIVATE", r"-----BEGIN (?:[A-Z]{2,9} )?PRIVATE KEY(?: BLOCK)?-----"),
        ("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", r"gh[pousr]_[A-Za-z0-9]{30,255}"),
        ("github_token", "github_pat_", r"github_pat_[A-Za-z0-9_]{40,255}"),
        (
            "slack_token",
            "xoxa- xoxb- xoxe- xoxo- xoxp- xoxr- xoxs-",
            r"xox[abeoprs](?:\.xox[bp])?-[A-Za-z0-9\-]{16,255}",
        ),
        (
            "slack_token",
            "hooks.slack.com",
            r"hooks\.slack\.com/(?:services|workflows)/[A-Z0-9]{6,16}/[A-Z0-9]{6,16}/\w{16,64}",
        ),
        ("jwt", "eyJ", r"(?<![\w\-])eyJ[\w\-]{8,4000}\.[\w\-]{8,8000}\.[\w\-]{8,1000}"),
        (
            "api_key",
            "sk- sk_ rk_ pk_",
            r"(?<![A-Za-z0-9])(?:sk-(?:proj-|ant-|or-|svcacct-)?[\w\-]{20,200}|[srp]k_(?:live|test)_[A-Za-z0-9]{16,120})",
        ),
        ("api_key", "AIza", r"AIza[\w\-]{35}"),
        ("api_key", "glpat- gldt- glrt-", r"gl(?:pat|dt|rt)-[\w\-]{20,64}"),
        ("api_key", "npm_", r"(?<![A-Za-z0-9])npm_[A-Za-z0-9]{36}"),
        ("api_key", "hf_", r"(?<![A-Za-z0-9])hf_[A-Za-z0-9]{30,40}"),
        ("api_key", "SG.", r"(?<![A-Za-z0-9])SG\.[\w\-]{16,32}\.[\w\-]{16,64}"),
        ("api_key", "pypi-", r"pypi-AgE[\w\-]{50,1000}"),
        ("api_key", "xai-", r"(?<![A-Za-z0-9])xai-[A-Za-z0-9]{40,120}"),
        ("api_key", "prysm_sk_", r"prysm_sk_[A-Za-z0-9]{8,32}_[\w\-]{32,128}"),
        ("api_key", "dop_v1_ shpat_ lin_api_", r"(?:dop_v1_|shpat_|lin_api_|ya29\.)[\w\-]{24,400}"),
    )
)
_PREFIXES: Final = tuple(mark for _, marks, _ in _TOKENS for mark in marks if mark[-1] in "-_")
_BEFORE_SIGN: Final = frozenset(mark[-2] for mark in _PREFIXES)
#: Signs that are looked at one by one.
_FEW: Final = 100
#: Not a secret but the place of one.
_PLACEHOLDER: Final = re.compile(
    r"x{4}|\.{3}|\*{3}|your|example_|placeholder|<|\$\{?|\{\{|\{type|redacted|changeme|change_me|dummy|xxxx|environ|getenv|getpass"
    r"|^[a-z_]\w*(?:\.[a-z_]\w*)+$|process\.env|secrets?\.|config\.|null$|none$|undefined$|true$|false$|string$|str$"
)
#: The end of a name, and the names.
_NAMES: Final = {
    "key": (
        "api_key", "apikey", "api-key", "api key", "secret_key", "secretkey", "secret key", "secret_access_key",
        "secretaccesskey", "access_key", "accesskey", "access key", "account_key", "accountkey", "signing_key",
        "encryption_key", "shared_key",
    ),
    "token": ("token",),
    "secret": ("secret",),
    "bearer ": ("bearer ",),
    "api": ("clé api", "clave api", "chave de api", "ключ api"),
    "api-schlüssel": ("api-schlüssel",),
    "api密钥": ("api密钥",),
    "apiキー": ("apiキー",),
}  # fmt: skip
#: Endings that are words of their own.
_ALONE: Final = {"bearer ": b"bearer", "api": b"api"}
#: From the end of a name to its value.
_VALUE: Final = re.compile(
    r"(?:s|_?id|_secret)?[\"'`]?\s{0,3}"
    r"(?:=>|:=|[=:]|\bis\b|\bist\b|\best\b|\bes\b|(?<=[Bb]earer )|は|是|為|为)"
    r"\s{0,3}[\"'`]?([\w\-./+=~]{16,512})"
)
#: Names that may be a part of a longer one, and those that stand alone.
_PASSWORDS: Final = ("passw", "pwd")
_WORDS: Final = {
    word.encode(): word
    for word in (
        "passphrase", "passe", "pass", "pw", "kennwort", "contraseña", "senha", "wachtwoord", "hasło", "пароль",
        "parola", "lösenord", "पासवर्ड",
    )
}  # fmt: skip
_UNSPACED: Final = ("密码", "密碼", "パスワード", "비밀번호")
#: Too common to count without a sign.
_BRIEF: Final = ("pass", "pw")
#: How a name goes on: password, passwd, passwort, and what German joins to it.
_ENDING: Final = re.compile(r"(?:or[dt]|d)?(?:es|s)?(?![a-z])")
#: What follows a name: a sign and the value, or a verb and something that no word looks like.
_SIGNED: Final = re.compile(r"[\"'`]?\s{0,3}(?:=>|:=|[=:])\s{0,3}(\"[^\"\n]{4,128}|'[^'\n]{4,128}|[^\s\"'`,;]{4,128})")
_SAID: Final = re.compile(
    r"(?:'s)?\s{0,2}(?:is|ist|lautet|est|es|é|è|to|は|是|为|:)?\s{0,2}[\"'`]?([^\s\"'`,;]{4,128})"
)
_STRONG: Final = re.compile(r"(?=[^\d]{0,127}\d)(?=[^A-Za-z]{0,127}[A-Za-z])")
#: A few words between name and sign: `senha do wifi: …`.
_LATER: Final = re.compile(r"(?:\s[\w\-]{1,12}){1,3}\s?[:=]\s{0,2}[\"'`]?([^\s\"'`,;]{4,128})")
_URL: Final = re.compile(r"[^\s/@:]{0,64}:([^\s/@]{4,128})@")
_DASH_P: Final = re.compile(r"mysql[^\n]{0,60} -p([^\s\-]{4,64})")
#: Places of one name that are looked at; a text with more of them counts as holding one.
_MOST: Final = 2_000
_MOST_NAMES: Final = 50_000
_MOST_URLS: Final = 10_000
_MOST_PASSWORDS: Final = 10_000
_AWS: Final = ("secret_access_key", "secretaccesskey", "secret access key")
#: Values that are found by themselves, under a kind of their own.
_KNOWN: Final = ("AKIA", "ASIA", "ghp_", "gho_", "ghu_", "ghs_", "ghr_", "github_pat_", "xox", "eyJ")
_FOREIGN: Final = "\u0370"
_MIN_DIFFERENT: Final = 6


def _real(value: str) -> bool:
    return not _PLACEHOLDER.search(value.lower()) and len(set(value)) >= _MIN_DIFFERENT


def _tokens(text: str) -> Iterator[str]:
    signs = [sign for sign in "-_" if _has_prefix(text, sign)]
    for kind, marks, pattern in _TOKENS:
        if any((mark[-1] not in "-_" or mark[-1] in signs) and mark in text for mark in marks):
            for number, token in enumerate(pattern.finditer(text)):
                if kind in {"private_key", "jwt"} or _real(token.group()[4:]) or number > _MOST:
                    yield kind
                    break


def _has_prefix(text: str, sign: str) -> bool:
    """Tell whether a sign ends what a token begins with."""
    at, tried = text.find(sign), 0
    while at >= 0:
        tried += 1
        if tried > _FEW or (text[at - 1 : at] in _BEFORE_SIGN and text.endswith(_PREFIXES, 0, at + 1)):
            return True
        at = text.find(sign, at + 1)
    return False


def _places(lower: str, name: str, most: int) -> Iterator[int]:
    """Yield where a name ends; after too many, -1."""
    at, count = lower.find(name), 0
    while at >= 0:
        end = at + len(name)
        count += 1
        yield end if count <= most else -1
        if count > most:
            return
        at = lower.find(name, end)


def _keys(seen: Text) -> Iterator[str]:
    lower = seen.lower
    for ending, names in _NAMES.items():
        if not seen.foreign and (max(ending) >= _FOREIGN or (ending in _ALONE and _ALONE[ending] not in seen.words)):
            continue
        for end in _places(lower, ending, _MOST_NAMES):
            if end < 0:
                yield "api_key"
                return
            value = _VALUE.match(seen.text, end) if lower.endswith(names, 0, end) else None
            if value and not value[1].startswith(_KNOWN) and _STRONG.match(value[1]) and _real(value[1]):
                yield "aws_access_key" if lower.endswith(_AWS, 0, end) else "api_key"
                break


def _is_password(seen: Text, end: int, *, signed: bool) -> bool:
    """Tell whether a name's end is followed by a password; `signed`: only behind a sign."""
    if given := _SIGNED.match(seen.text, end):
        value = given[1].strip("\"'").rstrip(")]},")
        plain = value.isalpha() and value.islower() and len(value) < 12  # noqa: PLR2004 - a word of the language
        if signed and not _STRONG.match(value):
            return False
        return not _PLACEHOLDER.search(value.lower()) and not plain and not value.startswith(("(", "[", "{"))
    if signed:
        return False
    said = _LATER.match(seen.text, end) or _SAID.match(seen.text, end)
    return said is not None and _STRONG.match(said[1]) is not None and not _PLACEHOLDER.search(said[1].lower())


def _passwords(seen: Text) -> bool:
    lower = seen.lower
    names = [*_PASSWORDS, *(_WORDS[word] for word in sorted(_WORDS.keys() & seen.words))]
    for name in (*names, *_UNSPACED) if seen.foreign else names:
        for end in _places(lower, name, _MOST_PASSWORDS):
            if end < 0:
                return True
            inside = name in _BRIEF and lower[max(0, end - len(name) - 1) : end - len(name)].isalnum()
            ending = None if inside else _ENDING.match(lower, end)
            if ending and _is_password(seen, ending.end(), signed=name in _BRIEF):
                return True
    for end in _places(lower, "://", _MOST_URLS):
        if end < 0:
            return True
        url = _URL.match(seen.text, end)
        if url and not _PLACEHOLDER.search(url[1].lower()) and url[1] not in {"password", "pass"}:
            return True
    return b"mysql" in seen.words and _DASH_P.search(seen.text) is not None


def find(seen: Text) -> Iterator[str]:
    """Yield the kinds; some of them more than once."""
    yield from _tokens(seen.text)
    yield from _keys(seen)
    if _passwords(seen):
        yield "password"
