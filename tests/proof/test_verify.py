"""The offline check: a good proof passes every step, and a bad one fails at the step that is about it."""

from __future__ import annotations

import base64
import hashlib
import json
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st

from proof import bundle, dsse, keys, statement, verify
from proof.bundle import Bundle
from proof.trust import SigningKey, Trust

from .records import call, record, records
from .values import almost_bundles, json_values

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from proof.keys import FileSigner
    from proof.statement import Record

_ID = record().request_id
_TRANSCRIPT = rfc8785.dumps({"version": 2, "nonce": "00" * 32, "request_id": _ID, "answer": "é"})
_BUNDLE, _SIGNATURE, _STATEMENT, _CALLS, _SUBJECT = 0, 1, 2, 3, 8


def signed(signer: FileSigner, payload: bytes) -> dict[str, Any]:
    envelope = dsse.Envelope(payload, signer.sign(dsse.pae(payload)), signer.keyid)
    whole: dict[str, Any] = json.loads(bundle.dumps(Bundle(envelope, None)))
    return whole


def proven(signer: FileSigner, given_record: Record | None = None) -> dict[str, Any]:
    of = given_record or record(transcript_sha256=hashlib.sha256(_TRANSCRIPT).digest())
    statement.check(of)
    return signed(signer, statement.payload(of))


def failing_step(proof: object, signer: FileSigner, transcript: bytes | None = _TRANSCRIPT) -> int | None:
    """Return the index of the step that failed; None when none did."""
    return failing(verify.verify(proof, trusting(signer), transcript))


def trusting(signer: FileSigner) -> Trust:
    """Return trust in the signer's key alone, as `--key` does."""
    return Trust({signer.keyid: SigningKey(signer.public_key)})


def failing(checks: list[verify.Check]) -> int | None:
    """Return the index of the step that failed; before it none did, and after it none was made."""
    assert len({item.name for item in checks}) == len(checks) == 9
    assert all(bool(item.why) == (item.status != "pass") for item in checks)
    statuses = [item.status for item in checks]
    assert verify.verified(checks) == ("fail" not in statuses)
    if "fail" not in statuses:
        return None
    place = statuses.index("fail")
    assert set(statuses[place + 1 :]) <= {"skipped"}
    return place


def test_a_good_proof_passes_every_step_but_those_about_a_log_that_nobody_named(signer: FileSigner) -> None:
    checks = verify.verify(proven(signer), trusting(signer), _TRANSCRIPT)
    assert [item.status for item in checks] == ["pass"] * 4 + ["skipped"] * 3 + ["pass"] * 2


def test_without_a_transcript_the_step_about_it_is_skipped(signer: FileSigner) -> None:
    checks = verify.verify(proven(signer), trusting(signer), None)
    assert (verify.verified(checks), checks[-1].status) == (True, "skipped")


def test_the_answer_of_the_service_around_the_bundle_is_taken_too(signer: FileSigner) -> None:
    assert failing_step({"verified": False, "proof": proven(signer)}, signer) is None


@given(given_record=records)
@settings(max_examples=50)
def test_any_good_record_makes_a_good_proof(signer: FileSigner, given_record: Record) -> None:
    assert failing_step(proven(signer, given_record), signer, None) is None


@pytest.mark.parametrize("part", ["payload", "signature"])
def test_no_bit_can_be_flipped(signer: FileSigner, part: str) -> None:
    good = bundle.read(proven(signer)).envelope
    raw = bytearray(getattr(good, part))
    for bit in range(8 * len(raw)):
        raw[bit // 8] ^= 1 << bit % 8
        fields = {"payload": good.payload, "signature": good.signature, part: bytes(raw)}
        whole = json.loads(bundle.dumps(Bundle(dsse.Envelope(keyid=good.keyid, **fields), None)))
        assert failing_step(whole, signer, None) == _SIGNATURE, bit
        raw[bit // 8] ^= 1 << bit % 8


def test_no_byte_of_the_bundles_text_changes_what_is_proven(signer: FileSigner) -> None:
    text = json.dumps(proven(signer)).encode()
    good = bundle.read(json.loads(text))
    for place in range(len(text)):
        changed = bytearray(text)
        changed[place] ^= 1
        try:
            whole = json.loads(bytes(changed))
        except ValueError:
            continue
        if failing_step(whole, signer) is None:
            assert bundle.read(whole) == good  # the hint, which nothing is taken from, or a name that nobody reads


def test_an_envelope_of_another_proof_is_not_the_transcripts(signer: FileSigner) -> None:
    other = proven(signer, record(2, transcript_sha256=b"\x07" * 32))
    assert failing_step(other, signer) == _SUBJECT
    swapped = proven(signer)
    swapped["dsseEnvelope"]["signatures"] = other["dsseEnvelope"]["signatures"]
    assert failing_step(swapped, signer) == _SIGNATURE


def test_another_key_is_refused_whether_it_says_so_or_not(signer: FileSigner, tmp_path: Path) -> None:
    keys.ensure_key_file(tmp_path / "key.pem")
    stranger = keys.FileSigner(tmp_path / "key.pem")
    forged = proven(stranger)
    assert failing_step(forged, signer) == _SIGNATURE
    forged["dsseEnvelope"]["signatures"][0]["keyid"] = signer.keyid
    assert failing_step(forged, signer) == _SIGNATURE
    assert failing_step(proven(signer), stranger) == _SIGNATURE
    honest = proven(signer)
    honest["dsseEnvelope"]["signatures"][0]["keyid"] = stranger.keyid
    assert failing_step(honest, signer) == _SIGNATURE


@pytest.mark.parametrize(
    "transcript", [b"", b"{}", _TRANSCRIPT + b"\n", _TRANSCRIPT.replace(b"\xc3\xa9", b"e")], ids=repr
)
def test_another_transcript_fails_at_the_last_step(signer: FileSigner, transcript: bytes) -> None:
    assert failing_step(proven(signer), signer, transcript) == _SUBJECT


@pytest.mark.parametrize(
    "transcript",
    [b"", b"{}", b"[]", b"5", b"\xff", b'{"request_id": null}', b'{"request_id": "prysm-2"}', b"[" * 100_000],
    ids=lambda text: repr(text[:20]),
)
def test_a_signed_transcript_must_be_of_the_same_request(signer: FileSigner, transcript: bytes) -> None:
    proof = proven(signer, record(transcript_sha256=hashlib.sha256(transcript).digest()))
    assert failing_step(proof, signer, transcript) == _SUBJECT


def changed(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """Return a statement that an honest service would not have signed."""
    whole: dict[str, Any] = json.loads(
        statement.payload(record(transcript_sha256=hashlib.sha256(_TRANSCRIPT).digest()))
    )
    change(whole)
    return whole


_RECORDS: dict[str, Callable[[dict[str, Any]], object]] = {
    "a call's model": lambda predicate: predicate["calls"][0].update(model="gpt-6"),
    "a call's digest": lambda predicate: predicate["calls"][1].update(input_digest="sha256:" + "ff" * 32),
    "a call's cost": lambda predicate: predicate["calls"][0].update(cost_micro_usd="0"),
    "a call more": lambda predicate: predicate["calls"].append(predicate["calls"][0]),
    "a call less": lambda predicate: predicate["calls"].pop(),
    "their order": lambda predicate: predicate["calls"].reverse(),
    "no calls": lambda predicate: predicate.update(calls=[]),
    "calls that are none": lambda predicate: predicate.update(calls=5),
    "calls that are texts": lambda predicate: predicate.update(calls=["a"]),
    "the root": lambda predicate: predicate.update(calls_root="sha256:" + "00" * 32),
    "no root": lambda predicate: predicate.pop("calls_root"),
    "the number of calls": lambda predicate: predicate["totals"].update(calls=3),
    "the prompts' tokens": lambda predicate: predicate["totals"].update(prompt_tokens=21),
    "the answers' tokens": lambda predicate: predicate["totals"].update(completion_tokens=0),
    "no totals": lambda predicate: predicate.pop("totals"),
}


@pytest.mark.parametrize("change", _RECORDS.values(), ids=_RECORDS.keys())
def test_call_records_that_do_not_add_up_are_refused(
    signer: FileSigner, change: Callable[[dict[str, Any]], object]
) -> None:
    whole = changed(lambda whole: change(whole["predicate"]))
    assert failing_step(signed(signer, rfc8785.dumps(whole)), signer) == _CALLS


_STATEMENTS: dict[str, bytes] = {
    "blanks": json.dumps(changed(lambda _: None)).encode(),
    "another order": json.dumps(dict(reversed(changed(lambda _: None).items())), separators=(",", ":")).encode(),
    "a newline": rfc8785.dumps(changed(lambda _: None)) + b"\n",
    "a name twice": rfc8785.dumps(changed(lambda _: None)).replace(b'{"_type"', b'{"_type":"","_type"', 1),
    "an escape": rfc8785.dumps(changed(lambda _: None)).replace(b"gpt", b"\\u0067pt"),
    "another type": rfc8785.dumps(changed(lambda whole: whole.update(_type="https://in-toto.io/Statement/v0.1"))),
    "another predicate": rfc8785.dumps(changed(lambda whole: whole.update(predicateType="https://slsa.dev/v1"))),
    "a list": b"[]",
    "a number": b"1e400",
    "an integer": b"9007199254740993",
    "nothing": b"",
    "no text": b"\xff",
    "half a pair": b'"\\ud800"',
    "much depth": b"[" * 100_000,
}


@pytest.mark.parametrize("payload", _STATEMENTS.values(), ids=_STATEMENTS.keys())
def test_what_is_no_canonical_statement_of_ours_is_refused(signer: FileSigner, payload: bytes) -> None:
    assert failing_step(signed(signer, payload), signer) == _STATEMENT


@pytest.mark.parametrize("subject", [None, [], {}, [{}], [{"digest": {}}], [{"digest": None}], "x"], ids=repr)
def test_a_subject_that_is_none_is_refused(signer: FileSigner, subject: Any) -> None:
    whole = changed(lambda whole: whole.update(subject=subject))
    assert failing_step(signed(signer, rfc8785.dumps(whole)), signer) == _SUBJECT


@given(proof=json_values | almost_bundles, transcript=st.none() | st.binary())
def test_any_json_fails_and_never_raises(signer: FileSigner, proof: Any, transcript: bytes | None) -> None:
    assert failing_step(proof, signer, transcript) == _BUNDLE


@given(said=json_values, transcript=st.none() | st.binary())
def test_any_signed_json_fails_and_never_raises(signer: FileSigner, said: Any, transcript: bytes | None) -> None:
    payload = json.dumps(said).encode()
    assert failing_step(signed(signer, payload), signer, transcript) == _STATEMENT


@given(predicate=json_values, subject=json_values)
def test_any_signed_predicate_fails_and_never_raises(signer: FileSigner, predicate: Any, subject: Any) -> None:
    whole = changed(lambda whole: whole.update(predicate=predicate, subject=subject))
    try:
        payload = rfc8785.dumps(whole)
    except rfc8785.CanonicalizationError:
        return
    # A float of more than 53 bits is written as an integer, and has no canonical form when it is read back.
    assert failing_step(signed(signer, payload), signer) in {_STATEMENT, _CALLS}


def test_a_proof_is_not_touched_by_its_check(signer: FileSigner) -> None:
    proof = proven(signer)
    before = deepcopy(proof)
    verify.verify(proof, trusting(signer), _TRANSCRIPT)
    assert proof == before


def test_nothing_in_the_proof_tells_of_prompt_or_answer(signer: FileSigner) -> None:
    payload = base64.b64decode(proven(signer, record(calls=(call(),)))["dsseEnvelope"]["payload"])
    assert not {"messages", "answer", "nonce", "content", "key_id"} & set(payload.decode().split('"'))
