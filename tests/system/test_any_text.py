"""Texts that are hard to write down: their bytes are what is proven, and what is no text is refused."""

from __future__ import annotations

import base64
import hashlib
import json
import unicodedata
from typing import TYPE_CHECKING

import aiohttp
import pytest

from proof import trust, verify
from system.upstream import says

if TYPE_CHECKING:
    from system.suite import Suite
    from system.upstream import Upstream

pytestmark = pytest.mark.system

_NFC = unicodedata.normalize("NFC", "Amélie à Zürich, 각")
_TEXTS = {
    "composed": _NFC,
    "decomposed": unicodedata.normalize("NFD", _NFC),
    "right to left": "\u202e\u0645\u0631\u062d\u0628\u202c \u05e9\u05dc\u05d5\u05dd",
    "nothing": "a\u0000b",
    "controls": "".join(map(chr, range(1, 0x20))) + "\u007f\u0085\u2028\u2029\ufeff",
    "no characters": "\ufffe\uffff\U0010ffff",
    "beyond the first plane": "\U0001f600\U0001d538",
    "quotes": '"\\/</script>\u00e9',
}


async def _trusted(suite: Suite) -> trust.Trust:
    async with aiohttp.ClientSession() as client:
        documents = []
        for name in ("jwks.json", "prysm/trusted_root.json"):
            async with client.get(f"{suite.url}/.well-known/{name}") as got:
                documents.append(await got.read())
    return trust.Trust(trust.read_jwks(documents[0]), trust.read_trusted_root(documents[1]))


@pytest.mark.parametrize("name", _TEXTS)
async def test_a_proof_is_of_the_bytes_of_prompt_and_answer(suite: Suite, upstream: Upstream, name: str) -> None:
    text = _TEXTS[name]
    upstream.scripts["*"] = [says(f"answer: {text}!")]
    body = await suite.ask(f"question: {text}?")
    kept = body["prysm"]["proof"]
    spoken = json.loads(kept["transcript"])
    assert spoken["messages"][0]["content"] == f"question: {text}?"
    assert spoken["answer"] == body["choices"][0]["message"]["content"] == f"answer: {text}!"
    _, public = await suite.get(kept["verify_url"])
    checks = verify.verify(public, await _trusted(suite), kept["transcript"].encode())
    assert [check.status for check in checks] == ["pass"] * 9
    digest = hashlib.sha256(kept["transcript"].encode()).hexdigest()
    payload = base64.b64decode(public["proof"]["dsseEnvelope"]["payload"])
    assert json.loads(payload)["subject"][0]["digest"]["sha256"] == digest


@pytest.mark.parametrize(
    "content",
    [
        *(rb'"\ud800"', rb'"a\udfffb"', rb'"\udc00\ud800"'),  # halves of pairs
        *(
            b'"\xff"',
            b'"\xc0\xaf"',
            b'"\xed\xa0\x80"',
            b'"\xf4\x90\x80\x80"',
        ),  # overlong, a half, beyond the last plane
    ],
    ids=repr,
)
async def test_what_is_no_text_is_refused_before_anything_is_spent(
    suite: Suite, upstream: Upstream, content: bytes
) -> None:
    sent = b'{"messages":[{"role":"user","content":' + content + b"}]}"
    async with (
        aiohttp.ClientSession() as client,
        client.post(f"{suite.url}/v2/orchestrate", data=sent, headers=suite.headers) as got,
    ):
        said = json.loads(await got.read())
    assert (got.status, said["detail"]["error"]) == (422, "invalid_request")
    assert not upstream.calls
