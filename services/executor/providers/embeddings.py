"""Embeddings, as OpenAI and all who follow it speak them: texts to vectors."""

from __future__ import annotations

import asyncio
import hashlib
import math
from array import array
from collections import OrderedDict
from typing import TYPE_CHECKING, Any, Final

from executor.chat import CallError
from executor.providers.http import post_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    import aiohttp

#: Seconds that one call may take.
TIMEOUT_S: Final = 10.0
#: Characters of a text that are sent: servers refuse what is longer than their model reads, mostly 8192 tokens.
MOST_CHARACTERS: Final = 8_000
#: Numbers of a vector at most; the largest models have 4096.
_MOST_NUMBERS: Final = 8_192
#: Texts whose vectors are kept.
KEPT: Final = 512


class Embeddings:
    """One model on one server with `POST {base_url}/embeddings`. Keeps vectors by their text's digest, never a text."""

    def __init__(
        self,
        client: aiohttp.ClientSession,
        base_url: str,
        model: str,
        key: str | None,
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        """Make an adapter.

        Args:
            client: owned by the caller.
            base_url: up to and including `/v1`, as in the vendor's SDK.
            model: the server's own name of the model.
            key: sent as bearer token.
            timeout_s: seconds that one call may take.
        """
        self._client = client
        self._url = base_url.rstrip("/") + "/embeddings"
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._model = model
        self._timeout_s = timeout_s
        #: The one used last stands last. All have the same length.
        self._kept: OrderedDict[bytes, array[float]] = OrderedDict()

    async def embed(self, texts: Sequence[str]) -> list[list[float]]:
        """Return a vector for each text, all of one length. A very long text stands for its beginning.

        Raises:
            CallError: `timeout`, and else as for a chat; what came is no such vectors: `bad_response`.
        """
        beginnings = [text[:MOST_CHARACTERS] for text in texts]
        digests = [_digest(text) for text in beginnings]
        known = {digest: self._kept[digest] for digest in digests if digest in self._kept}
        missing = {digest: text for digest, text in zip(digests, beginnings, strict=True) if digest not in known}
        if missing:
            fresh = await self._ask(list(missing.values()))
            known |= dict(zip(missing, fresh, strict=True))
        if len({len(vector) for vector in known.values()}) > 1:
            # The server's model became another one; what is kept is of the old one.
            self._kept.clear()
            raise CallError(
                "bad_response", "the vectors differ in length from earlier ones", transient=True, worked=True
            )
        self._keep(known)
        return [list(known[digest]) for digest in digests]

    async def _ask(self, texts: list[str]) -> list[array[float]]:
        body = {"model": self._model, "input": texts, "encoding_format": "float"}
        try:
            async with asyncio.timeout(self._timeout_s):
                answer = await post_json(self._client, self._url, self._headers, body)
        except TimeoutError as error:
            raise CallError("timeout", "the vectors did not come in time", transient=True, worked=True) from error
        return _vectors(answer, len(texts))

    def _keep(self, known: dict[bytes, array[float]]) -> None:
        for digest, vector in known.items():
            self._kept[digest] = vector
            self._kept.move_to_end(digest)
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def _vectors(answer: Any, count: int) -> list[array[float]]:
    """Read an answer's vectors, in the order of what was asked."""
    try:
        entries = {entry["index"]: entry["embedding"] for entry in answer["data"]}
        if len(answer["data"]) != count or set(entries) != set(range(count)):
            raise CallError("bad_response", f"not the {count} vectors that were asked for", worked=True)
        vectors = [_vector(entries[index]) for index in range(count)]
    except (KeyError, TypeError, OverflowError) as error:
        raise CallError("bad_response", "the answer holds no vectors", worked=True) from error
    if len({len(vector) for vector in vectors}) != 1:
        raise CallError("bad_response", "the vectors differ in length", worked=True)
    return vectors


def _vector(values: Any) -> array[float]:
    # array takes an int or a float, and no text; True would be 1.
    if not isinstance(values, list) or not 1 <= len(values) <= _MOST_NUMBERS or bool in map(type, values):
        raise CallError("bad_response", f"a vector is no list of 1 to {_MOST_NUMBERS} numbers", worked=True)
    vector = array("d", values)
    if not all(map(math.isfinite, vector)):
        raise CallError("bad_response", "a vector is not finite", worked=True)
    return vector
