"""Signed notes and checkpoints: the specification's own example, and what must not pass."""

from __future__ import annotations

import base64
import subprocess
from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519
from hypothesis import given
from hypothesis import strategies as st

from proof import note
from proof.note import Checkpoint, LogKey, NoteError

if TYPE_CHECKING:
    from pathlib import Path

_PRIVATE = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x07" * 32)
_KEY = LogKey("log.example", _PRIVATE.public_key().public_bytes_raw())
_HEAD = Checkpoint("log.example", 20_852_163, b"\x05" * 32)
_NOTE = note.sign(_HEAD, _KEY, _PRIVATE)
#: Key and note of Go's golang.org/x/mod/sumdb/note, its own example.
_GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
_GO_SIGNATURE = "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM="
_GO_TEXT = "If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"


def test_a_verifier_key_is_that_of_gos_example() -> None:
    key = LogKey.from_vkey(_GO_VKEY)
    assert (key.origin, key.vkey) == ("PeterNeumann", _GO_VKEY)
    raw = base64.b64decode(_GO_SIGNATURE)
    assert raw[:4] == key.id[:4]
    ed25519.Ed25519PublicKey.from_public_bytes(key.public).verify(raw[4:], _GO_TEXT.encode())


def test_a_checkpoint_is_three_lines_and_one_signature() -> None:
    text, _, signature = _NOTE.partition("\n\n")
    assert text.split("\n") == ["log.example", "20852163", base64.b64encode(b"\x05" * 32).decode()]
    assert signature.startswith("\u2014 log.example ")
    assert base64.b64decode(signature.split()[2])[:4] == _KEY.id[:4]
    assert note.verify(_NOTE, _KEY) == _HEAD
    assert note.sign(_HEAD, _KEY, _PRIVATE) == _NOTE


def test_openssl_verifies_the_signature(tmp_path: Path) -> None:
    text, _, signature = _NOTE.partition("\n\n")
    (tmp_path / "text").write_text(text + "\n")
    (tmp_path / "signature").write_bytes(base64.b64decode(signature.split()[2])[4:])
    key = serialization.load_der_public_key(_KEY.spki)
    (tmp_path / "key").write_bytes(
        key.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    command = ["openssl", "pkeyutl", "-verify", "-pubin", "-rawin", "-inkey", "key", "-sigfile", "signature", "-in"]
    done = subprocess.run([*command, "text"], capture_output=True, cwd=tmp_path, check=False)
    assert done.returncode == 0, done


def test_signatures_of_witnesses_are_let_be() -> None:
    witness = "\u2014 witness.example " + base64.b64encode(b"hash" + b"s" * 72).decode() + "\n"
    head, _, ours = _NOTE.partition("\n\n")
    for signatures in (witness + ours, ours + witness):
        assert note.verify(f"{head}\n\n{signatures}", _KEY) == _HEAD
    with pytest.raises(NoteError, match="not signed by this log"):
        note.verify(f"{head}\n\n{witness}", _KEY)


@given(st.integers(0, len(_NOTE.encode()) * 8 - 1))
def test_no_bit_of_a_checkpoint_can_be_flipped(bit: int) -> None:
    raw = bytearray(_NOTE.encode())
    raw[bit // 8] ^= 1 << bit % 8
    with pytest.raises(NoteError):
        note.verify(raw.decode("utf-8", "surrogateescape"), _KEY)


def test_another_log_or_another_key_is_refused() -> None:
    other = ed25519.Ed25519PrivateKey.from_private_bytes(b"\x08" * 32)
    stranger = LogKey("log.example", other.public_key().public_bytes_raw())
    shard = LogKey("other.example", _KEY.public)
    for key, signed in (
        (stranger, _NOTE),
        (shard, _NOTE),
        (_KEY, note.sign(_HEAD, stranger, other)),
        (_KEY, note.sign(Checkpoint("other.example", 1, b"\x05" * 32), shard, _PRIVATE)),
        (_KEY, note.sign(Checkpoint("other.example", 1, b"\x05" * 32), _KEY, _PRIVATE)),
    ):
        with pytest.raises(NoteError):
            note.verify(signed, key)


def test_a_good_signature_beside_a_bad_one_of_the_same_key_is_refused() -> None:
    bad = note.sign(Checkpoint("log.example", 1, b"\x05" * 32), _KEY, _PRIVATE).partition("\n\n")[2]
    with pytest.raises(NoteError, match="does not fit"):
        note.verify(_NOTE + bad, _KEY)


@pytest.mark.parametrize("size", ["-1", "01", "+1", "1_0", " 1", "1e3", "", "٣", "9" * 20])
def test_a_size_has_one_spelling(size: str) -> None:
    text = f"log.example\n{size}\n{base64.b64encode(bytes(32)).decode()}\n"
    signature = base64.b64encode(_KEY.id[:4] + _PRIVATE.sign(text.encode())).decode()
    with pytest.raises(NoteError):
        note.verify(f"{text}\n\u2014 log.example {signature}\n", _KEY)


@given(st.text(alphabet=st.characters()))
def test_any_text_is_a_note_error(text: str) -> None:
    for tried in (text, text + "\n\n" + text + "\n", _NOTE.replace("log.example", text), _NOTE.replace("\u2014", text)):
        if tried != _NOTE:
            with pytest.raises(NoteError):
                note.verify(tried, _KEY)
    with pytest.raises(NoteError):
        LogKey.from_vkey(text)


@given(st.integers(0, len(_KEY.vkey) * 8 - 1))
def test_no_bit_of_a_verifier_key_can_be_flipped(bit: int) -> None:
    raw = bytearray(_KEY.vkey.encode())
    raw[bit // 8] ^= 1 << bit % 8
    with suppress(NoteError):
        assert LogKey.from_vkey(raw.decode("utf-8", "surrogateescape")) == _KEY
