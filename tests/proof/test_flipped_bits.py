"""A complete proof, bit by bit: whatever is changed of what it says, it does not hold any more."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest_asyncio
from hypothesis import example, given, settings
from hypothesis import strategies as st

from proof import bundle, verify
from proof.trust import SigningKey, Trust

from .notaries import open_notary
from .records import record

if TYPE_CHECKING:
    import pytest

    from proof.keys import FileSigner, LogSigner


@dataclass(frozen=True)
class Logged:
    """A proof in the middle of a log, and those who are trusted."""

    text: bytes
    trust: Trust

    def holds(self, whole: Any) -> bool:
        return verify.verified(verify.verify(whole, self.trust, None))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def logged(tmp_path_factory: pytest.TempPathFactory, signer: FileSigner, log_signer: LogSigner) -> Logged:
    notary = open_notary(tmp_path_factory.mktemp("flipped"), signer, log_signer)
    notary.start()
    proofs = [await notary.sign(record(number)) for number in range(11)]
    await notary.stop()
    return Logged(bundle.dumps(proofs[-1]), Trust({signer.keyid: SigningKey(signer.public_key)}, log_signer.key))


def flipped(raw: bytes, bit: int) -> bytes:
    place = bit // 8 % len(raw)
    return raw[:place] + bytes([raw[place] ^ 1 << bit % 8]) + raw[place + 1 :]


@given(st.integers(0, 2**20))
@example(0)
@settings(max_examples=2_000, deadline=None)
def test_no_bit_of_a_proofs_text_can_be_flipped(logged: Logged, bit: int) -> None:
    good = json.loads(logged.text)
    assert logged.holds(good)
    try:
        whole = json.loads(flipped(logged.text, bit))
    except ValueError:
        return
    # What is left is not read: the hint, for the envelope names its key, and names of members that nobody knows.
    assert not logged.holds(whole) or bundle.read(whole) == bundle.read(good)


_FIELDS = ("log_id", "body", "root", "checkpoint", "path")


@given(st.sampled_from(_FIELDS), st.integers(0, 2**20))
@settings(max_examples=1_000, deadline=None)
def test_no_bit_of_what_a_proof_is_made_of_can_be_flipped(logged: Logged, field: str, bit: int) -> None:
    whole = bundle.read(json.loads(logged.text))
    assert whole.entry is not None
    parts = vars(whole.entry).copy()
    if field == "path":
        place = bit % len(parts["path"])
        parts["path"] = tuple(
            flipped(node, bit // 8) if number == place else node for number, node in enumerate(parts["path"])
        )
    elif field == "checkpoint":
        parts[field] = flipped(parts[field].encode(), bit).decode("utf-8", "surrogateescape")
    else:
        parts[field] = flipped(parts[field], bit)
    changed = bundle.Bundle(whole.envelope, bundle.LogEntry(**parts))
    assert changed != whole
    assert not logged.holds(bundle.to_object(changed))


@given(st.sampled_from(["index", "size"]), st.integers(0, 62))
@settings(max_examples=200, deadline=None)
def test_no_bit_of_a_proofs_numbers_can_be_flipped(logged: Logged, field: str, bit: int) -> None:
    whole = bundle.read(json.loads(logged.text))
    assert whole.entry is not None
    parts = vars(whole.entry).copy()
    parts[field] ^= 1 << bit
    assert not logged.holds(bundle.to_object(bundle.Bundle(whole.envelope, bundle.LogEntry(**parts))))
