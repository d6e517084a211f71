"""PHI: somebody's health, and the numbers under which it is filed."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from planner.classifier.numbers import Candidate, Open, Shaped
from planner.classifier.words import Words

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.classifier.text import Text

KINDS: Final = ("mrn", "icd10", "npi", "diagnosis")

_RECORD: Final = Words(
    """mrn, mrn#, medical record number, medical record no, medical record #, medical record, health record number,
    patient id, patient no, patient number, patient #, patient_id, patientid, patient identifier, chart number,
    chart no, hospital number, hospital no, patientennummer, patienten-id, patienten-nr, patientennr, fallnummer,
    krankenaktennummer, dossier médical, dossier patient, numéro de patient, ipp, historia clínica,
    historia clinica, nhc, prontuário, prontuario, cartella clinica, patiëntnummer, 病历号, 病案号, 住院号, 門診號,
    カルテ番号, 診察券番号, 患者番号, 患者id, 환자번호, история болезни, медкарт*"""
)
_NOT_RECORDED: Final = re.compile(r"stands for|systems?\b|compared")
_CODE: Final = re.compile(r"[A-TV-Z][0-9][0-9AB](?:\.[0-9A-Z]{1,4})?")
_CODED: Final = Words(
    """icd, icd10, icd-10*, icd-11, cim-10, cim10, cid-10, cid10, cie-10, cie10, dx, diagnosis, diagnoses, diagnosed, diagnose*,
    diagnosi, diagnostic code, diagnóstico, diagnostico, patient, patients, patientin, paciente, medical claim, мкб-10,
    疾病编码, 診断, 诊断, 患者"""
)
#: Of these a code without a point needs one.
_NAMED: Final = Words(
    "icd, icd10, icd-10*, cim-10, cid-10, cie-10, dx, diagnosis code, diagnosecode, мкб-10, 疾病编码"
)
_NPI: Final = Words("npi, national provider identifier, provider identifier")
_NPI_PREFIX: Final = "80840"

_CONDITIONS: Final = tuple(
    re.sub(
        r"\s+",
        " ",
        """diabet,cancer,carcinom,melanom,tumor,tumour,leukemia,leukaemia,lymphom,hypertens,asthma,copd,pneumon,hepatit,
        hiv,aids,covid,tubercul,malaria,sepsis,stroke,infarct,angina,arrhythm,heart disease,heart failure,kidney disease,
        renal failure,cirrhos,crohn,colitis,coeliac,celiac,arthritis,osteopor,lupus,sclerosis,multiple scler,parkinson,
        alzheimer,dementia,epilep,seizure,migraine,depress,anxiety,bipolar,schizo,adhd,autis,ptsd,anorexi,bulimi,
        alcoholism,addiction,obesity,anemia,anaemia,hemophil,thrombos,embolism,aneurysm,syphilis,gonorr,chlamyd,herpes,
        endometrios,psoriasis,eczema,fibromyalg,glaucom,cataract,fracture,concussion,hypothyr,hyperthyr,gout,
        psychos,insomnia,influenza,appendicit,pregnan,miscarriage,als,krebs,bluthochdruck,herzinfarkt,schlaganfall,
        morbus,demenz,depression,lungenentz,hirntumor,sclérose,dépress,asthme,démence,épilep,hypertension,infarctus,
        avc,cáncer,câncer,asma,hipertens,depres,esquizof,esclero,lúpus,infarto,epilepsia,demencia,demência,neumon,
        tumore,cancro,ipertens,sclerosi,diabete,polmonite,диабет,рак,гепатит,астм,гиперт,депресс,эпилеп,инфаркт,
        инсульт,癌,糖尿病,高血压,高血圧,肺炎,肝炎,哮喘,喘息,抑郁,うつ病,白血病,肿瘤,腫瘍,艾滋,癫痫,脳卒中,心梗,당뇨,암""",
    )
    .replace(" ,", ",")
    .replace(", ", ",")
    .split(",")
)
_CONDITION: Final = re.compile(
    "|".join(re.escape(item) if not item.isascii() and item > "\u2e80" else rf"(?<![^\W_]){re.escape(item)}" for item in _CONDITIONS)
)
#: Beside one of these a condition is somebody's.
_TRIGGERS: Final = (
    "diagnos", "diagnós", "диагноз", "确诊", "诊断", "診断", "진단", "suffer", "leidet an", "leide an", "souffre d", "sufre d",
    "sofre d", "soffre di", "tested positive", "patient", "paciente", "患者", "пациент", "medical history",
)  # fmt: skip
_OWNERS: Final = ("my ", "his ", "her ", "i have ", "i've got ", "he has ", "she has ", "he is ", "she is ", "i am ", "mein ", "meine ")
#: Words of machines: their trouble is no illness.
_MACHINES: Final = re.compile(r"server|build|memory|scheduler|race condition|disk|network|software|keypad|bug\b|code\b|cpu|cluster|engine")
_PERSON: Final = re.compile(r"\b(?:i|he|she|they|was|been|were|patient|father|mother|son|daughter|wife|husband|who)\b")
_REACH_BACK: Final = 70
_REACH_ON: Final = 80
#: Places of one trigger that are looked at.
_MOST: Final = 200


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


def _diagnoses(lower: str) -> bool:
    for trigger in _TRIGGERS:
        at = lower.find(trigger)
        for _ in range(_MOST):
            if at < 0:
                break
            start = max(0, at - _REACH_BACK)
            window = lower[start : at + _REACH_ON]
            if _CONDITION.search(window) and not _MACHINES.search(window):
                return True
            if window.startswith("diagnosed with", at - start) and _PERSON.search(window[: at - start]):
                return not _MACHINES.search(window)
            at = lower.find(trigger, at + _REACH_ON)
    for owner in _OWNERS:
        at = lower.find(owner)
        for _ in range(_MOST):
            if at < 0:
                break
            end = at + len(owner)
            if lower.startswith(_CONDITIONS, end) and not (at and lower[at - 1].isalnum()):
                return not _MACHINES.search(lower, at, end + _REACH_ON)
            at = lower.find(owner, end)
    return "hiv-positive" in lower or "hiv positive" in lower


def find(seen: Text) -> Iterator[str]:
    """Yield the kinds that are no numbers."""
    if _diagnoses(seen.lower):
        yield "diagnosis"


SHAPED: Final[tuple[Shaped, ...]] = ()
OPEN: Final = (
    Open("mrn", _is_record, _RECORD),
    Open("icd10", _is_code, _CODED),
    Open("npi", _is_provider, _NPI),
)
