"""What a sentence says in the end: the value that it states, or the few words that it comes down to."""

# ruff: noqa: RUF001 - signs that look alike are what this is about

from __future__ import annotations

import re
from typing import Final

from executor.answers import numerals, quantities
from executor.answers.plain import fold, plain
from executor.answers.quantities import Quantity
from executor.answers.values import REASON, Reading, number, opening, value

_SHORT_WORDS: Final = 6
#: So many words and a stop are a sentence, and no name.
_TOLD_WORDS: Final = 3
_MARKED_WORDS: Final = 10
_COMPLEMENT_WORDS: Final = 5
#: Characters after a number that tell whether it stands for itself.
_LOOK: Final = 30
#: Characters of a longer text's end that are read.
_CONCLUSION: Final = 300
#: Characters of a short answer in a script without spaces.
_SHORT_CJK: Final = 14


#: The mark of a list before an answer, and a Japanese copula after it.
_AROUND: Final = re.compile(r"^[-•] (?=\D)|(?:です|である|でした)$")
_OPTION_LETTER: Final = re.compile(r"\b[A-J]\b")
_CHOSEN: Final = re.compile(
    r"(?:\b(?i:choose|pick|select|option|choice|with) (?:is |(?i:option ))?\(?([A-HJ])\)?(?![\w'])|"
    r"^\(?([A-J])\)? is (?:the )?(?:correct|right|best|true)\b)",
)

_COPULA: Final = re.compile(
    r"\s(?:is|was|are|were|equals|ist|war|sind|lautet|beträgt|est|était|sont|es|era|fue|son|è|é|foi|são)\s+"
)
#: What is followed by an amount.
_HOLDS: Final = re.compile(
    r"\b(?:takes|took|has|had|have|costs?|needs?|lasts?|makes?|made|gets?|got|weighs?|earns?|earned|pays?|paid|sells?|sold|"
    r"spends?|spent|receives?|received|dauert|kostet|braucht|hat|prend|coûte|cuesta|tiene|tarda|costa|ha|leva|tem)\s+"
)
_CJK_COPULA: Final = re.compile(r"[^是は]{1,40}[^不是は](?:是|は)(?P<rest>[^是は]{1,12}?)(?:です|である|でした)?")
_CJK: Final = re.compile("[\u3040-\u30ff\u3400-\u9fff]")
#: Where one of these stands, the words after `is` are not all that is said.
_SUBORDINATE: Final = re.compile(
    r"\b(?:if|when|because|since|that|who|which|but|unless|although|though|while|than|or|not|no|never|none|nobody|n't|"
    r"wenn|weil|dass|nicht|kein|keine|aber|si|que|qui|pas|quand|cuando|porque|pero|non|não|se|mas|ma|perché)\b|n't\b",
    re.IGNORECASE,
)
_BY: Final = re.compile(r"\w+ (?:by|von|par|por|da) (?=[A-Z])")
_REVERSED: Final = re.compile(r"(?:the|der|die|das|le|la|el|il|o)\s", re.IGNORECASE)
_CONTRAST: Final = re.compile(
    r"(?:(?:, (?:and |but )?| and | but )(?:not|nicht|pas|no|não|non)|,? rather than|,? instead of|,? as opposed to) .*"
)
_BOLD: Final = re.compile(r"\*\*([^*\n]{1,120})\*\*")
_SET_OFF: Final = re.compile(r"\s*(\*\*|`)([^*`\n]{1,120})\1")
_CONCLUDES: Final = re.compile(
    r"\W*(?:therefore|thus|hence|so|in total|in conclusion|finally|altogether|overall|consequently|also|daher|somit|"
    r"insgesamt|donc|ainsi|au total|por lo tanto|por tanto|en total|portanto|assim|quindi|dunque|in totale|∴|因此|所以|"
    r"总共|したがって|よって)\b",
    re.IGNORECASE,
)
#: Between sentences; a stop after one or two letters is an abbreviation's.
_SENTENCE: Final = re.compile(r"(?<=[.!?])(?<!\b[^\W\d]\.)(?<!\b[^\W\d]{2}\.)\s+(?=[^\Wa-z])|(?<=[。！？])(?=\w)")
#: Signs of a formula, in which a number is only a part.
_FORMULA: Final = re.compile(r"[\\^_={}<>|√*×/+\[\]]|(?<! )\(|[^\W\d]-?\d|\d[^\W\d]")
#: What makes a number that a line begins with one of several.
_SEVERAL: Final = re.compile(
    r"\s*(?:,|and|or|to|of|till|bis|und|oder|y|o|et|ou|through|-|/)?\s*[-$€£(]*\d|"
    r"[^\d(]*(?:,|\b(?:and|or|plus|und|oder|y|et|ou))\s+[-$€£]?\d"
)
_EQUALS: Final = re.compile(r".*(?<![<>!=])[=≈]", re.DOTALL)


def marked(line: str) -> Reading | None:
    """Read a line that stands after a marker; None when it is prose."""
    text = _AROUND.sub("", plain(line))
    if not text:
        return None
    set_off = _SET_OFF.match(line)
    for candidate in [plain(set_off[2]), *_parts(text)] if set_off else _parts(text):
        if found := value(candidate):
            return found
    if set_off and (found := _few(plain(set_off[2]))):
        return found
    clause = _CONTRAST.sub("", REASON.sub("", text))
    if found := _leading(clause) or _complement(clause):
        return found
    if clause.count(" ") < _MARKED_WORDS and (not _CJK.search(clause) or len(clause) <= 2 * _SHORT_CJK):
        return _only_number(clause) or Reading("short", fold(clause), clause)
    return None


def statement(text: str) -> Reading | None:  # noqa: PLR0911 - a decision list, read top to bottom
    """Read a text of a few words; None when nothing in it is the answer by itself."""
    lines = [line for line in text.split("\n") if line.strip()]
    last = lines[-1] if lines else ""
    whole = plain(text)
    if not whole:
        return Reading("short", text, text) if text else None
    if found := value(whole):
        return found
    if len(lines) > 1 and (found := value(plain(last))):
        return found
    if (bold := _BOLD.findall(last)) and len(bold) == 1 and (found := value(plain(bold[0])) or _few(plain(bold[0]))):
        return found
    if found := opening(lines[0]) or _chosen(last):
        return found
    sentence = plain(_last_sentence(last))
    sentence = _CONTRAST.sub("", sentence)
    if found := _ending(sentence):
        return found
    if (concludes := _CONCLUDES.match(sentence)) and (found := _only_number(sentence[concludes.end() :].lstrip(" ,:"))):
        return found
    if len(lines) == 1 and sentence == _CONTRAST.sub("", whole):
        told = _COPULA.search(sentence) or (
            sentence.count(" ") >= _TOLD_WORDS and last.rstrip("*_ ").endswith((".", "!"))
        )
        return _complement(sentence) or (None if told else _few(sentence))
    return None


def argument(text: str) -> Reading | None:
    """Read the opening yes or no of a longer text, or the value that its last sentence concludes with."""
    first = text.lstrip("*_ ")[:40]
    if found := opening(first):
        return found
    last = text[text.rfind("\n") + 1 :] if "\n" in text else text
    last = last[-_CONCLUSION:]
    if len(last) <= 60 and (found := value(plain(last))):  # noqa: PLR2004 - a line that is nothing but the value
        return found
    sentence = _last_sentence(last)
    concludes = _CONCLUDES.match(sentence)
    if not concludes:
        return _chosen(sentence)
    if (bold := _BOLD.findall(sentence)) and (found := value(plain(bold[-1]))):
        return found
    sentence = _CONTRAST.sub("", plain(sentence[concludes.end() :].lstrip(" ,:")))
    return _ending(sentence) or _chosen(sentence) or _only_number(sentence)


def _parts(text: str) -> list[str]:
    """Return a line, and the line without what it gives as reason or contrast."""
    clause = _CONTRAST.sub("", REASON.sub("", text))
    return [text] if clause == text else [text, clause]


def _chosen(line: str) -> Reading | None:
    """Read which option a sentence chooses."""
    found = list(_CHOSEN.finditer(line)) if _OPTION_LETTER.search(line) else []
    return Reading("choice", found[-1][1] or found[-1][2], line.strip()) if found else None


def _only_number(text: str) -> Reading | None:
    """Read the only number that a sentence states."""
    found = set(numerals.in_text(text))
    if len(found) != 1 or _FORMULA.search(text) or _SUBORDINATE.search(text):
        return None
    (only,) = found
    match = re.search(r"[$€£]?\d", text)
    if match and (exact := quantities.read(text[match.start() :])) and abs(exact.value) == abs(only):
        return Reading("number", exact.key, text, exact)
    return Reading("number", only, text, Quantity(only))


def _leading(text: str) -> Reading | None:
    """Read the number with which a line of words begins: `27 marbles were given to Darla`."""
    found = quantities.leading(text)
    if found is None:
        return None
    quantity, rest = found
    if _SEVERAL.match(rest) or _FORMULA.search(rest[:_LOOK]) or rest[:1] not in {" ", ","}:
        return None
    return Reading("number", quantity.key, text, quantity)


def _ending(sentence: str) -> Reading | None:
    """Read the value with which a sentence ends: after an equals sign, a colon, or `is`."""
    if _EQUALS.match(sentence):
        return number(sentence.replace("≈", "="))
    _, colon, after = sentence.rpartition(": ")
    if colon and (found := value(after)):
        return found
    if _SUBORDINATE.search(sentence):
        return None
    places = list(_COPULA.finditer(sentence))
    if places:
        return value(sentence[places[-1].end() :])
    held = _HOLDS.search(sentence)
    return number(sentence[held.end() :]) if held else None


def _last_sentence(text: str) -> str:
    return _SENTENCE.split(text.strip())[-1]


def _complement(sentence: str) -> Reading | None:
    """Read what a plain sentence says that something is: `The capital of France is Paris`."""
    if match := _CJK_COPULA.fullmatch(sentence):
        return value(match["rest"]) or _few(match["rest"])
    places = list(_COPULA.finditer(sentence))
    if len(places) != 1 or _SUBORDINATE.search(sentence):
        return None
    subject, complement = sentence[: places[0].start()], sentence[places[0].end() :]
    if by := _BY.match(complement):
        complement = complement[by.end() :]
    elif _REVERSED.match(complement) and not re.match(
        r"(?:the|it|this|that|they|der|die|das|le|la|el|il|o)\b", subject, re.IGNORECASE
    ):
        return None  # `Paris is the capital of France`: either side may be the answer
    if complement.count(" ") >= _COMPLEMENT_WORDS:
        return None
    return value(complement) or Reading("short", fold(complement), complement)


def _few(text: str) -> Reading | None:
    """Read a few words that make no sentence."""
    if not text or text.count(" ") >= _SHORT_WORDS or (_CJK.search(text) and len(text) > _SHORT_CJK):
        return None
    return Reading("short", fold(text), text)
