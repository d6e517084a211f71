"""What a prompt looks like: task, shape and stakes, from patterns alone. Pure and linear in the prompt's length."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

#: Characters that are looked at: signals stand at the front or the end of a long prompt.
_WINDOW: Final = 4_000
_TRIVIAL_WORDS: Final = 12
_SHORT_WORDS: Final = 40
_LONG_WORDS: Final = 600


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(r"(?<!\w)(?:" + "|".join(alternatives) + r")(?!\w)", re.IGNORECASE)


#: Task → what gives it away; the first that matches wins.
_TASKS: Final = {
    "code": re.compile(
        r"```|\bdef \w+\(|\bclass \w+[:({]|#include\b|\bSELECT\b.+\bFROM\b|=>\s*\{"
        r"|(?<!\w)(?:python|javascript|typescript|rust|golang|java|c\+\+|sql|bash|regex|unit test|stack ?trace|compile"
        r"|refactor|debug|function that|algorithm|api endpoint|programm?(?:ier|a)?)(?!\w)",
        re.IGNORECASE | re.MULTILINE,
    ),
    "math": re.compile(
        r"\d\s*[-+*/^\u00d7÷=]\s*\d|\\frac|\\int|√|∑|∫|\b\d+ ?%"
        r"|(?<!\w)(?:solve|equations?|integral|derivative|prove that|probability|how many|how much|sum of|product of"
        r"|square root|percent(?:age)?|average|remainder|triangle|polynomial|factorial)(?!\w)",
        re.IGNORECASE,
    ),
    "translation": _words(
        "translate", "translation", "übersetze", "tradui[sr]e?", "traduce", "traduzir", "翻译", "翻訳"
    ),
    "creative": _words(
        "write (?:me )?an? (?:short )?(?:poem|story|song|haiku|limerick|slogan|tagline|speech|letter|scene|joke)",
        "poem", "haiku", "brainstorm", "slogan", "schreibe ein gedicht", "écris un poème", "escribe un poema",
    ),
    "extraction": _words(
        "summari[sz]e", "summary", "tl;?dr", "extract", "classify", "rewrite", "paraphrase", "list all", "key points",
        "fasse .{0,40}zusammen", "résume", "resume", "resumir",
    ),
    "factual": _words(
        "who", "when", "where", "which", "what(?:'s| is| are| was| were)?", "capital of", "wer", "wann", "wo", "qui",
        "quand", "où", "quién", "cuándo", "dónde", "quem", "quando",
    ),
    "reasoning": _words(
        "why", "how", "explain", "compare", "analy[sz]e", "evaluate", "argue", "trade-?offs?", "implications?",
        "difference between", "pros and cons", "should", "warum", "erkläre", "pourquoi", "explique", "por qué",
    ),
}  # fmt: skip

_CHOICE: Final = re.compile(r"(?:^|\s)\(?[A-D][).:]\s+\S.*(?:\s)\(?[B-E][).:]\s+\S", re.DOTALL)
_YES_NO: Final = _words(
    "yes or no", "true or false", "answer with (?:only )?(?:the )?(?:number|letter|yes|no)", "ja oder nein"
)
_CONTESTED: Final = _words(
    "should (?:we|i|you|they|the|governments?|companies|a)", "is it (?:right|wrong|better|worth|ethical|moral)",
    "best", "better", "worth it", "opinion", "ethic(?:al|s)?", "moral(?:ity|ly)?", "controvers\\w+", "debate",
    "pros and cons", "for or against", "recommend", "sollte", "devrait", "debería",
)  # fmt: skip
_JOINS: Final = _words(
    "and also", "and then", "as well as", "after that", "additionally", "then also", "finally", "außerdem", "et aussi",
)  # fmt: skip
_STEPS: Final = re.compile(r"^\s*(?:\d+[.)]|[-*•])\s+\S", re.MULTILINE)
_GREETING: Final = re.compile(
    r"\s*(?:hi|hello|hey|thanks|thank you|good (?:morning|evening)|hallo|bonjour|hola|olá|ciao)\b.{0,40}",
    re.IGNORECASE | re.DOTALL,
)


@dataclass(frozen=True)
class Signals:
    """What fired."""

    task: str
    #: Short and of one step: more models would agree or be noise.
    trivial: bool
    #: Several questions or tasks in one prompt.
    compound: bool
    #: The answer is short and can be compared: a number, a letter, yes or no.
    checkable: bool
    #: People of good will disagree.
    contested: bool
    #: More than 600 words.
    long: bool

    def names(self) -> tuple[str, ...]:
        """Return the task and the signals that fired, in a fixed order."""
        flags = ("trivial", "compound", "checkable", "contested", "long")
        return (self.task, *(flag for flag in flags if getattr(self, flag)))


def detect(text: str) -> Signals:
    """Read the signals of the last user message."""
    words = len(text.split())
    seen = text if len(text) <= 2 * _WINDOW else text[:_WINDOW] + "\n" + text[-_WINDOW:]
    task = next((name for name, pattern in _TASKS.items() if pattern.search(seen)), "general")
    questions = seen.count("?") + seen.count("？")  # noqa: RUF001 - the full-width one, too
    compound = task != "code" and (
        questions > 1 or len(_STEPS.findall(seen)) > 1 or (words > _TRIVIAL_WORDS and bool(_JOINS.search(seen)))
    )
    contested = bool(_CONTESTED.search(seen)) and task not in {"code", "math", "translation", "extraction"}
    checkable = bool(_CHOICE.search(seen) or _YES_NO.search(seen)) or (task == "math" and not compound)
    short = words <= _TRIVIAL_WORDS and not compound and not contested
    simple = task == "factual" or (task == "math" and words <= _TRIVIAL_WORDS // 2) or bool(_GREETING.fullmatch(seen))
    return Signals(
        task=task,
        trivial=short and simple,
        compound=compound,
        checkable=checkable,
        contested=contested,
        long=words > _LONG_WORDS,
    )
