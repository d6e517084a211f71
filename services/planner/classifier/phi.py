"""PHI: somebody's health, and the numbers under which it is filed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from planner.classifier.numbers import Candidate, Open, Shaped
from planner.classifier.words import Words, by_lead, written_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from planner.classifier.text import Text

KINDS: Final = ("mrn", "icd10", "npi", "diagnosis")

_RECORD: Final = Words(
    """mrn, mrn#, medical record number, medical record no, medical record #, medical record, med rec, med. rec,
    medrec, hospital id, health record number, patient id, patient record, record number, patient no,
    patient number, patient #, patient_id, patientid, patient identifier, chart number, chart no, hospital number,
    hospital no, patientennummer, patienten-id, patienten-nr, patientennr, fallnummer, krankenaktennummer,
    dossier médical, dossier patient, numéro de patient, ipp, historia clínica, historia clinica, nhc,
    prontuário, prontuario, cartella clinica, patiëntnummer, 病历号, 病案号, 住院号, 門診號,
    カルテ番号, 診察券番号, 患者番号, 患者id, 환자번호,
    история болезни, медкарт*"""
)
_NOT_RECORDED: Final = re.compile(r"stands for|systems?\b|compared")
_CODE: Final = re.compile(r"[A-TV-Z][0-9][0-9AB](?:\.[0-9A-Z]{1,4})?")
_CODED: Final = Words(
    """icd, icd10, icd-10*, icd-11, cim-10, cim10, cid-10, cid10, cie-10, cie10, dx, diagnosis, diagnoses,
    diagnosed, diagnose*, diagnosi, diagnostic code, diagnóstico, diagnostico, patient, patients, patientin,
    paciente, medical claim, coded, chart, assessment, comorbidity, comorbidities, мкб-10, 疾病编码, 診断, 诊断, 患者"""
)
#: Of these a code without a point needs one.
_NAMED: Final = Words("icd, icd10, icd-10*, cim-10, cid-10, cie-10, dx, diagnosis code, diagnosecode, мкб-10, 疾病编码")
_NPI: Final = Words("npi, national provider identifier, provider identifier")
_NPI_PREFIX: Final = "80840"

#: Beginnings of words.
_CONDITIONS: Final = tuple(
    " ".join(item.split())
    for item in """
    rheumat, syndrome, bipolar, fibrosis, meningit, huntington, cerebral palsy, liver disease, heart attack,
    kidney failure, ulcer, hernia, metasta, malignan, anaphyl, sickle cell, down syndrome, suicid, overdose, ocd, chemo,
    dialysis,
    insulin, disorder, diabet, cancer, carcinom, melanom, tumor, tumour, leukemia, leukaemia, lymphom, hypertens,
    asthma, copd, pneumon, hepatit, hiv, aids, covid, tubercul, malaria, sepsis, stroke, infarct, angina, arrhythm,
    heart disease, heart failure, kidney disease, renal failure, cirrhos, crohn, colitis, coeliac, celiac,
    arthritis, osteopor, lupus, sclerosi, multiple scler, parkinson, alzheimer, dementia, epilep, seizure, migraine,
    depress, anxiety, schizo, adhd, autis, ptsd, anorexi, bulimi, alcoholism, addiction, obesity, anemia, anaemia,
    hemophil, thrombos, embolism, aneurysm, syphilis, gonorr, chlamyd, herpes, endometrios, psoriasis, eczema,
    fibromyalg, glaucom, cataract, fracture, concussion, hypothyr, hyperthyr, psychos, insomnia, influenza,
    appendicit, pregnan, miscarriage, krebs, brustkrebs, lungenkrebs, bluthochdruck, herzinfarkt, schlaganfall,
    morbus, demenz, lungenentz, hirntumor, sclérose, dépress, asthme, démence, épilep, avc, cáncer, câncer, asma,
    hipertens, depres, esquizof, esclero, lúpus, infarto, demencia, demência, neumon, cancro, ipertens, polmonite,
    диабет, гепатит, астм, гиперт, депресс, эпилеп, инфаркт, инсульт, туберкул, шизофрен
    """.split(",")  # noqa: SIM905 - a table
)
_BEGINNINGS: Final = frozenset(item[:3] for item in _CONDITIONS)
_UNSPACED: Final = (
    "癌", "糖尿病", "高血压", "高血圧", "肺炎", "肝炎", "哮喘", "喘息", "抑郁", "うつ病", "白血病", "肿瘤", "腫瘍",
    "艾滋",
    "癫痫", "脳卒中", "心梗", "당뇨", "고혈압",
)  # fmt: skip
_WORD: Final = re.compile(r"[^\W_]+")
#: Word → phrases with it: beside one of them a condition is somebody's.
_TRIGGERS: Final = {
    **dict.fromkeys(["suffer", "suffers", "suffered", "suffering"], ("suffer",)),
    **dict.fromkeys(["leide", "leidet", "leiden"], ("leide",)),
    **dict.fromkeys(["souffre", "sufre", "sofre", "soffre"], ("fre d",)),
    **dict.fromkeys(["patient", "patients", "patientin", "patienten", "pt"], ("patient", "pt ")),
    "paciente": ("paciente",),
    "paziente": ("paziente",),
    "tested": ("tested positive",),
    "treated": ("treated for",),
    "infected": ("infected with",),
    "admitted": ("admitted with", "admitted for"),
    "hospitalized": ("hospitalized",),
    "history": ("a history of", "family history", "medical history"),
    "dx": ("dx:", "dx "),
    "pregnant": ("is pregnant", "am pregnant", "'m pregnant", "was pregnant"),
}
#: The same at any place, for scripts that put no space between words or bend them.
_FOREIGN_TRIGGERS: Final = by_lead(
    ("диагноз", "пациент", "страдает", "患有", "得了", "앓", "确诊", "诊断", "診断", "患者", "진단")
)
#: Word → phrases with it: a condition directly behind one of them is somebody's.
_OWNERS: Final = {
    "ai": ("j'ai ", "j ai "),
    **{
        word: (f"{word} ",)
        for word in (
            "my", "his", "her", "have", "has", "had", "got", "mein", "meine", "hat", "habe", "haben", "mon", "ma",
            "mi", "mis", "tengo", "tiene", "tenho", "meu", "minha", "mio", "mia", "ho",
        )
    },
}  # fmt: skip
_TRIGGER_WORDS: Final = frozenset(word.encode() for word in _TRIGGERS)
_OWNER_WORDS: Final = frozenset(word.encode() for word in _OWNERS)
#: What may stand between an owner and a condition.
_ARTICLES: Final = (
    "a ", "an ", "the ", "un ", "une ", "ein ", "eine ", "einen ", "il ", "la ", "le ", "el ", "severe ", "chronic ",
    "acute ", "mild ", "early ", "been ", "got ",
)  # fmt: skip
_HIV: Final = re.compile(r"(?<![a-z])hiv[ \-]?(?:positive|positiv|pos\b|\+)")
#: Words of machines: their trouble is no illness.
_MACHINES: Final = re.compile(
    r"server|build|memory|scheduler|race condition|disk|network|software|keypad|bug\b|code\b|cpu|cluster|engine|-era"
)
_PERSON: Final = re.compile(r"\b(?:i|he|she|they|was|been|were|patient|father|mother|son|daughter|wife|husband|who)\b")
_REACH_BACK: Final = 70
_REACH_ON: Final = 80
#: Places of one trigger that are looked at.
_MOST: Final = 500


def _is_record(number: Candidate) -> bool:
    if not 4 <= number.digits <= 14:  # noqa: PLR2004 - shorter ones are counts
        return False
    before = number.before(32)
    at = _RECORD.end_in(before)
    return at >= 0 and not _NOT_RECORDED.search(before, at) and "." not in number.shape


def _is_code(number: Candidate) -> bool:
    raw = number.raw
    if not _CODE.fullmatch(raw):
        return False
    if "." in raw:
        return _CODED.are_in(number.before(44)) or _CODED.are_in(number.context(0, 32))
    return _NAMED.are_in(number.before(24))


def _is_provider(number: Candidate) -> bool:
    raw = number.raw
    if number.shape != "9999999999" or raw[0] not in "12" or not _NPI.are_in(number.before(36)):
        return False
    return luhn(_NPI_PREFIX + raw)


def luhn(digits: str) -> bool:
    """Check a number by ISO/IEC 7812-1."""
    odd = sum(map(int, digits[-1::-2]))
    return (odd + sum(int(digit) * 2 - 9 * (digit > "4") for digit in digits[-2::-2])) % 10 == 0


def _names_illness(lower: str, start: int, end: int) -> bool:
    """Tell whether a condition is named between two places."""
    for word in _WORD.finditer(lower, start, end):
        at = word.start()
        if lower[at : at + 3] in _BEGINNINGS and lower.startswith(_CONDITIONS, at):
            return True
    window = lower[start:end]
    return not window.isascii() and any(name in window for name in _UNSPACED)


def _places(lower: str, words: Iterable[str], step: int) -> Iterator[tuple[str, int]]:
    """Yield where words stand, with at least `step` characters from one place of a word to the next."""
    for word in words:
        at = lower.find(word)
        for _ in range(_MOST):
            if at < 0:
                break
            yield word, at
            at = lower.find(word, at + step)


def _is_owned(lower: str, end: int) -> bool:
    """Tell whether a condition stands at a place, or behind an article or two."""
    for _ in range(3):
        if lower[end : end + 3] in _BEGINNINGS and lower.startswith(_CONDITIONS, end):
            return True
        if not lower.startswith(_ARTICLES, end):
            return False
        end = lower.index(" ", end) + 1
    return False


def _phrases(seen: Text, words: frozenset[bytes], phrases: Mapping[str, tuple[str, ...]]) -> Iterator[str]:
    return (phrase for word in sorted(words & seen.pieces) for phrase in phrases[word.decode()])


def _is_diagnosis(seen: Text) -> bool:
    lower = seen.lower
    stems = ("diagnos", "diagnós") if b"diagn" in seen.joined else ()
    triggers = dict.fromkeys((*stems, *_phrases(seen, _TRIGGER_WORDS, _TRIGGERS), *written_in(seen, _FOREIGN_TRIGGERS)))
    for _, at in _places(lower, triggers, _REACH_ON):
        start, end = max(0, at - _REACH_BACK), at + _REACH_ON
        told = lower.startswith("diagnosed with", at) and _PERSON.search(lower, start, at)
        if (told or _names_illness(lower, start, end)) and not _MACHINES.search(lower, start, end):
            return True
    for owner, at in _places(lower, _phrases(seen, _OWNER_WORDS, _OWNERS), 1):
        end = at + len(owner)
        if not (at and lower[at - 1].isalnum()) and _is_owned(lower, end):
            return not _MACHINES.search(lower, at, end + _REACH_ON)
    return b"hiv" in seen.pieces and _HIV.search(lower) is not None


def find(seen: Text) -> Iterator[str]:
    """Yield the kinds that are no numbers."""
    if _is_diagnosis(seen):
        yield "diagnosis"


SHAPED: Final[tuple[Shaped, ...]] = ()
OPEN: Final = (
    Open("mrn", _is_record, _RECORD),
    Open("icd10", _is_code, _CODED),
    Open("npi", _is_provider, _NPI),
)
