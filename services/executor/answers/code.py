"""Code as its tokens: without comments, blank lines and the width of its indentation."""

from __future__ import annotations

import re
from typing import Final

# Every alternative ends somewhere, closed or not, so that no part of a text is read twice.
_TOKEN: Final = re.compile(
    r"(?P<block>/\*(?:.*?\*/|.*))|(?P<slashes>//[^\n]*)|(?P<hash>#[^\n]*)|(?P<dashes>--[^\n]*)|"
    r'(?P<string>"""(?:.*?"""|.*)|\'\'\'(?:.*?\'\'\'|.*)|"(?:\\.|[^"\\\n])*"?|\'(?:\\.|[^\'\\\n])*\'?)|'
    r"(?P<line>\n[ \t]*)|\w+|[^\w\s]",
    re.DOTALL,
)
_BEGINS: Final = re.compile(
    r"\s*(?:#!|#include\b|@\w+|(?:async )?def \w+ ?\(|class \w+.*[:{]|import \w+|from [\w.]+ import |"
    r"(?:export |async )*function\b|(?:const|let|var) \w+ ?=|(?:pub )?fn \w+|func \w+|package \w+|using \w+|"
    r"(?:public|private|static) \w+|SELECT\b.*\bFROM\b|CREATE TABLE\b|INSERT INTO\b|<\?php|<!DOCTYPE)"
)
#: A language whose lines and indentation mean something, and whose comments begin with a hash.
_INDENTED: Final = re.compile(
    r"^\s*(?:(?:async )?def |class \w+.*:\s*$|import |from |(?:if|for|while|elif|else|try|with)\b.*:\s*$)", re.MULTILINE
)
_HASHED: Final = frozenset(
    {"python", "py", "bash", "sh", "shell", "ruby", "rb", "yaml", "r", "perl", "toml", "makefile"}
)
_DASHED: Final = frozenset({"sql", "lua", "haskell", "hs"})
#: What is fenced but no code: what a program prints, or prose.
PROSE: Final = frozenset({"text", "txt", "plaintext", "output", "console", "markdown", "md"})


def looks_like(text: str) -> bool:
    """Tell whether a text that nobody fenced begins as code does."""
    return _BEGINS.match(text[:400]) is not None


def tokens(text: str, language: str = "") -> tuple[str, ...]:
    """Return the tokens of a piece of code; of an indented language also where lines begin, and how deep."""
    language = language.lower()
    indented = language in {"python", "py", "yaml"} or (not language and _INDENTED.search(text) is not None)
    hashed = indented or language in _HASHED
    dashed = language in _DASHED or text.lstrip()[:6].upper() in {"SELECT", "CREATE", "INSERT", "UPDATE", "DELETE"}
    found: list[str] = []
    depths = [0]
    opened = 0
    for match in _TOKEN.finditer("\n" + text):
        token, kind = match[0], match.lastgroup
        if (
            (kind == "hash" and hashed)
            or (kind in {"block", "slashes"} and not hashed)
            or (kind == "dashes" and dashed)
        ):
            continue
        if kind in {"hash", "block", "slashes", "dashes"}:
            found.extend(re.findall(r"\w+|[^\w\s]", token))
        elif kind == "string":
            found.append('"' + token.strip("\"'"))
        elif kind != "line":
            opened += (match[0] in "([{") - (match[0] in ")]}")
            found.append(token)
        elif indented and opened <= 0:
            _begin_line(found, depths, len(token.expandtabs(4)) - 1)
    while found and found[-1].startswith("\n"):
        found.pop()
    return tuple(found)


def _begin_line(found: list[str], depths: list[int], width: int) -> None:
    """Note a line's depth, as the number of lines that enclose it; of blank lines only the last one stays."""
    if found and found[-1].startswith("\n"):
        found.pop()
    while width < depths[-1]:
        depths.pop()
    if width > depths[-1]:
        depths.append(width)
    found.append("\n" * len(depths))
