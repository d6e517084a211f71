"""PHI: somebody's health, and the numbers under which it is filed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from planner.classifier import diagnosis, illnesses
from planner.classifier.numbers import Candidate, Open, Shaped
from planner.classifier.words import Words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.classifier.text import Text

KINDS: Final = ("mrn", "icd10", "npi", "diagnosis")

_RECORD: Final = Words(
    """
    mrn, mrn#, medical record*, medical rec, med rec, med. rec, medrec, medical file, clinical record, hospital id,
    health record number, patient id, patient record, record number, patient no, patient number, patient #,
    patient_id, patientid, patient identifier, chart number, chart no, hospital number, hospital no,
    patientennummer, patienten-id, patienten-nr, patientennr, fallnummer, krankenaktennummer, dossier médical,
    dossier patient, numéro de patient, numéro patient, n° patient, ipp, historia clínica, historia clinica, nhc,
    prontuário, prontuario, cartella clinica, patiëntnummer, 病历号, 病案号, 住院号, 門診號, カルテ番号, 診察券番号,
    患者番号, 患者id, 환자번호, история болезни, медкарт*, медицинской карты, карта пациента, амбулаторной карты,
    member id, member number, insurance id, insurance number, insurance member, subscriber id, health plan id,
    beneficiary id, medicare number, medicare id, medicaid id, medicaid number, health card, versichertennummer,
    krankenversicherungsnummer, krankenversichertennummer, n° de patient, tarjeta sanitaria, tessera sanitaria,
    cartão sus, 社保号, 医保卡号, 保険証番号, 被保険者番号, 진료번호, 등록번호
    """
)
#: An identifier of Medicare, as its agency gives the form; it is looked for where its name is.
_MEDICARE: Final = re.compile(
    r"(?<![A-Za-z0-9])[1-9][AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y][0-9]-?[AC-HJKMNP-RT-Y][0-9AC-HJKMNP-RT-Y][0-9]-?"
    r"[AC-HJKMNP-RT-Y]{2}[0-9]{2}(?![A-Za-z0-9])"
)
_MEDICARE_NAMES: Final = frozenset({b"medicare", b"mbi"})
#: Names that others than insurers of health use, too.
_MEMBER: Final = Words(
    "member id, member number, subscriber id, insurance id, insurance number, insurance member, 등록번호"
)
_HEALTH: Final = Words(
    """health*, medic*, insurance, insured, insurer, patient*, plan, hospital*, clinic*, blue cross, aetna, cigna,
    humana, kaiser, unitedhealth*, anthem, doctor, copay, deductible, claim, 환자, 병원"""
)
_NOT_RECORDED: Final = re.compile(r"stands for|systems?\b|compared")
#: Insurances that are no matter of health alone: their numbers are a person's.
_SOCIAL: Final = re.compile(r"national|social")
_CODE: Final = re.compile(r"[A-TV-Z][0-9][0-9AB](?:\.[0-9A-Z]{1,4})?")
_CODED: Final = Words(
    """
    icd, icd10, icd-10, icd-10-cm, icd-10-gm, icd-11, cim-10, cim10, cid-10, cid10, cie-10, cie10, dx, diagnosis,
    diagnoses, diagnosed, diagnose, diagnosen, diagnosecode, hauptdiagnose, nebendiagnose, entlassdiagnose,
    aufnahmediagnose, diagnosi, encounter, pt, hx, diagnostic code, diagnóstico, diagnostico, patient, patients,
    patientin, paciente, medical claim, coded, chart, assessment, comorbidity, comorbidities, мкб-10, 疾病编码,
    診断, 诊断, 患者
    """
)
#: Of these a code without a point needs one.
_NAMED: Final = Words(
    "icd, icd10, icd-10*, icd-10-cm, icd-10-gm, cim-10, cid-10, cie-10, dx, diagnosis code, diagnosecode, мкб-10, "
    "疾病编码"
)
_NPI: Final = Words("npi, national provider identifier, provider identifier")
_NPI_PREFIX: Final = "80840"
#: What people write for any ten digits.
_COUNTED_UP: Final = "1234567890"


def _is_record(number: Candidate) -> bool:
    if not 4 <= number.digits <= 14:  # noqa: PLR2004 - shorter ones are counts
        return False
    before = number.before(32)
    at = _RECORD.end_in(before)
    if at < 0 or _NOT_RECORDED.search(before, at) or "." in number.shape:
        return False
    if not _MEMBER.are_in(before):
        return True
    return not _SOCIAL.search(before) and _HEALTH.are_in(number.context(64, 48))


def _is_code(number: Candidate) -> bool:
    raw = number.raw
    if not _CODE.fullmatch(raw):
        return False
    if "." in raw:
        beside = number.context(44, 40)
        return "diagnos" in beside or _CODED.are_in(beside) or illnesses.are_named(beside, 0, len(beside))
    return _NAMED.are_in(number.before(24))


def _is_provider(number: Candidate) -> bool:
    raw = number.raw
    if number.shape != "9999999999" or raw[0] not in "12" or raw == _COUNTED_UP:
        return False
    return _NPI.are_in(number.before(12)) or (_NPI.are_in(number.before(36)) and luhn(_NPI_PREFIX + raw))


def luhn(digits: str) -> bool:
    """Check a number by ISO/IEC 7812-1."""
    odd = sum(map(int, digits[-1::-2]))
    return (odd + sum(int(digit) * 2 - 9 * (digit > "4") for digit in digits[-2::-2])) % 10 == 0


def find(seen: Text) -> Iterator[str]:
    """Yield the kinds that are no numbers, or whose groups are mixed."""
    if not _MEDICARE_NAMES.isdisjoint(seen.pieces) and _MEDICARE.search(seen.text):
        yield "mrn"
    if diagnosis.is_in(seen):
        yield "diagnosis"


SHAPED: Final[tuple[Shaped, ...]] = ()
OPEN: Final = (
    Open("mrn", _is_record, _RECORD),
    Open("icd10", _is_code, _CODED),
    Open("npi", _is_provider, _NPI),
)
