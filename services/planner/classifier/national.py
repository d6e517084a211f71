"""Numbers that a state gives to a person or a firm: all count as `ssn`, the kind that the contract has for them.

Where a check digit is weak or a shape common, one of the number's names must stand nearby.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from planner.classifier.checks import always, by
from planner.classifier.numbers import Candidate, Open, Shaped
from planner.classifier.words import Words

if TYPE_CHECKING:
    from planner.classifier.text import Text

#: First letters that no United Kingdom national insurance number has; HMRC, NIM39110.
_NINO: Final = re.compile(
    r"(?!BG|GB|NK|KN|TN|NT|ZZ)[A-CEGHJ-PR-TW-Z][A-CEGHJ-NPR-TW-Z] ?\d\d ?\d\d ?\d\d ?[A-D]", re.IGNORECASE
)


_DOCUMENT: Final = Words(
    """
    driver's license, drivers license, driver license, driver's licence, driver licence, driving licence,
    driving license, licence to drive, dl no, dl number, führerschein, führerscheinnummer, führerschein-nr,
    permis de conduire, permiso de conducir, carnet de conducir, licencia de conducir, patente di guida, patente n,
    carta de condução, cnh, rijbewijs, rijbewijsnummer, prawo jazdy, körkort, водительское удостоверение,
    водительского удостоверения, 驾驶证, 驾照, 運転免許, 운전면허, national id, national identity, identity card,
    id card, personalausweis, personalausweisnummer, ausweisnummer, ausweis-nr, carte d'identité, carta d'identità,
    cédula, cedula de ciudadanía, cnic, emirates id, iqama, voter id, green card number, alien number, rg n,
    documento de identidad, dowód osobisty, الهوية الوطنية
    """
)
_DATE: Final = re.compile(r"9{1,4}([/.\-])9{1,2}\1(?:99|9999)")
_AADHAAR: Final = by("in_.aadhaar")


def _us(candidate: Candidate) -> bool:
    """Tell whether the Social Security Administration could have given area, group and serial."""
    digits = re.sub(r"\D", "", candidate.raw)
    area, group, serial = digits[:3], digits[3:5], digits[5:]
    after = candidate.seen.text[candidate.end : candidate.end + 2]
    return (
        area not in {"000", "666"}
        and area < "900"
        and group != "00"
        and serial != "0000"
        and not (len(after) > 1 and after[0] in "-_" and after[1].isalnum())
    )


def _us_alone(candidate: Candidate) -> bool:
    return _us(candidate) and not _joined(candidate)


def _joined(candidate: Candidate) -> bool:
    """Tell whether it is the rest of a longer name, like `ORD-123-45-6789`."""
    joint = candidate.seen.text[max(0, candidate.start - 2) : candidate.start]
    return len(joint) > 1 and joint[1] in "-_#" and joint[0].isalnum()


def _aadhaar(candidate: Candidate) -> bool:
    """Check the digits of a number that stands alone: three groups of four of several may be any three."""
    text, start, end = candidate.seen.text, candidate.start, candidate.end
    alone = not text[max(0, start - 2) : start - 1].isdigit() and not text[end + 1 : end + 2].isdigit()
    return alone and _AADHAAR(candidate)


def _insured(candidate: Candidate) -> bool:
    seen = candidate.seen
    wide = seen.text[max(0, candidate.start - 3) : candidate.end + 2]
    return _NINO.fullmatch(candidate.raw) is not None or _NINO.search(wide) is not None


def _is_document(candidate: Candidate) -> bool:
    """Tell whether it is the number of a licence to drive or of a card that says who somebody is."""
    compact = candidate.shape.replace(" ", "").replace("-", "")
    if not compact.isalnum() or not 6 <= len(compact) <= 20 or candidate.digits < 5:  # noqa: PLR2004 - as states give them
        return False
    if "A" in compact and candidate.raw.upper() != candidate.raw:
        return False
    before = candidate.before()
    return _DOCUMENT.end_in(before) >= 0 and not _DATE.fullmatch(candidate.shape)


def _id(shapes: str, module: str, names: str = "") -> Shaped:
    split = tuple(item.strip() for item in shapes.split(","))
    return Shaped("ssn", split, by(module), Words(names) if names else None, sure=not names)


def _named(shapes: str, names: str) -> Shaped:
    """Return a number whose own name right in front of it is enough: people make mistakes in numbers, and examples."""
    return Shaped("ssn", tuple(item.strip() for item in shapes.split(",")), always, Words(names), close=True)


_SSN_NAMES: Final = Words("ssn, ssns, s s n, s.s.n, social security, soc sec, social-security, tax id, taxpayer id")

IDS: Final = (
    Shaped("ssn", ("999-99-9999",), _us_alone),
    Shaped("ssn", ("999-99-9999", "999 99 9999", "999999999"), _us, _SSN_NAMES),
    _id("999.999.999-99", "br.cpf"),
    _id("99999999999, 999999999-99, 999 999 999 99, 999.999.999.99", "br.cpf", "cpf, contribuinte"),
    _id("99.999.999/9999-99", "br.cnpj"),
    _id("99999999999999, 99 999 999 9999 99", "br.cnpj", "cnpj"),
    _id("9 99 99 99 999 999 99, 9 99 99 9A 999 999 99, 9 99 99 9A 999 999, 999999999999999", "fr.nir"),
    _id("9999999999999, 99999AA99999999", "fr.nir", "nir, sécurité sociale, securite sociale, sécu, insee"),
    _id("99 999 999 999", "de.idnr"),
    _id(
        "99999999999, 99/999/999/999, 99 999 999 999",
        "de.idnr",
        "steuer-id*, steuerid*, steuer id, steueridentifikation*, steuernummer, idnr, id-nr, tin",
    ),
    _id("999 999 9999, 999-999-9999, 9999999999", "gb.nhs", "nhs"),
    Shaped("ssn", ("AA999999A", "99 99 99"), _insured),
    Shaped("ssn", ("AA999999A",), always, Words("national insurance, nino, ni number")),
    Shaped("ssn", ("9999 9999 9999", "9999-9999-9999"), _aadhaar),
    _id("9999 9999 9999, 9999-9999-9999", "in_.aadhaar", "aadhaar, aadhar, uidai, uid, आधार"),
    _id("999999999999", "in_.aadhaar", "aadhaar, aadhar, uidai, uid, आधार"),
    _id("AAAAA9999A", "in_.pan", "pan, permanent account number, income tax, पैन"),
    _id("999999999999999999, 99999999999999999A", "cn.ric"),
    _id("AAAA999999AAAAAA99, AAAA999999AAAAAAA9", "mx.curp"),
    _id("AAAA999999AAA, AAAA999999AA9, AAAA999999A99, AAAA9999999A9, AAAA99999999A", "mx.rfc", "rfc"),
    _id("99999999A, 99999999-A, 99.999.999-A", "es.dni", "dni, nif, documento, identidad"),
    _id("A9999999A, A-9999999-A", "es.nie"),
    _id("AAAAAA99A99A999A", "it.codicefiscale"),
    _id("99999999999", "pl.pesel", "pesel"),
    _id("999999999, 9999.99.999, 9999 99 999", "nl.bsn", "bsn, burgerservicenummer, sofinummer"),
    _id("99.99.99-999.99", "be.nn"),
    _id("99999999999", "be.nn", "rijksregister*, registre national, nationaal nummer"),
    _id("999999-9999, 99999999-9999", "se.personnummer", "personnummer, person-nr, personnr, samordningsnummer"),
    _id("999999-9999, 9999999999", "dk.cpr", "cpr, cpr-nummer"),
    _id("999999-999A", "fi.hetu", "hetu, henkilötunnus"),
    _id("999999-9999999", "kr.rrn"),
    # Since October 2020 the last digits are random.
    Shaped(
        "ssn", ("999999-9999999", "9999999999999"), always, Words("주민등록*, 주민번호, resident registration, rrn")
    ),
    _id("9999999999, 999999999999", "ru.inn", "инн, inn"),
    Shaped("ssn", ("999-999-999 99", "999-999-999-99", "99999999999"), always, Words("снилс, snils")),
    Shaped(
        "ssn", ("999999999999", "9999 9999 9999", "9999-9999-9999"), always, Words("マイナンバー, 個人番号, my number")
    ),
    _id("999 999 999, 999-999-999, 999999999", "ca.sin", "sin, sin number, social insurance, nas"),
    _id("999 999 999, 999999999", "au.tfn", "tfn, tax file"),
    _id("999.9999.9999.99", "ch.ssn"),
    _id("9999999999999", "ch.ssn", "ahv*, avs, navs"),
    _id("9999 999999, 9999999999", "at.vnr", "svnr, sozialversicherungsnummer, versicherungsnummer"),
    Shaped("ssn", ("A9999999A",), always, Words("nric, fin number")),
    Shaped("ssn", ("A999999999",), always, Words("身分證*, 身份證*")),
    _id("999-99-9999, 999999999", "us.itin", "itin"),
    _id("99999999999", "luhn", "nss, imss"),
    _id("9999999A, 9999999AA", "ie.pps", "pps, ppsn"),
    _id("999999999, 999 999 999", "pt.nif", "nif, contribuinte"),
    _id("99.999.999-9, 9.999.999-9", "cl.rut"),
    _id("99999999-9, 9999999-9, 999999999, 99999999A", "cl.rut", "rut, run"),
    _id("99-99999999-9", "ar.cuit"),
    _id("99999999999", "ar.cuit", "cuit, cuil"),
    _id("99999999999", "tr.tckimlik", "tc kimlik, t.c. kimlik, tckn, kimlik"),
    _id("9999999999999, 999999 9999 999", "za.idnr", "south african id, sa id, id number"),
    _id("9999999999999", "ro.cnp", "cnp"),
    _id("999999/9999, 999999/999", "cz.rc", "rodné číslo, rodne cislo, rc"),
    _named("999-99-9999, 999 99 9999", "ssn, s.s.n, s s n, social security number, social security no"),
    _named("999.999.999-99, 99999999999, 999 999 999 99", "cpf"),
    _named("99.999.999/9999-99, 99999999999999", "cnpj"),
    _named("9 99 99 99 999 999 99, 9 99 99 99 999 999, 999999999999999", "nir, sécu, sécurité sociale, numéro de ss"),
    _named("99 999 999 999, 99999999999, 99/999/999/999", "steuer-id, steuer-idnr, idnr, steueridentifikationsnummer"),
    _named("999 999 9999, 999-999-9999, 9999999999", "nhs number, nhs no, nhs-number, nhs #"),
    _named("9999 9999 9999, 9999-9999-9999, 999999999999", "aadhaar, aadhar, adhaar, आधार"),
    _named("999999999999999999, 99999999999999999A", "身份证, 身份證, 身份号码, id card, resident id"),
    _named("99999999999", "pesel"),
    _named("999999999", "bsn, burgerservicenummer"),
    _named("99999999A, 99999999-A, 99.999.999-A", "dni, nif"),
    _named("A9999999A, A-9999999-A", "nie"),
    _named("999999-9999, 99999999-9999", "personnummer, cpr, cpr-nummer"),
    _named("999 999 999, 999-999-999", "social insurance number, sin, tax file number, tfn"),
    _named("99-99999999-9, 99999999999", "cuit, cuil"),
    _named("9999999999, 999999999999", "инн"),
    _named("AAAAAA99A99A999A", "codice fiscale, cod. fisc"),
    _named("AAAA999999AAAAAA99, AAAA999999AAAAAAA9", "curp"),
)
#: Of Germany's pension insurance; it is looked for where its name is.
_PENSION: Final = re.compile(r"(?<![A-Za-z0-9])\d{2} ?\d{6} ?[A-Z] ?\d{3}(?![A-Za-z0-9])")
_PENSION_NAMES: Final = frozenset(
    b"sozialversicherungsnummer sozialversicherungsnr rentenversicherungsnummer svnr rvnr versicherungsnummer".split()
)


def is_in(seen: Text) -> bool:
    """Tell whether a text holds one whose groups are mixed."""
    return not _PENSION_NAMES.isdisjoint(seen.pieces) and _PENSION.search(seen.text) is not None


DOCUMENT: Final = Open("ssn", _is_document, _DOCUMENT)
