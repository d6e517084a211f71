"""One call of a run, disclosed: a stranger can check it, and learns nothing of the others."""

from __future__ import annotations

import hashlib
import hmac
import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from proof import bundle, disclosure, dsse, statement, trust, verify
from proof.bundle import Bundle
from proof.disclosure import DisclosureError, Texts
from proof.trust import SigningKey, Trust

from .records import call, record
from .values import json_values

if TYPE_CHECKING:
    from pathlib import Path

    from proof.keys import FileSigner

_NONCE = bytes(range(32))
_CALLS = 5


def input_of(index: int) -> bytes:
    messages = [{"role": "user", "content": f"canary-question-{index} é"}]
    return rfc8785.dumps({"max_tokens": 200, "messages": messages, "model": "m", "temperature": 0.7})


def output_of(index: int) -> bytes:
    return f"canary-answer-{index}\n\x00 \U0001f600".encode()


def salted(index: int, text: bytes) -> bytes:
    """As the service's documents word it."""
    salt = hmac.new(_NONCE, b"call" + bytes([0, 0, 0, index]), hashlib.sha256).digest()
    return hashlib.sha256(salt + text).digest()


def run(calls: int = _CALLS) -> tuple[bytes, bytes]:
    """Return payload and transcript of a run."""
    made = tuple(
        call(
            stage=f"propose-{index}",
            input_digest=salted(index, input_of(index)),
            output_digest=salted(index, output_of(index)),
        )
        for index in range(calls)
    )
    spoken = rfc8785.dumps({"nonce": _NONCE.hex(), "request_id": record().request_id, "answer": "canary-answer-0"})
    proven = record(calls=made, transcript_sha256=hashlib.sha256(spoken).digest())
    statement.check(proven)
    return statement.payload(proven), spoken


_PAYLOAD, _TRANSCRIPT = run()
_WHOLE = Texts(input_of(2), output_of(2))
_DISCLOSED = disclosure.disclose(_PAYLOAD, _TRANSCRIPT, 2, _WHOLE)


@pytest.mark.parametrize("calls", range(1, 17))
def test_every_call_of_every_run_can_be_disclosed_with_all_some_or_none_of_its_texts(calls: int) -> None:
    payload, transcript = run(calls)
    for index in range(calls):
        for texts in (
            Texts(),
            Texts(output=output_of(index)),
            Texts(input=input_of(index)),
            Texts(input_of(index), output_of(index)),
        ):
            document = disclosure.disclose(payload, transcript, index, texts)
            disclosure.check(document, payload)
            said = json.loads(document)
            assert said.get("input", "").encode() == (texts.input or b"")
            assert said.get("output", "").encode() == (texts.output or b"")
            assert ("salt" in said) == (texts != Texts())


def test_a_disclosure_tells_of_no_other_call_and_not_the_nonce() -> None:
    text = _DISCLOSED.decode()
    assert "canary-question-2" in text
    assert "canary-answer-2" in text
    for index in range(_CALLS):
        if index != 2:
            assert f"canary-question-{index}" not in text
            assert f"canary-answer-{index}" not in text
            assert f"propose-{index}" not in text
            assert disclosure.salt(_NONCE, index).hex() not in text
    assert _NONCE.hex() not in text
    bare = disclosure.disclose(_PAYLOAD, _TRANSCRIPT, 2, Texts())
    assert b"canary" not in bare
    assert disclosure.salt(_NONCE, 2).hex().encode() not in bare


@pytest.mark.parametrize("texts", [Texts(), _WHOLE, Texts(output=output_of(2))], ids=["bare", "whole", "output"])
def test_no_bit_of_a_disclosure_can_be_flipped(texts: Texts) -> None:
    document = disclosure.disclose(_PAYLOAD, _TRANSCRIPT, 2, texts)
    raw = bytearray(document)
    for bit in range(8 * len(raw)):
        raw[bit // 8] ^= 1 << bit % 8
        with pytest.raises(DisclosureError):
            disclosure.check(bytes(raw), _PAYLOAD)
        raw[bit // 8] ^= 1 << bit % 8
    disclosure.check(bytes(raw), _PAYLOAD)


def changed(**members: Any) -> bytes:
    said = json.loads(_DISCLOSED) | members
    return rfc8785.dumps({name: value for name, value in said.items() if value is not None})


_OTHER = json.loads(disclosure.disclose(_PAYLOAD, _TRANSCRIPT, 1, Texts(input_of(1), output_of(1))))


@pytest.mark.parametrize(
    "members",
    [
        {"index": 1},
        {"index": -3},
        {"index": True},
        {"index": 5},
        {"record": _OTHER["record"]},
        {"record": _OTHER["record"], "index": 1},
        {"record": _OTHER["record"], "index": 1, "path": _OTHER["path"]},
        {"path": _OTHER["path"]},
        {"path": []},
        {"salt": _OTHER["salt"]},
        {"salt": None},
        {"input": _OTHER["input"]},
        {"output": None, "input": None},
        {"output": 5},
        {"output": ""},
        {"note": "and what nobody checks"},
        {"type": "https://openprysm.dev/disclosure/v2"},
        {"proof_hash": "sha256:" + "00" * 32},
    ],
    ids=repr,
)
def test_parts_of_another_call_or_of_none_are_refused(members: dict[str, Any]) -> None:
    with pytest.raises(DisclosureError):
        disclosure.check(changed(**members), _PAYLOAD)


def test_a_disclosure_of_another_proof_is_refused() -> None:
    with pytest.raises(DisclosureError, match="of another proof"):
        disclosure.check(_DISCLOSED, run(4)[0])


def test_only_what_is_the_calls_own_can_be_disclosed() -> None:
    for transcript, index, texts, why in (
        (_TRANSCRIPT + b" ", 2, Texts(), "of another proof"),
        (_TRANSCRIPT, _CALLS, Texts(), "calls 0 to 4"),
        (_TRANSCRIPT, -1, Texts(), "calls 0 to 4"),
        (_TRANSCRIPT, 2, Texts(input=input_of(1)), "not the input"),
        (_TRANSCRIPT, 2, Texts(output=output_of(1)), "not the output"),
        (_TRANSCRIPT, 2, Texts(output=b"\xff"), "not the output"),
        (_TRANSCRIPT, 2, Texts(input=b"[" * 100_000), "not the input"),
    ):
        with pytest.raises(DisclosureError, match=why):
            disclosure.disclose(_PAYLOAD, transcript, index, texts)


def test_an_editors_newline_and_another_order_of_the_input_do_no_harm() -> None:
    said = json.dumps(dict(reversed(json.loads(input_of(2)).items())), indent=2).encode()
    assert disclosure.disclose(_PAYLOAD, _TRANSCRIPT, 2, Texts(said + b"\n", output_of(2) + b"\n")) == _DISCLOSED


@given(st.binary() | json_values.map(lambda value: json.dumps(value).encode()))
def test_any_bytes_are_a_disclosure_error(raw: bytes) -> None:
    for tried in (raw, b"[" * 10_000, _DISCLOSED.replace(b'"index"', raw)):
        with pytest.raises(DisclosureError):
            disclosure.check(tried, _PAYLOAD)
    with pytest.raises(DisclosureError):
        disclosure.disclose(_PAYLOAD, raw, 0, Texts())
    with pytest.raises(DisclosureError):
        disclosure.disclose(raw, _TRANSCRIPT, 0, Texts())


def test_the_disclosure_is_a_tenth_step_of_the_check(signer: FileSigner) -> None:
    envelope = dsse.Envelope(_PAYLOAD, signer.sign(dsse.pae(_PAYLOAD)), signer.keyid)
    proof = bundle.to_object(Bundle(envelope, None))
    believed = Trust({signer.keyid: SigningKey(signer.public_key)})
    good = verify.verify(proof, believed, None, _DISCLOSED)
    assert (len(good), good[-1].status, verify.verified(good)) == (10, "pass", True)
    bad = verify.verify(proof, believed, None, changed(index=1))
    assert (bad[-1].status, bad[-1].why, verify.verified(bad)) == ("fail", "the record is not that of the call", False)


def test_the_command_line_discloses_and_checks(signer: FileSigner, folder: Path) -> None:
    envelope = dsse.Envelope(_PAYLOAD, signer.sign(dsse.pae(_PAYLOAD)), signer.keyid)
    (folder / "proof.json").write_bytes(bundle.dumps(Bundle(envelope, None)))
    (folder / "transcript.json").write_bytes(_TRANSCRIPT)
    (folder / "output").write_bytes(output_of(2))
    (folder / "jwks.json").write_bytes(trust.jwks({signer.keyid: SigningKey(signer.public_key)}))

    def command(*words: str) -> subprocess.CompletedProcess[bytes]:
        return subprocess.run([sys.executable, "-m", "cli", *words], cwd=folder, capture_output=True, check=False)

    written = command("disclose", "proof.json", "transcript.json", "2", "--output", "output")
    assert (written.returncode, json.loads(written.stdout)["output"]) == (0, output_of(2).decode()), written
    (folder / "disclosure.json").write_bytes(written.stdout)
    words = ("verify", "proof.json", "--key", "jwks.json", "--disclosure", "disclosure.json")
    good = command(*words)
    assert (good.returncode, b"10. ok   disclosure" in good.stdout) == (0, True), good
    (folder / "disclosure.json").write_bytes(written.stdout.replace(b"answer-2", b"answer-3"))
    bad = command(*words)
    assert (bad.returncode, b"10. FAIL disclosure" in bad.stdout) == (1, True), bad
    for wrong in (("9",), ("2", "--output", "none"), ("2", "--input", "output")):
        refused = command("disclose", "proof.json", "transcript.json", *wrong)
        assert (refused.returncode, refused.stdout, refused.stderr.count(b"\n")) == (1, b"", 1), refused
