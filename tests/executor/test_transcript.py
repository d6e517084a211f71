"""The transcript: canonical bytes, and digests that somebody else can recompute from what the caller holds."""

from __future__ import annotations

import hashlib
import hmac
import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from executor import transcript
from executor.chat import ChatRequest, Message
from executor.stages import Stage
from executor.transcript import TranscriptError

if TYPE_CHECKING:
    from executor.conftest import Lab
    from executor.transcript import Transcript

NONCE = bytes(range(32))
ID = "prysm-" + "0" * 32


def stage(lab: Lab, index: int = 0, output: str = "Paris", **changes: Any) -> Stage:
    asked = ChatRequest("vendor/a-1", lab.question, 100, 0.7)
    made = Stage(index, "propose", lab.model("a"), 1, (), asked, 0.0, status="ok", output=output)
    return replace(made, **changes)


def write(lab: Lab, *stages: Stage, answer: str = "Paris", nonce: bytes = NONCE) -> Transcript:
    return transcript.write(ID, lab.question, answer, stages, nonce)


def salt(nonce: bytes, index: int) -> bytes:
    """HMAC-SHA256(nonce, "call" ‖ index) by the definition of RFC 2104, without the library that made it."""
    inner, outer = (bytes(byte ^ pad for byte in nonce.ljust(64, b"\0")) for pad in (0x36, 0x5C))
    message = b"call" + bytes([index >> 24 & 255, index >> 16 & 255, index >> 8 & 255, index & 255])
    return hashlib.sha256(outer + hashlib.sha256(inner + message).digest()).digest()


def test_the_transcript_holds_these_fields_and_no_others(lab: Lab) -> None:
    written = write(lab, stage(lab), stage(lab, 1, "", status="failed", attempt=2))
    held = json.loads(written.text)
    assert held == {
        "version": 2,
        "nonce": NONCE.hex(),
        "request_id": ID,
        "messages": [{"role": "user", "content": "What is the capital of France?"}],
        "answer": "Paris",
        "calls": [
            {
                "stage": "propose",
                "model": "a",
                "provider": "provider-a",
                "status": "ok",
                "attempt": 1,
                "input_digest": "sha256:" + written.digests[0].input.hex(),
                "output_digest": "sha256:" + written.digests[0].output.hex(),
            },
            {
                "stage": "propose",
                "model": "a",
                "provider": "provider-a",
                "status": "failed",
                "attempt": 2,
                "input_digest": "sha256:" + written.digests[1].input.hex(),
            },
        ],
    }


def test_its_digest_is_that_of_its_bytes(lab: Lab) -> None:
    written = write(lab, stage(lab))
    assert written.sha256 == hashlib.sha256(written.text).digest()
    assert written.nonce == NONCE


@settings(deadline=None)
@given(answer=st.text(), content=st.text(), output=st.text(), temperature=st.floats(0, 2))
def test_its_bytes_are_canonical_for_any_text(
    lab: Lab, answer: str, content: str, output: str, temperature: float
) -> None:
    asked = ChatRequest("a", (Message("user", content),), 100, temperature)
    written = transcript.write(ID, (Message("user", content),), answer, [stage(lab, 0, output, request=asked)], NONCE)
    held = json.loads(written.text)
    assert rfc8785.dumps(held) == written.text
    assert (held["answer"], held["messages"][0]["content"]) == (answer, content)


@settings(deadline=None)
@given(nonce=st.binary(min_size=32, max_size=32), index=st.integers(0, 2**32 - 1), output=st.text(min_size=1))
def test_a_call_s_digests_can_be_recomputed_by_who_holds_the_nonce(
    lab: Lab, nonce: bytes, index: int, output: str
) -> None:
    (digests,) = write(lab, stage(lab, index, output), nonce=nonce).digests
    key = salt(nonce, index)
    assert key == hmac.digest(nonce, b"call" + index.to_bytes(4, "big"), "sha256")
    asked = (
        b'{"max_tokens":100,"messages":[{"content":"What is the capital of France?","role":"user"}],'
        b'"model":"vendor/a-1","temperature":0.7}'
    )
    assert digests.input == hashlib.sha256(key + asked).digest()
    assert digests.output == hashlib.sha256(key + output.encode()).digest()


def test_without_an_output_there_is_no_digest_of_one(lab: Lab) -> None:
    (digests,) = write(lab, stage(lab, output="")).digests
    assert digests.output == b""


def test_another_nonce_makes_every_digest_another(lab: Lab) -> None:
    one = write(lab, stage(lab), stage(lab, 1))
    other = write(lab, stage(lab), stage(lab, 1), nonce=NONCE[::-1])
    assert one.sha256 != other.sha256
    for left, right in zip(one.digests, other.digests, strict=True):
        assert left.input != right.input
        assert left.output != right.output


def test_equal_calls_have_unequal_digests(lab: Lab) -> None:
    first, second = write(lab, stage(lab), stage(lab, 1)).digests
    assert first.input != second.input
    assert first.output != second.output


@pytest.mark.parametrize("change", [{"model": "b"}, {"max_tokens": 101}, {"temperature": 0.8}, {"messages": ()}])
def test_every_part_of_what_was_asked_is_in_its_digest(lab: Lab, change: dict[str, Any]) -> None:
    usual = stage(lab)
    other = stage(lab, request=replace(usual.request, **change))
    assert write(lab, usual).digests[0].input != write(lab, other).digests[0].input


@pytest.mark.parametrize("half", ["\ud800", "x\udfffy", "\udc00\ud800"])
def test_half_a_surrogate_pair_has_no_canonical_form(lab: Lab, half: str) -> None:
    with pytest.raises(TranscriptError):
        write(lab, stage(lab), answer=half)
    with pytest.raises(TranscriptError):
        transcript.write(ID, (Message("user", half),), "Paris", (), NONCE)
    asked = ChatRequest("a", (Message("user", half),), 100, 0.7)
    with pytest.raises(TranscriptError):
        write(lab, stage(lab, request=asked))


@pytest.mark.parametrize("text", ["\U0001f600", "e\u0301", "\u00e9", "\u202eabc", "\0", "\u2028", "\ufeff"])
def test_unusual_text_is_kept_as_it_is(lab: Lab, text: str) -> None:
    assert json.loads(write(lab, stage(lab), answer=text).text)["answer"] == text
    assert write(lab, stage(lab), answer=text).sha256 != write(lab, stage(lab), answer=text + " ").sha256


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_a_number_without_a_json_form_is_refused(lab: Lab, number: float) -> None:
    with pytest.raises(TranscriptError):
        write(lab, stage(lab, request=ChatRequest("a", lab.question, 100, number)))


def test_an_output_that_is_no_text_still_has_a_digest(lab: Lab) -> None:
    (digests,) = write(lab, stage(lab, output="\ud800", status="failed")).digests
    assert digests.output == hashlib.sha256(salt(NONCE, 0) + b"\xed\xa0\x80").digest()
