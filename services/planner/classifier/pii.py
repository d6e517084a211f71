"""PII: who somebody is and how to reach them."""

from __future__ import annotations

import ipaddress
import re
from typing import TYPE_CHECKING, Final

from planner.classifier import national, phones
from planner.classifier.numbers import Open, Shaped
from planner.classifier.words import Words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.classifier.numbers import Candidate
    from planner.classifier.text import Text

KINDS: Final = ("email", "phone", "ssn", "passport", "ip_address", "date_of_birth")

_PASSPORT: Final = Words(
    """passport, reisepass*, pass-nr, passnummer, passeport, pasaporte, passaporte, passaporto, paspoort*,
    paszport*, паспорт*, 护照, 護照, パスポート, 旅券, 여권"""
)
_PASSPORT_NOT: Final = re.compile(
    r"photo|expire|\.js|version|size|npm|apply|control|gate|office|queue|flight|terminal|\bform\b|fee|page"
)
_BIRTH: Final = Words(
    """
    dob, d.o.b, d.o.b., (b., birth, birthdate, birthday, birth_date, date_of_birth, born, geboren*, geburtsdatum,
    geburtstag, geb, gebdat, f. nac, f.nac, fecha nac, f. nasc, data nasc, dt nasc, ur, urodzony, urodzona, urodził,
    urodziła, född, født, syntynyt, doğum, né, née, naissance, nacido, nacida, nacimiento, nascimento, nascido,
    nascida, nació, nasceu, nato, nata, nascita, geboortedatum, urodzenia, рождения, родился, родилась, рожд,
    出生*, 生于, 生於, 生まれ, 生年月日, 生日, 생년월일, 생일, 출생, जन्म, تاريخ الميلاد, مواليد
    """
)
_MONTH: Final = re.compile(
    r"\b(?:jan|feb|fév|fev|febr|mar|mär|apr|avr|abr|may|mai|mag|mei|jun|juin|giu|jul|juil|lug|aug|aou|aoû|ago|sep|set|oct"
    r"|sty|lut|kwi|maj|cze|lip|sie|wrz|paź|lis|gru|mrt|okt|out|ott|nov|dec|dez|déc|dic|ene|gen|янв|фев|мар|апр|мая|июн|июл|авг|сен|окт|ноя|дек)"
)
_DATE: Final = re.compile(r"9{1,2}([/.\-])9{1,2}\1(?:99|9999)|9999([/.\-])9{1,2}\2 ?9{1,2}")
#: A date without signs, and what stands in front of a year of two digits.
_COMPACT: Final = re.compile(
    r"(?:19|20)\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])|(?:0[1-9]|[12]\d|3[01])(?:0[1-9]|1[0-2])(?:19|20)\d\d"
)
_SHORT: Final = re.compile(r"\d{1,2}[ \-./]{1,2}[a-zäéû\u0430-\u044f]{3,9}[ \-./,']{1,3}$|\b[a-z]{3,9} \d{1,2},? '?$")
_PRODUCT: Final = re.compile(
    r"(?:[a-z][\w.+\-]*/|\bv|\bversion\D{0,12}|\brelease\s|\bfirmware\D{0,8}|\bsection\s|§ ?|\bto v)$"
)
_VERSION: Final = re.compile(
    r"version|upgrad|updat|releas|firmware|windows|macos|ubuntu|firefox|chrome|safari|nginx|openssl|python|java|php|android|kernel|driver|build"
)
_SMALL: Final = 20
_PRIVATE: Final = ("10.", "172.16.", "192.168.")
_IP: Final = Words(
    """ip, ips, ipv4, ip-adresse, host, hosts, server, client, address, adresse, addr, ssh, ping, from, at, von,
    connect, connected, visitor, login"""
)
_V6: Final = re.compile(r"(?<![\w:.])(?=[0-9A-Fa-f:]{0,34}::|(?:[0-9A-Fa-f]{1,4}:){7})[0-9A-Fa-f:]{6,39}(?![\w:])")
_LONGEST_GROUP: Final = 5
#: Groups of an address, and digits of its longest group: `7::8` is a place in a list.
_FEWEST_GROUPS: Final = 2
_V6_REACH: Final = 42
#: From one colon in so many characters on, one search is faster than finding each.
_DENSE: Final = 32
_DOMAIN: Final = re.compile(r"(?:[^\W_][\w\-]{0,62}\.){1,8}[^\W\d_]{2,24}")
_SPELLED: Final = re.compile(r" ?(?:[^\W_][\w\-]{0,62}(?:\.| ?[\[(]dot[\])] ?| dot )){1,8}[^\W\d_]{2,24}")
#: Of ` at ` as a word the end must be spelled out, too.
_SAID: Final = re.compile(r"(?:[^\W_][\w\-]{0,62} dot ){1,8}[^\W\d_]{2,24}(?![^\W_])")
_MOST: Final = 5_000
_MOST_SIGNS: Final = 20_000
_LOCAL_REACH: Final = 64


def _is_passport(number: Candidate) -> bool:
    if not 6 <= len(number.shape.replace(" ", "")) <= 10 or number.digits < 4:  # noqa: PLR2004 - ICAO 9303, and old ones
        return False
    if "A" in number.shape and number.raw.upper() != number.raw:
        return False
    before = number.before(36)
    at = _PASSPORT.end_in(before)
    return at >= 0 and "." not in number.shape and not _PASSPORT_NOT.search(before, at)


def _is_birth(number: Candidate) -> bool:
    before = number.before()
    if _DATE.fullmatch(number.shape) or (number.shape == "99999999" and _COMPACT.fullmatch(number.raw)):
        return _BIRTH.are_in(before)
    if number.shape == "99":
        # `7-Sep-55`: the day is another run of digits.
        at = _BIRTH.end_in(before)
        return at >= 0 and _SHORT.search(before, at) is not None
    if number.shape != "9999" or not "1900" <= number.raw <= "2030":
        return False
    if number.seen.text[number.end : number.end + 1] in {"年", "년"}:
        return _BIRTH.are_in(number.context(48, 16))
    at = _BIRTH.end_in(before)
    return at >= 0 and _MONTH.search(before, at) is not None


def _is_v4(number: Candidate) -> bool:
    raw = number.raw
    if number.shape.count(".") != 3 or not raw.replace(".", "").isdigit():  # noqa: PLR2004 - a dotted quad
        return False
    parts = [int(part) for part in raw.split(".") if len(part) < 4]  # noqa: PLR2004 - an octet
    if len(parts) != 4 or max(parts) > 255 or parts[0] in {0, 127, 255}:  # noqa: PLR2004 - octets of somebody
        return False
    before = number.before(28)
    if number.seen.text[number.end : number.end + 1] == "/" and parts[3] == 0:
        return False
    if _PRODUCT.search(before) or phones.OTHER.are_in(before) or _VERSION.search(number.context(28, 12)):
        return False
    return max(parts) >= _SMALL or raw.startswith(_PRIVATE) or _IP.are_in(before)


def _emails(seen: Text) -> bool:
    text, at, tried = seen.text, seen.text.find("@"), 0
    while at >= 0:
        tried += 1
        if tried > _MOST_SIGNS:
            return True  # it can't be ruled out
        if at and (text[at - 1].isalnum() or text[at - 1] in "_+-.") and (domain := _DOMAIN.match(text, at + 1)):
            name = text[max(0, at - _LOCAL_REACH) : at].split()[-1]
            remote = name == "git" and text[domain.end() : domain.end() + 1] == ":"
            # Behind `://` stand a user and a password.
            if not remote and "://" not in name:
                return True
        at = text.find("@", at + 1)
    if b"at" not in seen.pieces:
        return False
    signs = [sign for sign in ("[at]", "(at)") if sign[0] in text]
    if any(_is_spelled(seen.lower, sign, _SPELLED) for sign in signs):
        return True
    return b"dot" in seen.pieces and _is_spelled(seen.lower, " at ", _SAID)


def _is_spelled(lower: str, sign: str, domain: re.Pattern[str]) -> bool:
    """Tell whether there is an address whose `@` is spelled out."""
    at, tried = lower.find(sign), 0
    while at >= 0:
        tried += 1
        if tried > _MOST_SIGNS:
            return True
        if lower[max(0, at - 2) : at].strip()[-1:].isalnum() and domain.match(lower, at + len(sign)):
            return True
        at = lower.find(sign, at + 1)
    return False


def _colons(text: str) -> Iterator[re.Match[str]]:
    """Yield what may be an IPv6 address: hexadecimal groups with `::` between them, or eight of them."""
    if _DENSE * text.count(":") > len(text):
        yield from _V6.finditer(text)
        return
    chain, last, done = 0, -_LONGEST_GROUP, 0
    at = text.find(":")
    while at >= 0:
        chain = chain + 1 if at - last <= _LONGEST_GROUP else 1
        if at >= done and (at - last == 1 or chain == 7):  # noqa: PLR2004 - eight groups
            for found in _V6.finditer(text, max(0, at - _V6_REACH), at + _V6_REACH):
                done = found.end()
                yield found
        last, at = at, text.find(":", at + 1)


def _v6(text: str) -> bool:
    for tried, found in enumerate(_colons(text)):
        if tried == _MOST:
            return True  # it can't be ruled out
        raw = found.group()
        groups = [len(group) for group in raw.split(":") if group]
        if len(groups) < _FEWEST_GROUPS or max(groups) < _FEWEST_GROUPS or not any(map(str.isdigit, raw)):
            continue
        try:
            address = ipaddress.IPv6Address(raw)
        except ValueError:
            continue
        if not (address.is_loopback or address.is_unspecified):
            return True
    return False


def find(seen: Text) -> Iterator[str]:
    """Yield the kinds that are no numbers."""
    if _emails(seen):
        yield "email"
    if _v6(seen.text):
        yield "ip_address"
    if national.is_in(seen):
        yield "ssn"


SHAPED: Final[tuple[Shaped, ...]] = national.IDS
OPEN: Final = (
    Open("phone", phones.is_phone, None),
    Open("ip_address", _is_v4, None),
    Open("passport", _is_passport, _PASSPORT),
    Open("date_of_birth", _is_birth, _BIRTH),
    national.DOCUMENT,
)
