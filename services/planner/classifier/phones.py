"""Phone numbers: written as only they are, or called so."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from planner.classifier.words import Words

if TYPE_CHECKING:
    from planner.classifier.numbers import Candidate

#: What a number is called when it is nobody's.
OTHER: Final = Words(
    """order*, ticket*, sku, case, item, part, serial, invoice, model, id, ref, reference, tracking, batch, lot,
    product*,
    build, rma, po, quote, receipt, job, version, isbn, issn, ean, barcode, transaction, bestell*, auftrag*,
    rechnung*, kundennummer, commande, facture, référence, pedido, factura, fattura, ordine, заказ, 订单, 单号, 货号,
    注文"""
)

_PHONE: Final = Words(
    """
    phone*, tel, telephone, telefon*, téléphone*, teléfono*, telefone, telefono, telefoon*, mobile, mob, gsm,
    mobiel*, mobil, mobilnummer, mobiltelefon, erreichen, erreichbar, kontaktnummer, hotline, tlf*, komórk*,
    zadzwoń, điện thoại, sđt, nomor, puhelin*, puh, cell, cellphone, cellulare, celular, móvil, handy*, portable,
    whatsapp, whats app, fax, sms, call me, call us, call him, call her, ring, dial, text me, reach me, mi número,
    meu número, mon numéro, il mio numero, meine nummer, ruf mich, ruf uns, rufnummer, rufen, anrufen, appelez,
    llame, llámame, ligue, fone, chiama, contact number, contact no, my number, телефон*, тел, моб, мобильный,
    звоните, позвоните, هاتف, جوال, موبايل, 电话, 手机, 電話, 携帯, 전화, 휴대폰, 연락처, 連絡先, モバイル,
    联系方式, 聯絡, फ़ोन, फोन, मोबाइल
    """
)
_NANP: Final = re.compile(r"(?:1[ .\-])?\(?[2-9][0-9]{2}\)?[ .\-]{1,2}[0-9]{3}[ .\-][0-9]{4}")
_NANP_SHAPES: Final = frozenset(
    {"999-999-9999", "999) 999-9999", "999.999.9999", "999)999-9999", "1-999-999-9999", "9-999-999-9999"}
)
#: Somebody is called at it.
_DIALS: Final = re.compile(
    r"(?<![^\W_])[Cc]all(?:ing)?(?: (?:now|back|him|her|us|[A-Z]\w{1,20}))?(?: at| on|:)? ?\(?\Z"
)
#: A function is called with it, and not somebody.
_CALLED: Final = re.compile(r"\w\($")
#: With the zero that most countries dial before an area: area and number in groups, and no date.
_TRUNK: Final = re.compile(
    r"9{2,5}[ /]9{6,8}|9{3,5}-9{6,8}|9{2,5}([ \-])9{3,4}\1?[ \-]9{4}|9{4}[ /]9{3} ?9{3,4}|9{3} 9{3} 9{2} 9{2}"
)
_RUSSIAN: Final = frozenset(
    {"9-999-999-99-99", "9 999 999-99-99", "9 999 999 99 99", "9 (999) 999-99-99", "9(999)999-99-99"}
)
_CHINESE: Final = frozenset({"99999999999", "999 9999 9999", "999-9999-9999"})
_CHINA: Final = re.compile(r"1[3-9]")
_HAN: Final = frozenset(bytes([lead]) for lead in range(0xE4, 0xEA))
#: Dialled from abroad, in groups.
_ABROAD: Final = re.compile(r"9{4,5}(?:[ \-]9+){2,5}$|99[ \-]9{1,3}(?:[ \-]9+){2,5}$")
_FRENCH: Final = frozenset({"99 99 99 99 99", "99.99.99.99.99"})
_UNDIALLED: Final = re.compile(r"9{1,2}([/.\-])9{1,2}\1(?:99|9999)|9999([/.\-])99\2 ?99|9+\.9+")


def is_phone(number: Candidate) -> bool:
    """Tell whether a number is somebody's phone."""
    count, shape = number.digits, number.shape
    if not 7 <= count <= 15 or "A" in shape:  # noqa: PLR2004 - E.164
        return False
    text, start = number.seen.text, number.start
    if text[max(0, start - 2) : start].rstrip("(").endswith("+"):
        return count > 7 and text[start] != "0"  # noqa: PLR2004 - country and number
    if _ABROAD.match(shape) and count > 10 and text[start : start + 2] == "00" and text[start + 2] != "0":  # noqa: PLR2004 - likewise
        return not OTHER.are_in(number.before(24))
    before = number.before(32)
    named = _PHONE.are_in(before)
    if _CALLED.search(before) or OTHER.are_in(before[-24:]) or (start and text[start - 1] in "-_/#$€£" and not named):
        return False
    named = named or _DIALS.search(number.seen.text, max(0, start - 40), start) is not None
    return _looks_dialled(number) or (named and not _UNDIALLED.fullmatch(shape))


def _looks_dialled(number: Candidate) -> bool:
    """Tell whether it is written as only phone numbers are: in North America's plan, or as five French pairs."""
    after = number.seen.text[number.end : number.end + 2]
    if number.shape in _NANP_SHAPES:
        attached = len(after) > 1 and after[0] in "-_" and after[1].isalnum()
        return not attached and _NANP.fullmatch(number.raw) is not None
    if number.shape in _CHINESE and number.raw[0] == "1":
        # Of eleven digits; where Chinese is written, and not where any number may be.
        return _CHINA.match(number.raw) is not None and not number.seen.leads.isdisjoint(_HAN)
    if number.raw[0] == "8" and number.shape in _RUSSIAN:
        return True
    if number.raw[0] != "0" or number.raw[1] == "0":
        return False
    return number.shape in _FRENCH or _TRUNK.fullmatch(number.shape) is not None
