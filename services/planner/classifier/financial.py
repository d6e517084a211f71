"""FINANCIAL: numbers by which money moves."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from planner.classifier.numbers import Candidate, Open, Shaped
from planner.classifier.phi import luhn
from planner.classifier.words import Words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.classifier.text import Text

KINDS: Final = ("iban", "credit_card", "routing_number", "swift")

#: Country → length of its account numbers; the SWIFT registry of ISO 13616.
_LENGTHS: Final = {
    item[:2]: int(item[3:])
    for item in """
    AD=24 AE=23 AL=28 AT=20 AZ=28 BA=20 BE=16 BG=22 BH=22 BI=27 BR=29 BY=28 CH=21 CR=22 CY=28 CZ=24 DE=22
    DJ=27 DK=18 DO=28 EE=20 EG=29 ES=24 FI=18 FK=18 FO=18 FR=27 GB=22 GE=22 GI=23 GL=18 GR=27 GT=28 HN=28
    HR=21 HU=28 IE=22 IL=23 IQ=23 IS=26 IT=27 JO=30 KW=30 KZ=20 LB=28 LC=32 LI=21 LT=20 LU=20 LV=21 LY=25
    MC=27 MD=24 ME=22 MK=19 MN=20 MR=27 MT=31 MU=30 NI=28 NL=18 NO=15 OM=23 PK=24 PL=28 PS=29 PT=25 QA=29
    RO=24 RS=22 RU=33 SA=24 SC=31 SD=18 SE=24 SI=19 SK=24 SM=27 SO=23 ST=25 SV=28 TL=23 TN=24 TR=26 UA=29
    VA=22 VG=24 XK=20 YE=30
    """.split()  # noqa: SIM905 - a table
}
_JOINTS: Final = re.compile(r"[ .\-]")
_IBAN_REACH: Final = 72
#: Visa, Mastercard, American Express, Discover, JCB, Diners Club; ISO/IEC 7812 as their issuers publish it.
_ISSUER: Final = re.compile(r"4|5[0-8]|2[2-7]|3[47]|6011|64[4-9]|65|35(?:2[89]|[3-8])|30[0-5]|3[68]|62|63|67")
_ROUTING: Final = Words(
    "routing, routing_number, routing number, routing no, aba, rtn, transit number, wire to routing"
)
_SORT: Final = Words("sort code, sort-code, sort_code, sortcode, s/c, bsb, bankleitzahl, blz")
_SORT_SHAPES: Final = frozenset({"99-99-99", "99 99 99", "999999", "999-999", "99999999", "999 999 99"})
_ROUTING_SHAPES: Final = frozenset({"999999999", "9999-9999-9", "999-999-999", "9999 9999 9", "999 999 999"})
_IFSC: Final = Words("ifsc, ifsc code")
_SWIFT: Final = re.compile(r"(?<![^\W_])(?:swift|bic)(?:[ \-]?code|代码|コード)?(?:/(?:swift|bic))?(?![a-z])")
_MEANT: Final = re.compile(r"code|代码|コード|/|bic|[:=#]|\"|(?:swift) (?:is )?$")
_BIC: Final = re.compile(r"(?<![A-Za-z0-9])[A-Z]{4}([A-Z]{2})[A-Z0-9]{2}(?:[A-Z0-9]{3})?(?![A-Za-z0-9])")
_NAMES: Final = frozenset({b"swift", b"bic", b"swiftcode"})
_BIC_REACH: Final = 32
_MOST: Final = 5_000
_COUNTRIES: Final = frozenset(_LENGTHS) | frozenset(
    "US CA AU JP CN HK SG IN KR MX AR CL CO ZA NZ TH ID MY PH VN TW NG KE PE UY EC".split()  # noqa: SIM905 - a table
)
_OTHERWISE: Final = Words(
    "imei, tracking, isbn, ean, barcode, order*, serial, transaction, bestell*, commande, pedido, 订单"
)


def _is_iban(number: Candidate) -> bool:
    seen, start = number.seen, number.start
    country = seen.text[start : start + 2].upper()
    if number.shape[:4] != "AA99" or country not in _LENGTHS:
        return False
    length = _LENGTHS[country]
    compact = _JOINTS.sub("", seen.text[start : start + _IBAN_REACH])[:length].upper()
    if len(compact) < length or not (compact.isascii() and compact.isalnum()):
        return False
    return int("".join(str(int(char, 36)) for char in compact[4:] + compact[:4])) % 97 == 1


def _is_card(number: Candidate) -> bool:
    digits = _JOINTS.sub("", number.raw)
    if not _ISSUER.match(digits) or not luhn(digits):
        return False
    return not _OTHERWISE.are_in(number.before(24))


def _is_spaced_card(number: Candidate) -> bool:
    """Tell whether it is a card's number in groups that nobody prints, all of one size."""
    if not 13 <= number.digits <= 19 or "A" in number.shape:  # noqa: PLR2004 - ISO/IEC 7812
        return False
    *groups, last = _JOINTS.split(number.shape)
    return len(set(groups)) == 1 and len(last) <= len(groups[0]) and _is_card(number)


def _is_routing(number: Candidate) -> bool:
    raw = number.raw
    if number.shape == "AAAA9999999" and raw[4] == "0":
        return _IFSC.are_in(number.before(24))
    if number.shape in _SORT_SHAPES and _SORT.are_in(number.before(20)):
        return True
    if number.shape not in _ROUTING_SHAPES or not _ROUTING.are_in(number.before(36)):
        return False
    digits, weights = _JOINTS.sub("", raw), (3, 7, 1) * 3
    valid = sum(int(digit) * weight for digit, weight in zip(digits, weights, strict=True)) % 10 == 0
    return digits[0] in "01236" and valid


def find(seen: Text) -> Iterator[str]:
    """Yield the kinds that are no numbers."""
    if _NAMES.isdisjoint(seen.pieces):
        return
    for count, name in enumerate(_SWIFT.finditer(seen.lower)):
        if count == _MOST:
            yield "swift"  # it can't be ruled out
            return
        # `a swift answer` names no code; in small letters it takes `code` or a sign.
        if seen.text[name.start() : name.end()].islower() and not _MEANT.search(
            seen.lower, name.start(), name.end() + 3
        ):
            continue
        for code in _BIC.finditer(seen.text, name.end(), name.end() + _BIC_REACH):
            if code[1] in _COUNTRIES:
                yield "swift"
                return


SHAPED: Final = (
    Shaped(
        "credit_card",
        (
            "9999 9999 9999 9999", "9999-9999-9999-9999", "9999.9999.9999.9999", "9999999999999999",
            "9999 999999 99999",
            "9999-999999-99999", "999999999999999", "9999 999999 9999", "99999999999999", "9999999999999",
            "9999999999999999999", "9999 9999 9999 9999 999",
        ),
        _is_card,
    ),
)  # fmt: skip
OPEN: Final = (
    Open("credit_card", _is_spaced_card, None),
    Open("iban", _is_iban, None, whole=True),
    Open("routing_number", _is_routing, Words(", ".join((*_ROUTING.terms, *_SORT.terms, *_IFSC.terms)))),
)
