"""Dates as people write them, as ISO 8601; one that can be read in two ways stays both."""

from __future__ import annotations

import re
from datetime import date
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

_MONTHS: Final = {
    name: month
    for month, names in enumerate(
        (
            "january jan januar jänner janvier enero gennaio janeiro",
            "february feb februar février febrero febbraio fevereiro",
            "march mar märz mars marzo março",
            "april apr avril abril aprile",
            "may mai mayo maggio maio",
            "june jun juni juin junio giugno junho",
            "july jul juli juillet julio luglio julho",
            "august aug août agosto",
            "september sep sept septembre septiembre settembre setembro",
            "october oct oktober okt octobre octubre ottobre outubro",
            "november nov novembre noviembre novembro",
            "december dec dezember dez décembre diciembre dicembre dezembro",
        ),
        1,
    )
    for name in names.split()
}
_ORDINAL: Final = r"(?:st|nd|rd|th|er|º|\.)?"
_NAME: Final = r"(?P<{}>[^\W\d_]{{3,10}})\.?"
_FORMS: Final = tuple(
    re.compile(rf"(?<![\w./-]){form}(?![\w/]|[.-]\d)")
    for form in (
        r"(?P<y>\d{4})([-/.])(?P<m>\d{1,2})\2(?P<d>\d{1,2})",
        r"(?P<y>\d{4})年 ?(?P<m>\d{1,2})月 ?(?P<d>\d{1,2})日",
        r"(?P<d>\d{1,2})\.(?P<m>\d{1,2})\.(?P<y>\d{4})",
        r"(?P<one>\d{1,2})([/-])(?P<other>\d{1,2})\2(?P<y>\d{4})",
        rf"(?:the )?(?P<d>\d{{1,2}}){_ORDINAL} (?:of |de |di )?{_NAME.format('name')},?(?: (?:del? )?(?P<y>\d{{4}}))?",
        rf"{_NAME.format('name')} (?:the )?(?P<d>\d{{1,2}}){_ORDINAL}(?:,? (?P<y>\d{{4}}))?",
        rf"{_NAME.format('name')},? (?:de |of )?(?P<y>\d{{4}})",
    )
)
_BEFORE: Final = re.compile(
    r"(?:on |am |le |el |il |em |in )?(?:[^\W\d_]{2,4}\.,? |"
    r"[^\W\d_]{2,8}(?:day|tag|di|nes|tes|les|ves|ado|ngo|woch|erdì|feira),? )?"
    r"(?:the |der |den |dem )?",
    re.IGNORECASE,
)


def read(text: str) -> str | None:
    """Read a text that is a date and nothing else, in plain characters.

    Returns:
        `2024-03-03`, or without what is not said `2024-03` and `--03-03`; `2024-03-04|2024-04-03` for 03/04/2024, where
        nobody can tell day from month. None when it is no date.
    """
    text = text.strip()
    before = _BEFORE.match(text)
    for start in {0, before.end() if before else 0}:
        for form in _FORMS:
            match = form.fullmatch(text, start)
            if match and (found := _of(match)):
                return found
    return None


def in_text(text: str) -> Iterator[tuple[str, int, int]]:
    """Yield the dates of a running text, and where each begins and ends."""
    taken: list[tuple[int, int]] = []
    for form in _FORMS:
        for match in form.finditer(text):
            begin, end = match.span()
            found = _of(match)
            if found and not any(begin < other_end and other_begin < end for other_begin, other_end in taken):
                taken.append((begin, end))
                yield found, begin, end


def _of(match: re.Match[str]) -> str | None:
    parts = match.groupdict()
    year = parts.get("y")
    if "one" in parts:
        readings = {
            _iso(year, int(parts["one"]), int(parts["other"])),
            _iso(year, int(parts["other"]), int(parts["one"])),
        }
        return "|".join(sorted(reading for reading in readings if reading)) or None
    month = _MONTHS.get(parts["name"].lower()) if "name" in parts else int(parts["m"])
    if month is None:
        return None
    if "d" not in parts:
        return f"{int(year or 0):04}-{month:02}"
    return _iso(year, month, int(parts["d"]))


def _iso(year: str | None, month: int, day: int) -> str | None:
    try:
        found = date(int(year) if year else 2000, month, day)  # 2000 has a 29th of February
    except ValueError:
        return None
    return found.isoformat() if year else f"--{found:%m-%d}"
