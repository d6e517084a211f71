"""The language of a prompt, as an ISO 639-1 code: by its script, then by its small words."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping
    from collections.abc import Set as AbstractSet

#: Characters that are looked at: what is asked stands at the front; what is carried along may be in any language.
_SAMPLE: Final = 240
#: A script speaks for the prompt when it has a letter for so many Latin ones: names and code are Latin everywhere.
_LATIN_PER_LETTER: Final = 2

_LATIN: Final = re.compile("[A-Za-z]")
#: Greek and all that stands behind it: not Latin, nor punctuation.
_NOT_LATIN: Final = re.compile("[\u0370-\u1fff\u3040-\ud7af]")
_OTHERS: Final = re.compile(
    "(?P<zh>[\u3040-\u30ff\u3400-\u9fff]+)|(?P<ko>[\u1100-\u11ff\uac00-\ud7af]+)|(?P<ru>[\u0400-\u04ff]+)"
    "|(?P<ar>[\u0620-\u06ff]+)|(?P<hi>[\u0900-\u097f]+)|(?P<el>[\u0370-\u03ff]+)|(?P<he>[\u05d0-\u05ea]+)"
    "|(?P<th>[\u0e00-\u0e7f]+)"
)
#: Languages that share a script → letters that only the other one has, and that other one.
_OWN_LETTERS: Final = {
    "zh": (re.compile("[\u3040-\u30ff]"), "ja"),
    "ru": (re.compile("[\u0404\u0406\u0407\u0454\u0456\u0457\u0490\u0491]"), "uk"),
    "ar": (re.compile("[\u067e\u0686\u0698\u06af]"), "fa"),
}

#: Language → words that are frequent in it, and how its prompts begin; no letter that a formula may have.
_SMALL_WORDS: Final = {
    "en": """
        the of and to is are was what who how why when where which this that with for from it does do did can
        you my an in on at by or not your should would write me hello hi hey thanks please has have will one
        true than better times explain compare calculate solve prove fix good find select give tell year name a
        over implement describe""",
    "de": """
        der die das und ist sind war was wer wie warum wann wo welche welcher dieser diese mit für von zu den
        dem des ein eine einen im in auf bei oder nicht ich du man mir es schreibe schreib bitte hallo danke
        guten sollte sollten über kann hat haben wird aus nach viele hoch erkläre übersetze berechne vergleiche
        fasse""",
    "fr": """
        le la les et est sont était que qui quoi comment pourquoi quand où quel quelle quels ce cette avec pour
        de du des un une dans sur par ou ne pas je tu il elle on au aux écris bonjour merci faut devrait trouve
        en combien font explique résume résous traduis calcule réponds a à entre""",
    "es": """
        el la los las es son era que qué quién cómo cuándo dónde cuál este esta con para de del un una en por no
        yo tú se al su escribe hola gracias debería sobre hay si más esto eso mi tu buenos buenas explica resume
        traduce calcula compara responde cuánto cuántas a entre""",
    "it": """
        il lo la gli le sono era che chi come perché quando dove quale questo questa con per di del della dei un
        una in su da non io tu si al scrivi ciao grazie dovrebbe ha cosa nel nella sul sui sulla spiega calcola
        risolvi a e è""",
    "pt": """
        os as são era que bom boa dia quem como porque por quando onde qual este esta com para de do da dos um
        uma em no na ou não eu você se ao escreve escreva olá obrigado deveria sobre há mais explica explique
        todas todos quanto o a e é entre""",
    "nl": """
        de het een en zijn wat wie hoe waarom wanneer waar welke dit dat met voor van te bij niet ik je er aan
        schrijf hallo bedankt moet over kan heeft naar uit""",
}


def _by_word() -> Mapping[str, tuple[str, ...]]:
    index: dict[str, tuple[str, ...]] = {}
    for language, words in _SMALL_WORDS.items():
        for word in words.split():
            index[word] = (*index.get(word, ()), language)
    return index


_WORDS: Final = _by_word()


def _by_script(sample: str) -> str:
    if not _NOT_LATIN.search(sample):
        return ""
    letters: Counter[str] = Counter()
    for run in _OTHERS.finditer(sample):
        letters[run.lastgroup or ""] += run.end() - run.start()
    if not letters:
        return ""
    # max() takes the first of equals; counts stand in the order in which the scripts were met.
    script = max(letters, key=lambda name: letters[name])
    if letters[script] * _LATIN_PER_LETTER < len(_LATIN.findall(sample)):
        return ""
    own, other = _OWN_LETTERS.get(script, (None, ""))
    return other if own and own.search(sample) else script


def detect(text: str, words: AbstractSet[str]) -> str:
    """Return the language of a text with these words in lower case; empty when it can't be told."""
    if not text.isascii() and (language := _by_script(text[:_SAMPLE])):
        return language
    votes = Counter(language for word in _WORDS.keys() & words for language in _WORDS[word])
    ahead = votes.most_common(2)
    if not ahead or (len(ahead) > 1 and ahead[0][1] == ahead[1][1]):
        return ""
    return ahead[0][0]
