"""Plain characters: one way to write what Unicode, Markdown and LaTeX write in many."""

# ruff: noqa: RUF001 - signs that look alike are what this is about

from __future__ import annotations

import re
import unicodedata
from typing import Final

_CHARACTERS: Final = {
    **{code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)},  # full-width forms
    **dict.fromkeys(map(ord, "−‒–—﹣⁻"), "-"),
    **dict.fromkeys(map(ord, "\u00a0\u2007\u2009\u200a\u202f\u3000\t"), " "),
    **dict.fromkeys(map(ord, "\u200b\u200e\u200f\u2060\ufeff"), None),
    **dict.fromkeys(map(ord, "‘’ʼ"), "'"),
    **dict.fromkeys(map(ord, "“”„«»「」『』"), '"'),
    **{ord(sign): f"^{digit}" for digit, sign in enumerate("⁰¹²³⁴⁵⁶⁷⁸⁹")},
    **{
        code: f" {top}/{under}"
        for code in (*range(0xBC, 0xBF), *range(0x2150, 0x215F))
        for top, _, under in [unicodedata.normalize("NFKC", chr(code)).partition("⁄")]
    },
    ord("⁄"): "/",
    ord("·"): "*",
    ord("。"): ".",
    ord("、"): ",",
}
_FRACTION: Final = re.compile(r"\\[dt]?frac *(?:\{([^{}]{1,80})\} *\{([^{}]{1,80})\}|(\d) *(\d))")
_WRAPPED: Final = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|it)|mbox|operatorname) *\{([^{}]*)\}")
_LATEX: Final = (
    (re.compile(r"\\(?:left|right|displaystyle|quad|[,;:! \[\]()])"), ""),
    (re.compile(r"\^ ?\{? ?\\circ ?\}?|\\degree"), "°"),
    (re.compile(r"\\(?:times|cdot)\b"), "×"),
    (re.compile(r"\\approx\b"), "≈"),
    (re.compile(r"\\([%$#&_])"), r"\1"),
    (re.compile(r"\{,\}"), ","),
    (re.compile(r"\^ ?\{ ?([-+]?\w+) ?\}"), r"^\1"),
)
#: Marks of emphasis and quotation around an answer.
_DECORATION: Final = " \n\r\t*_`\"'"
#: Marks of a heading or a quotation before it.
_HEADING: Final = re.compile(r"[#>]+ +")
#: One stop at the end; several are no punctuation.
_STOP: Final = re.compile(r"(?<![.,;!])[.,;!]$")
_ARTICLES: Final = frozenset({"the", "a", "an"})
#: Words before a short answer that change nothing, once, at its beginning.
_LEADING: Final = frozenset(
    re.findall(
        r"\S+",
        "in at on by from it its is thats der die das ein eine le la les l un une el los las il lo gli o os um "
        "uma von im am",
    )
)
_WORD: Final = re.compile(r"\w+")
#: What makes a text a formula or a piece of data: there every sign counts.
_SYMBOLIC: Final = re.compile(r"[^\w\s.,;:!?'\"()&-]|\d\s*-|-\s*\d|_|\w[,:;!?]\w|\d\.\d|^-|[.,:;!?'\"-]{2}|[()]{2}")
_INITIALS: Final = re.compile(r"\b(\w)\.(?=\w\b|\s|$)")


def plain(text: str) -> str:
    """Write a short text in plain characters, without decoration and LaTeX; for texts of a line, not of pages."""
    text = text.strip(_DECORATION)
    if heading := _HEADING.match(text):
        text = text[heading.end() :].strip(_DECORATION)
    if not text.isascii():
        text = text.translate(_CHARACTERS)
    if text.count("$") == 2 and text.startswith("$") and not text.startswith("$$") and text.rstrip(". ").endswith("$"):  # noqa: PLR2004 - a pair
        text = text.rstrip(". ")[1:-1]  # a formula's delimiters, no currency
    text = text.replace("$$", "").replace("**", "")
    if "\\" in text or "{" in text:
        text = _FRACTION.sub(lambda match: f" {match[1] or match[3]}/{match[2] or match[4]}", text)
        text = _WRAPPED.sub(r" \1", text)
        for pattern, by in _LATEX:
            text = pattern.sub(by, text)
    return _STOP.sub("", text.strip(_DECORATION)).strip(_DECORATION)


def fold(text: str) -> str:
    """Return what a short plain text is compared by: words without case, accents, articles; all signs of a formula."""
    text = text.strip()
    if _SYMBOLIC.search(text):
        return re.sub(r"\s+", "", text)
    text = _INITIALS.sub(r"\1", text)
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = unicodedata.normalize("NFC", "".join(sign for sign in decomposed if not "\u0300" <= sign <= "\u036f"))
    words = _WORD.findall(bare.replace("n't", " not").replace("'s", "s"))
    kept = [word for word in words if word not in _ARTICLES] or words
    while len(kept) > 1 and kept[0] in _LEADING:
        kept = kept[1:]
    return " ".join(kept) or text
