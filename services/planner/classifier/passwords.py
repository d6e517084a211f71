"""Passwords: said, assigned, or written into an address."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from planner.classifier.words import by_lead, written_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.classifier.text import Text

#: Not a password but the place of one, or a rule for one.
PLACEHOLDER: Final = re.compile(
    r"x{4}|\.{3}|\*{3}|your|example_|placeholder|<|\$\{?|\{\{|\{type|redacted|changeme|change_me|dummy|environ|getenv"
    r"|getpass|^[a-z_]\w*(?:\.[a-z_]\w*)+$|process\.env|secrets?\.|config\.|null$|none$|undefined$|true$|false$|string$"
    r"|str$|required|optional|nullable"
)
STRONG: Final = re.compile(r"(?=[^\d]{0,127}\d)(?=[^A-Za-z]{0,127}[A-Za-z])")
#: Parts of pieces: names that may be a part of a longer one.
_PARTS: Final = {b"passw": "passw", b"pwd": "pwd"}
#: Names that stand alone, by a piece of theirs; those beyond ASCII only in a text that is so, too.
_WORDS: Final = {
    b"passphrase": "passphrase", b"passcode": "passcode", b"passe": "passe", b"pass": "pass", b"pw": "pw",
    b"kennwort": "kennwort", b"contrase": "contraseña", b"contrasena": "contrasena", b"senha": "senha",
    b"wachtwoord": "wachtwoord", b"has": "hasło", b"haslo": "haslo", b"parola": "parola", b"senord": "lösenord",
    b"ifre": "şifre", b"sandi": "kata sandi", b"heslo": "heslo", b"adgangskode": "adgangskode",
}  # fmt: skip
_FOREIGN: Final = by_lead(
    (
        "пароль",
        "пароля",
        "पासवर्ड",
        "密码",
        "密碼",
        "パスワード",
        "비밀번호",
        "암호는",
        "كلمة المرور",
        "كلمة السر",
        "รหัสผ่าน",
    )
)
#: Too common to count without a sign.
_BRIEF: Final = ("pass", "pw")
#: How a name goes on: password, passwd, passwort, and what German joins to it.
_ENDING: Final = re.compile(r"(?:or[dt]|d)?(?:es|s)?(?![a-z])")
#: What follows a name: a sign and the value, or a verb and something that no word looks like.
_SIGNED: Final = re.compile(r"[\"'`]?\s{0,3}(?:=>|:=|[=:])\s{0,3}(\"[^\"\n]{4,128}|'[^'\n]{4,128}|[^\s\"'`,;]{4,128})")
_SAID: Final = re.compile(
    r"(?:'s)?\s{0,2}(?:is|was|ist|war|lautet|est|es|é|è|to|は|是|为|:)?\s{0,2}[\"'`]?([^\s\"'`,;]{4,128})"
)
#: A few words between name and sign: `senha do wifi: …`; or between name and verb: `root password for the box is …`.
_LATER: Final = re.compile(
    r"(?:\s[\w\-]{1,12}){1,4}(?:\s?[:=]|\s(?:is|was|ist|est|es|é|è|jest))\s{0,2}[\"'`]?([^\s\"'`,;]{4,128})"
)
_URL: Final = re.compile(r"[^\s/@:]{0,64}:([^\s/@]{4,128})@")
#: Command → what its password follows, on the same line.
_COMMANDS: Final = {
    b"mysql": re.compile(r" -p([^\s\-]{4,64})"),
    b"mysqldump": re.compile(r" -p([^\s\-]{4,64})"),
    b"sshpass": re.compile(r" -p ?[\"']?([^\s\"']{4,64})"),
    b"curl": re.compile(r" (?:-u|--user)[ =]?[\"']?[^\s:\"']{1,64}:([^\s\"']{4,128})"),
}
_LINE: Final = 240
#: A name and a password side by side.
_PAIR: Final = re.compile(
    r"(?<![^\W_])(?:cred(?:ential)?s|logins?|zugangsdaten|identifiants)(?: (?:is|are|for [\w.\-]{1,40}))?[ :=]{1,3}"
    r"[\w.@\-]{2,64} ?[/:|] ?([^\s\"',;]{6,64})"
)
_PAIRED: Final = frozenset({b"creds", b"credentials", b"login", b"logins", b"zugangsdaten", b"identifiants"})
#: Places that are looked at; a text with more of them counts as holding one.
_MOST: Final = 10_000


def places(lower: str, name: str, most: int) -> Iterator[int]:
    """Yield where a name ends; after too many, -1."""
    at, count = lower.find(name), 0
    while at >= 0:
        end = at + len(name)
        count += 1
        yield end if count <= most else -1
        if count > most:
            return
        at = lower.find(name, end)


def _is_value(value: str) -> bool:
    return STRONG.match(value) is not None and not PLACEHOLDER.search(value.lower())


def _follows(seen: Text, end: int, *, signed: bool) -> bool:
    """Tell whether a name's end is followed by a password; `signed`: only behind a sign."""
    if given := _SIGNED.match(seen.text, end):
        value = given[1].strip("\"'").rstrip(")]},")
        plain = value.isalpha() and value.islower() and len(value) < 12  # noqa: PLR2004 - a word of the language
        if signed and not STRONG.match(value):
            return False
        return not PLACEHOLDER.search(value.lower()) and not plain and not value.startswith(("(", "[", "{"))
    if signed:
        return False
    said = _LATER.match(seen.text, end) or _SAID.match(seen.text, end)
    return said is not None and _is_value(said[1])


def _names(seen: Text) -> Iterator[str]:
    yield from (name for part, name in _PARTS.items() if part in seen.joined)
    for piece in sorted(_WORDS.keys() & seen.pieces):
        if _WORDS[piece].isascii() or len(seen.text) != len(seen.text.encode("utf-8", "replace")):
            yield _WORDS[piece]
    yield from written_in(seen, _FOREIGN)


def _is_named(seen: Text, name: str) -> bool:
    for end in places(seen.lower, name, _MOST):
        if end < 0:
            return True
        start = end - len(name)
        inside = name in _BRIEF and seen.lower[max(0, start - 1) : start].isalnum()
        # A word of another script has endings of its own.
        ending = None if inside else _ENDING.match(seen.lower, end)
        if ending and _follows(seen, ending.end(), signed=name in _BRIEF):
            return True
    return False


def _in_address(seen: Text) -> bool:
    if "@" not in seen.text:
        return False
    for end in places(seen.text, "://", _MOST):
        if end < 0:
            return True
        url = _URL.match(seen.text, end)
        if url and not PLACEHOLDER.search(url[1].lower()) and url[1] not in {"password", "pass"}:
            return True
    return False


def _in_command(seen: Text) -> bool:
    for piece in sorted(_COMMANDS.keys() & seen.pieces):
        done = 0
        for end in places(seen.lower, piece.decode(), _MOST):
            if end < 0:
                return True
            if end >= done:
                done = end + _LINE
                given = _COMMANDS[piece].search(seen.text[end:done].partition("\n")[0])
                if given and not PLACEHOLDER.search(given[1].lower()):
                    return True
    return False


def _in_pair(seen: Text) -> bool:
    if _PAIRED.isdisjoint(seen.pieces):
        return False
    return any(count == _MOST or _is_value(given[1]) for count, given in enumerate(_PAIR.finditer(seen.lower)))


def are_in(seen: Text) -> bool:
    """Tell whether a text holds a password."""
    return (
        any(_is_named(seen, name) for name in _names(seen)) or _in_address(seen) or _in_command(seen) or _in_pair(seen)
    )
