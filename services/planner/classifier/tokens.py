"""Keys and tokens that are known by how they begin: their issuers give them a prefix, so that they can be found."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from planner.classifier.text import pieces_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from planner.classifier.text import Text

#: Not a secret but the place of one.
_PLACEHOLDER: Final = re.compile(r"x{4}|\.{3}|\*{3}|your|example_|placeholder|redacted|changeme|dummy|^(.)\1*$")
_MIN_DIFFERENT: Final = 6
#: Tokens of one form that are looked at; a text with more of them counts as holding one.
_MOST: Final = 2_000

#: Kind, beginnings that end at a sign, and what follows. Of the publishers' own descriptions.
_SIGNED: Final = (
    ("github_token", "ghp_ gho_ ghu_ ghs_ ghr_", r"[A-Za-z0-9]{30,255}"),
    ("github_token", "github_pat_", r"\w{40,255}"),
    (
        "slack_token",
        "xoxa- xoxb- xoxc- xoxd- xoxe- xoxe.xoxb- xoxe.xoxp- xoxo- xoxp- xoxr- xoxs- xapp-",
        r"[\w\-]{16,255}",
    ),
    ("slack_token", "hooks.slack.com/services/ hooks.slack.com/workflows/", r"[A-Z0-9]{6,16}/[A-Z0-9]{6,16}/\w{16,64}"),
    ("api_key", "sk-", r"[\w\-]{20,200}"),
    ("api_key", "sk_live_ sk_test_ rk_live_ rk_test_ pk_live_ pk_test_", r"[A-Za-z0-9]{16,120}"),
    ("api_key", "whsec_ gsk_ pplx- xai- r8_ hf_ npm_ figd_ ntn_ sbp_ nfp_ rubygems_", r"[A-Za-z0-9+/]{28,120}"),
    ("api_key", "glpat- gldt- glrt- glsa_ glc_ dckr_pat_ pscale_tkn_ NRAK- GOCSPX- sntrys_", r"[\w\-=+/]{20,200}"),
    ("api_key", "SG. hvs. ya29.", r"[\w\-.]{24,400}"),
    ("api_key", "dop_v1_ doo_v1_ dor_v1_ shpat_ shpca_ shppa_ shpss_ lin_api_ sq0atp- sq0csp-", r"[\w\-]{20,120}"),
    ("api_key", "pypi-AgE", r"[\w\-]{50,1000}"),
    ("api_key", "prysm_sk_", r"[A-Za-z0-9]{8,32}_[\w\-]{32,128}"),
    ("private_key", "AGE-SECRET-KEY-", r"1[A-Z0-9]{50,70}"),
)
#: Kind, what stands in a piece of the text in lower case, and the pattern.
_JOINED: Final = (
    ("aws_access_key", b"akia", r"(?<![A-Za-z0-9])AKIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("aws_access_key", b"asia", r"(?<![A-Za-z0-9])ASIA[A-Z0-9]{16}(?![A-Za-z0-9])"),
    ("jwt", b"eyj", r"(?<![\w\-])eyJ[\w\-]{8,4000}\.[\w\-]{8,8000}\.[\w\-]{8,1000}"),
    ("api_key", b"aiza", r"AIza[\w\-]{35}"),
    ("api_key", b"dapi", r"(?<![A-Za-z0-9])dapi[0-9a-f]{32}"),
    ("api_key", b"atatt3", r"ATATT3[\w\-=]{50,300}"),
    ("api_key", b"ltai", r"(?<![A-Za-z0-9])LTAI[A-Za-z0-9]{16,30}(?![A-Za-z0-9])"),
)
#: Kind, a piece of the text, and the pattern.
_HEADED: Final = (
    ("private_key", b"private", r"-----BEGIN (?:[A-Z]{2,9} )?PRIVATE KEY(?: BLOCK)?-----"),
    ("private_key", b"putty", r"PuTTY-User-Key-File-[23]:[^\n]{1,60}\n"),
)
#: Of forms without a beginning: a bot of Telegram, a secret of Microsoft's Entra.
_BOT: Final = re.compile(r":AA[\w\-]{32,34}(?![\w\-])")
_ENTRA: Final = re.compile(r"[0-9]Q~[\w\-.~]{31,34}(?![\w\-])")

_Rule = tuple[str, bytes, re.Pattern[str]]


def _signed() -> Iterator[_Rule]:
    for kind, marks, rest in _SIGNED:
        for mark in marks.split():
            # What is joined to a value can't be told from it; to end with a sign is what makes a piece of the head.
            head = pieces_of(mark)[0]
            alone = "" if mark[0] in "gx" else r"(?<![A-Za-z0-9])"
            yield kind, head, re.compile(alone + re.escape(mark) + rest)


_BY_PIECE: Final[dict[bytes, tuple[_Rule, ...]]] = {}
for _rule in (*_signed(), *((kind, piece, re.compile(pattern)) for kind, piece, pattern in _HEADED)):
    _BY_PIECE[_rule[1]] = (*_BY_PIECE.get(_rule[1], ()), _rule)
_BY_PART: Final = tuple((kind, part, re.compile(pattern)) for kind, part, pattern in _JOINED)


def real(value: str) -> bool:
    """Tell whether a token is more than the place of one."""
    return not _PLACEHOLDER.search(value.lower()) and len(set(value)) >= _MIN_DIFFERENT


def _is_in(text: str, kind: str, pattern: re.Pattern[str]) -> bool:
    for number, token in enumerate(pattern.finditer(text)):
        if kind in {"private_key", "jwt"} or real(token.group()[4:]) or number > _MOST:
            return True
    return False


def find(seen: Text) -> Iterator[str]:
    """Yield the kinds of the tokens in a text; some of them more than once."""
    for piece in sorted(_BY_PIECE.keys() & seen.pieces):
        for kind, _, pattern in _BY_PIECE[piece]:
            if _is_in(seen.text, kind, pattern):
                yield kind
    for kind, part, pattern in _BY_PART:
        if part in seen.joined and _is_in(seen.text, kind, pattern):
            yield kind
    if "~" in seen.text and _is_in(seen.text, "api_key", _ENTRA):
        yield "api_key"
    if ":AA" in seen.text and _is_in(seen.text, "api_key", _BOT):
        yield "api_key"
