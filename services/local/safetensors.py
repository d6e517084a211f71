"""A safetensors file, read where it lies: eight bytes of length, a JSON header, then the raw numbers.

https://github.com/huggingface/safetensors, "Format".
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

#: Bytes of a header; the format's own limit.
_MOST_HEADER: Final = 100_000_000
_LENGTH_BYTES: Final = 8


class TensorError(Exception):
    """A file is not what it should be; its text is one line."""


def read(path: Path) -> dict[str, NDArray[np.float32]]:
    """Return the file's float32 tensors by name, mapped into memory and not to be written to; others are left out.

    Raises:
        TensorError: the file is no safetensors file, or is cut.
    """
    try:
        # A plain array over the same memory: np.memmap's own slices cost microseconds each.
        data = np.asarray(np.memmap(path, np.uint8, "r"))
        length = int.from_bytes(data[:_LENGTH_BYTES].tobytes(), "little")
        if len(data) < _LENGTH_BYTES or length > min(_MOST_HEADER, len(data) - _LENGTH_BYTES):
            raise TensorError(f"{path.name} is no safetensors file")
        start = _LENGTH_BYTES + length
        header: dict[str, Any] = json.loads(data[_LENGTH_BYTES:start].tobytes())
        body = data[start:]
        return {
            name: _tensor(body, entry)
            for name, entry in header.items()
            if name != "__metadata__" and entry["dtype"] == "F32"
        }
    except (OSError, ValueError, RecursionError, KeyError, TypeError, AttributeError) as error:
        raise TensorError(f"{path.name} is no safetensors file") from error


def _tensor(body: NDArray[np.uint8], entry: dict[str, Any]) -> NDArray[np.float32]:
    begin, end = entry["data_offsets"]
    if not 0 <= begin <= end <= len(body):  # a slice would be cut in silence
        raise ValueError("a tensor lies outside of the file")
    return body[begin:end].view("<f4").reshape(entry["shape"])
