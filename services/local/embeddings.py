"""OpenAI's embeddings: what a request may say, and what an answer looks like."""

from __future__ import annotations

import base64
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from local.chat import ChatError, read_object

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Texts of one request.
MOST_TEXTS: Final = 256
#: `user` says nothing about the answer.
_KNOWN: Final = frozenset({"model", "input", "encoding_format", "user"})
_ENCODINGS: Final = ("float", "base64")


@dataclass(frozen=True)
class Ask:
    """A request, checked."""

    model: str
    #: At least one, none of them empty.
    texts: list[str]
    #: `float`, or `base64`, which OpenAI's own client asks for when its user does not say.
    encoding: str


def parse(raw: bytes) -> Ask:
    """Read the body of a request.

    Raises:
        ChatError: it is no request for embeddings, or asks for what is not offered.
    """
    said = {name: value for name, value in read_object(raw).items() if value is not None}
    model, texts, encoding = said.get("model"), said.get("input"), said.get("encoding_format", "float")
    if not isinstance(model, str):
        raise ChatError(400, "model: must be a model's id")
    for name in said.keys() - _KNOWN:
        raise ChatError(400, f"{name[:64]}: not offered here", "unsupported_parameter")
    if encoding not in _ENCODINGS:
        raise ChatError(400, "encoding_format: must be float or base64")
    if isinstance(texts, str):
        texts = [texts]
    if not isinstance(texts, list) or not all(isinstance(text, str) for text in texts):
        raise ChatError(400, "input: must be a string or a list of strings")
    if not 1 <= len(texts) <= MOST_TEXTS:
        raise ChatError(400, f"input: must be from 1 to {MOST_TEXTS} texts")
    for text in texts:
        if not text:
            raise ChatError(400, "input: must not hold an empty string")
        if not _is_unicode(text):
            raise ChatError(400, "input: must be Unicode text without lone surrogates")
    return Ask(model, texts, encoding)


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def answer(ask: Ask, chunks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Make of the engine's chunks, one a text and in order, what OpenAI's servers answer."""
    pieces = sum(chunk["pieces"] for chunk in chunks)
    encode = _in_base64 if ask.encoding == "base64" else list
    return {
        "object": "list",
        "data": [
            {"object": "embedding", "index": index, "embedding": encode(chunk["vector"])}
            for index, chunk in enumerate(chunks)
        ],
        "model": ask.model,
        "usage": {"prompt_tokens": pieces, "total_tokens": pieces},
    }


def _in_base64(vector: Sequence[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode("ascii")
