"""What a text holds that not everybody may read: personal, health, financial data, secrets.

Patterns, key words and check digits; nothing leaves the process, and nothing that matched is ever returned, logged or
raised: the answer is kinds. Deterministic, and linear in the text's length.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from planner.classifier import financial, numbers, phi, phones, pii, secrets
from planner.classifier.text import Text

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Class → its kinds, in the contract's order.
CLASSES: Final = {
    "PII": pii.KINDS,
    "PHI": phi.KINDS,
    "FINANCIAL": financial.KINDS,
    "SECRETS": secrets.KINDS,
}
_TABLE: Final = numbers.Table((*pii.SHAPED, *phi.SHAPED, *financial.SHAPED))
_OPEN: Final = (*pii.OPEN, *phi.OPEN, *financial.OPEN)


def classify(texts: Iterable[str]) -> Mapping[str, tuple[str, ...]]:
    """Return the classes that texts hold, each with its kinds; an empty mapping when there is nothing."""
    found: set[str] = set()
    for text in texts:
        seen = Text.of(text)
        found |= numbers.find(seen, _TABLE, _OPEN, phones.OTHER)
        found.update(pii.find(seen), phi.find(seen), financial.find(seen), secrets.find(seen))
    return {name: held for name, kinds in CLASSES.items() if (held := tuple(kind for kind in kinds if kind in found))}
