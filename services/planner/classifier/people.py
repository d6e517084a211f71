"""Words by which a text speaks of a person: data of planner.classifier.diagnosis."""

from __future__ import annotations

import re
from typing import Final

from planner.classifier.words import by_lead

SOMEBODY: Final = re.compile(
    r"\b(?:mr|mrs|ms|miss|herr|frau|mme|sr|sra|pt|patient|he|she|his|her|my|i|\d{1,3} ?(?:yo|y/o|m|f|year[ -]old))\b"
)
PERSON: Final = re.compile(r"\b(?:i|he|she|they|was|been|were|patient|father|mother|son|daughter|wife|husband|who)\b")
#: Who it is, behind `my` or `his`: a relative, or somebody of somebody's.
KIN: Final = re.compile(
    r"(?:late |little |older |younger |best |ex-?|own )?(?:mother|father|mom|mum|mommy|dad|daddy|son|daughter|wife"
    r"|husband|brother|sister|grand\w{2,6}|uncle|aunt|cousin|niece|nephew|child|kid|baby|partner|boyfriend|girlfriend|friend"
    r"|boss|colleague|coworker|co-worker|employee|client|neighbou?r|roommate|toddler|mutter|vater|sohn|tochter|frau|mann"
    r"|bruder|schwester|oma|opa|kind|mère|père|fils|fille|femme|mari|frère|sœur|soeur|madre|padre|hijo|hija|esposa"
    r"|esposo|marido|hermano|hermana|figlio|figlia|moglie|marito|fratello|sorella|nonn[oa]|mãe|pai|filh[oa]|irmã|irmão"
    r"|avó|avô|moeder|vader|zoon|dochter|vrouw|отца|отец|матери|мать|мама|мамы|папа|сына|сын|дочери|дочь|жены|жена"
    r"|мужа|муж|брата|брат|сестры|сестра|бабушки|бабушка)\b"
)
KIN_OWNERS: Final = frozenset(
    """my his her our mein meine meiner meinem mon ma mi mio mia meu minha mijn моего моей мой моя""".split()  # noqa: SIM905 - a table
)
FOREIGN_OWNERS: Final = by_lead(("моего ", "моей ", "мой ", "моя "))
#: Who has it: the word in front of `have`.
SUBJECTS: Final = re.compile(r"(?<![^\W_])(?:i|he|she)(?: (?:just|also|now|recently|probably|still))? $")
HAVING: Final = frozenset({"have", "has", "had", "got"})
#: A piece of a text, the word for an age that it stands for, and what stands in front of that.
AGES: Final = {
    b"old": "old", b"yo": "yo", b"y": "y/o", b"hrige": "jährige", b"hriger": "jährige", b"ans": "ans ", b"os": "años",
    b"anni": "anni", b"anos": "anos",
}  # fmt: skip
AGED: Final = re.compile(r"\d(?:[ \-]?(?:year|yr|month|week)s?)?[ \-]?$")
#: Between a person and an illness these say that it is only spoken of.
SPOKEN_OF: Final = re.compile(
    r"\b(?:about|essay|paper|article|book|story|research\w*|study|studies|studying|stud(?:ied|ent)|writ\w+|wrote|read\w*"
    r"|explain|learn\w*|lecture|teach\w*|professor|homework|quiz|exam|question|wonder\w*|curious|doctor for|risk of"
    r"|prevent\w*|avoid\w*|afraid|worr\w+|sure if|not|no|never|against|vaccin\w+|data|dataset|model|app"
    r"|works?|working|interested)\b|[.?!;\n]"
)
