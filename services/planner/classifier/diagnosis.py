"""Somebody's illness: an illness, drug or finding is named, and it is said to be a person's."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from planner.classifier import illnesses, people
from planner.classifier.words import by_lead, written_in

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from planner.classifier.text import Text

#: Word → phrases with it: an illness beside one of them is somebody's.
_TRIGGERS: Final = {
    **dict.fromkeys(["suffer", "suffers", "suffered", "suffering"], ("suffer",)),
    **dict.fromkeys(["leide", "leidet", "leiden"], ("leide",)),
    **dict.fromkeys(["souffre", "sufre", "sofre", "soffre"], ("fre d",)),
    **dict.fromkeys(["souffrez", "sufro", "sofro", "soffro"], ("frez d", "fro d")),
    **dict.fromkeys(["padece", "padezco"], ("padece", "padezco")),
    **dict.fromkeys(["atteint", "atteinte"], ("atteint",)),
    **dict.fromkeys(["patient", "patientin", "pt"], ("patient", "pt ")),
    **dict.fromkeys(["erkrankt", "festgestellt", "operiert"], ("erkrankt", "festgestellt", "operiert")),
    **dict.fromkeys(["malato", "malata"], ("malato di", "malata di")),
    "paciente": ("paciente",),
    "paziente": ("paziente",),
    "tested": ("tested positive",),
    "treated": ("treated for",),
    "infected": ("infected with",),
    "admitted": ("admitted with", "admitted for"),
    "hospitalized": ("hospitalized",),
    "hospitalised": ("hospitalised",),
    "history": ("a history of", "family history", "medical history"),
    "dx": ("dx:", "dx "),
    "hx": ("hx of", "hx:"),
    "pregnant": ("is pregnant", "am pregnant", "'m pregnant", "was pregnant"),
    "someone": ("as someone with", "as someone who has"),
    "living": ("i am living with", "i'm living with", "been living with", "is living with"),
    "died": ("died of", "died from"),
    "survivor": ("survivor",),
}
#: The same at any place, for scripts that put no space between words or bend them.
_FOREIGN_TRIGGERS: Final = by_lead(
    (
        "диагноз", "пациент", "страда", "\u0443 меня", "\u0443 него", "\u0443 неё", "\u0443 нее",
        "болен ", "больна ", "болеет",
        "患有", "患上", "得了", "我有", "确诊", "诊断", "診断", "患者", "앓", "진단", "환자",
        "تشخيص", "مريض", "مصاب", "أعاني", "يعاني", "निदान", "मरीज", "रोगी", "पीड़ित",
    )
)  # fmt: skip
#: Words of a clinic: an illness beside one of them is somebody's where somebody is named, too.
_CLINIC: Final = {
    word: (word,)
    for word in (
        "biopsy", "mri", "assessment", "discharge", "ecg", "ekg", "pathology", "radiology", "ward", "icu", "labs",
        "consult", "underwent", "surgery", "exam", "befund", "entlassung", "referral",
    )
}  # fmt: skip
_NAMED: Final = re.compile(r"\b(?:for|of|on) [A-Z][a-z]{1,20} [A-Z][a-z]{1,20}")
#: Word → phrases with it: an illness directly behind one of them is somebody's.
_OWNERS: Final = {
    "ai": ("j'ai ", "j ai "),
    "m": ("i'm ",),
    "am": ("i am ",),
    **{
        word: (f"{word} ",)
        for word in (
            "my", "his", "her", "have", "has", "had", "got", "mein", "meine", "hat", "habe", "haben", "mon", "ma",
            "mi", "mis", "our", "meiner", "meinem", "mijn", "tengo", "tiene", "ha", "tenho", "tem", "meu", "minha",
            "mio", "mia", "ho",
        )
    },
}  # fmt: skip
#: What may stand between an owner and an illness.
_BETWEEN: Final = tuple(
    f"{word} "
    for word in """a an the un une ein eine einen il la le el severe chronic acute mild early been got type stage 1 2
    ii iii iv terminal advanced late newly recently mother's father's mom's mum's dad's son's daughter's wife's
    husband's brother's sister's child's baby's partner's friend's""".split()  # noqa: SIM905 - a table
)
_HIV: Final = re.compile(r"(?<![a-z])hiv[ \-]?(?:positive|positiv|pos\b|\+)")
#: Words of machines: their trouble is no illness.
_MACHINES: Final = re.compile(
    r"server|build|memory|scheduler|race condition|disk|network|software|keypad|bug\b|code\b|cpu|cluster|engine|-era"
)
#: What says in front of a drug that somebody takes it, and behind it how much.
_TAKES: Final = re.compile(
    r"(?:\b(?:i|he|she|we|patient|pt|mother|father|mom|mum|dad|son|daughter|wife|husband|and|who)"
    r" (?:also |now |currently |still )?(?:take|takes|took)"
    r"|(?:\bam|\bis|\bwas|'m|'s|\bbeen|\bwere|\bput|[,;]|\band|\bstart|\bstarted|\bcontinue|\bcontinued)"
    r"(?: (?:back|now|currently))? (?:on|taking|prescribed|given)"
    r"|\bprescribed(?: me| him| her| the patient)?|\brx:?|\bstart(?:ed)?|\bcontinued?|\btreated with|\ballergic to"
    r"|\bnehme|\bnimmt|\btomo|\btoma|\bprendo|\bprende|\bprends|\bprend|\bprescrito|\bprescrit|\bverordnet)"
    r"(?: [a-z0-9.]{1,12}){0,3} $"
)
_DOSE: Final = re.compile(r"[^\d\n]{0,12}\d[\d.,]{0,6} ?(?:mg|mcg|µg|ug|g|ml|units?|iu|ie)\b")
_VALUE: Final = re.compile(r"[^\d\n]{0,14}\d")
_REACH_BACK: Final = 70
_REACH_ON: Final = 80
#: From a person to the end of the illness's name.
_REACH_SAID: Final = 56
_REACH_SUBJECT: Final = 20
#: Places of one word that are looked at.
_MOST: Final = 500


def _places(lower: str, words: Iterable[str], step: int) -> Iterator[tuple[str, int]]:
    """Yield where words stand, with at least `step` characters from one place of a word to the next."""
    for word in words:
        at = lower.find(word)
        for _ in range(_MOST):
            if at < 0:
                break
            yield word, at
            at = lower.find(word, at + step)


def _phrases(seen: Text, phrases: Mapping[str, tuple[str, ...]], words: frozenset[bytes]) -> Iterator[str]:
    return (phrase for word in sorted(words & seen.pieces) for phrase in phrases[word.decode()])


def _pieces(table: Iterable[str]) -> frozenset[bytes]:
    return frozenset(word.encode() for word in table)


_TRIGGER_WORDS: Final = _pieces(_TRIGGERS)
_CLINIC_WORDS: Final = _pieces(_CLINIC)
_OWNER_WORDS: Final = _pieces(_OWNERS)


def _is_told(seen: Text) -> bool:
    """Tell whether an illness stands beside what makes it somebody's."""
    stems = ("diagnos", "diagnós") if b"diagn" in seen.joined else ()
    phrases = _phrases(seen, _TRIGGERS, _TRIGGER_WORDS)
    triggers = tuple(dict.fromkeys((*stems, *phrases, *written_in(seen, _FOREIGN_TRIGGERS))))
    # Only then: it takes time in scripts beyond Latin.
    lower = seen.lower if triggers else ""
    for trigger, at in _places(lower, triggers, _REACH_ON):
        start, end = max(0, at - _REACH_BACK), at + _REACH_ON
        if trigger == "patient" and lower.startswith("s ", at + len(trigger)):
            continue  # not one but many: a study
        told = lower.startswith("diagnosed with", at) and people.PERSON.search(lower, start, at)
        if (told or illnesses.are_named(lower, start, end)) and not _MACHINES.search(lower, start, end):
            return True
    return False


def _is_reported(seen: Text) -> bool:
    """Tell whether an illness stands beside a word of a clinic and a person."""
    words = tuple(_phrases(seen, _CLINIC, _CLINIC_WORDS))
    for _, at in _places(seen.lower if words else "", words, _REACH_ON):
        start, end = max(0, at - _REACH_BACK), at + _REACH_ON
        if illnesses.are_named(seen.lower, start, end) and (
            people.SOMEBODY.search(seen.lower, start, end) or _NAMED.search(seen.text, start, end)
        ):
            return not _MACHINES.search(seen.lower, start, end)
    return False


def _is_owned(seen: Text) -> bool:
    """Tell whether an illness stands behind a word of having: an article or two later, or a relative."""
    words = (*_phrases(seen, _OWNERS, _OWNER_WORDS), *written_in(seen, people.FOREIGN_OWNERS))
    lower = seen.lower if words else ""
    for owner, at in _places(lower, words, 1):
        end, word = at + len(owner), owner.strip()
        if at and lower[at - 1].isalnum():
            continue
        if _stands_at(seen, end):
            return True
        kin = people.KIN.match(lower, end) if word in people.KIN_OWNERS else None
        if kin and _follows(seen, kin.end()):
            return True
        if word in people.HAVING and people.SUBJECTS.search(seen.before(at, _REACH_SUBJECT)) and _follows(seen, end):
            return True
    return False


def _stands_at(seen: Text, end: int) -> bool:
    """Tell whether an illness stands at a place, or behind an article or two."""
    lower, begin = seen.lower, end
    for _ in range(5):
        if illnesses.is_named_at(lower, end):
            return not _MACHINES.search(lower, begin, end + _REACH_ON)
        if lower.startswith("l'", end):
            end += 2
        elif lower.startswith(_BETWEEN, end):
            end = lower.index(" ", end) + 1
        else:
            return False
    return False


def _follows(seen: Text, end: int) -> bool:
    """Tell whether an illness follows within a sentence that does not only speak of it."""
    stop = people.SPOKEN_OF.search(seen.lower, end, end + _REACH_SAID)
    named = illnesses.are_named(seen.lower, end, stop.start() if stop else end + _REACH_SAID)
    return named and not _MACHINES.search(seen.lower, end, end + _REACH_ON)


def _is_aged(seen: Text) -> bool:
    """Tell whether an illness follows somebody's age."""
    words = dict.fromkeys(people.AGES[piece] for piece in sorted(people.AGES.keys() & seen.pieces))
    return any(
        people.AGED.search(seen.before(at, 12)) and _follows(seen, at + len(word))
        for word, at in _places(seen.lower if words else "", words, _REACH_ON)
    )


def _is_taken(seen: Text) -> bool:
    """Tell whether somebody takes a drug."""
    drugs = [word.decode() for word in sorted(illnesses.DRUGS & seen.pieces)]
    for drug, at in _places(seen.lower if drugs else "", drugs, _REACH_ON):
        before, end = seen.before(at, _REACH_BACK), at + len(drug)
        if _TAKES.search(before):
            return True
        if _DOSE.match(seen.lower, end) and people.SOMEBODY.search(before):
            return True
    return False


def _is_measured(seen: Text) -> bool:
    """Tell whether something is measured in somebody."""
    words = [word.decode() for word in sorted(illnesses.FINDINGS & seen.pieces)]
    for word, at in _places(seen.lower if words else "", words, _REACH_ON):
        end = at + len(word)
        if _VALUE.match(seen.lower, end) and people.SOMEBODY.search(
            seen.lower, max(0, at - _REACH_BACK), end + _REACH_ON
        ):
            return True
    return False


def is_in(seen: Text) -> bool:
    """Tell whether a text says that somebody is ill."""
    return (
        _is_told(seen)
        or _is_owned(seen)
        or _is_aged(seen)
        or _is_reported(seen)
        or _is_taken(seen)
        or _is_measured(seen)
        or (b"hiv" in seen.pieces and _HIV.search(seen.lower) is not None)
    )
