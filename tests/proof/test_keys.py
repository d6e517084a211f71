"""The signing key's file, its id, and its signatures."""

from __future__ import annotations

import os
import subprocess
from shutil import which
from typing import TYPE_CHECKING

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from proof.keys import (
    FileSigner,
    KeyFileError,
    LogSigner,
    ensure_key_file,
    ensure_log_key_file,
    from_pem,
    keyid,
    to_pem,
)

if TYPE_CHECKING:
    from pathlib import Path

    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

_P256 = ec.generate_private_key(ec.SECP256R1())


def pem(key: PrivateKeyTypes, password: bytes | None = None) -> bytes:
    protection = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, protection)


@pytest.fixture
def file(folder: Path) -> Path:
    path = folder / "proof-key.pem"
    path.touch(0o600)
    path.write_bytes(pem(_P256))
    return path


def openssl(*arguments: str) -> bytes:
    return subprocess.run(["openssl", *arguments], capture_output=True, check=True).stdout


def test_a_key_is_made_once_for_its_owner_alone_and_its_public_half_is_published(folder: Path) -> None:
    path = folder / "new" / "proof-key.pem"
    ensure_key_file(path)
    made = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    ensure_key_file(path)
    assert path.read_bytes() == made
    assert {entry.name for entry in path.parent.iterdir()} == {"proof-key.pem", "proof-key.pub.pem"}
    public = from_pem((path.parent / "proof-key.pub.pem").read_bytes())
    assert keyid(public) == FileSigner(path).keyid


def test_a_crash_while_a_key_was_made_leaves_none_behind(folder: Path) -> None:
    (folder / "proof-key.pem.new").write_bytes(b"-----BEGIN")
    ensure_key_file(folder / "proof-key.pem")
    assert FileSigner(folder / "proof-key.pem").keyid


def test_the_public_half_follows_a_key_that_was_replaced(folder: Path, file: Path) -> None:
    ensure_key_file(file)
    file.write_bytes(pem(ec.generate_private_key(ec.SECP256R1())))
    ensure_key_file(file)
    assert from_pem((folder / "proof-key.pub.pem").read_bytes()) == FileSigner(file).public_key


@pytest.mark.skipif(which("ssh-keygen") is None, reason="no ssh-keygen here")
def test_the_keyid_is_what_ssh_keygen_prints(folder: Path, file: Path) -> None:
    line = _P256.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    (folder / "key.pub").write_bytes(line + b"\n")
    shown = subprocess.run(
        ["ssh-keygen", "-lf", str(folder / "key.pub")], capture_output=True, check=True, text=True
    ).stdout
    assert shown.split()[1] == FileSigner(file).keyid
    assert "=" not in shown.split()[1]


def test_signatures_are_deterministic_and_differ_by_message(file: Path) -> None:
    signer, again = FileSigner(file), FileSigner(file)
    assert signer.sign(b"a") == again.sign(b"a") == signer.sign(b"a")
    assert signer.sign(b"a") != signer.sign(b"b")


def test_signatures_are_those_of_rfc_6979(folder: Path) -> None:
    """A.2.5: P-256 with SHA-256, message `sample`."""
    secret = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    path = folder / "rfc.pem"
    path.touch(0o600)
    path.write_bytes(pem(ec.derive_private_key(secret, ec.SECP256R1())))
    r = "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
    s = "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    assert FileSigner(path).sign(b"sample").hex() == f"3046022100{r}022100{s}"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o660, 0o601])
def test_a_key_that_others_may_read_is_refused(file: Path, mode: int) -> None:
    file.chmod(mode)
    with pytest.raises(KeyFileError, match="must have mode 0600"):
        FileSigner(file)


def test_a_key_that_is_not_there_is_refused(folder: Path) -> None:
    for path in (folder / "none.pem", folder):
        with pytest.raises(KeyFileError, match="can't be read"):
            FileSigner(path)


_OTHERS = {
    "rsa": pem(rsa.generate_private_key(65537, 2048)),
    "p-384": pem(ec.generate_private_key(ec.SECP384R1())),
    "secp256k1": pem(ec.generate_private_key(ec.SECP256K1())),
    "ed25519": pem(ed25519.Ed25519PrivateKey.generate()),
    "an unknown curve": openssl("ecparam", "-name", "secp160r1", "-genkey", "-noout"),
    "encrypted": pem(_P256, b"password"),
    "a public key": to_pem(_P256.public_key()),
    "half a key": pem(_P256)[:100],
    "nothing": b"",
    "garbage": os.urandom(500),
}


@pytest.mark.parametrize("text", _OTHERS.values(), ids=_OTHERS.keys())
def test_what_is_no_plain_p256_key_is_refused_in_one_line_without_its_text(file: Path, text: bytes) -> None:
    file.write_bytes(text)
    with pytest.raises(KeyFileError) as caught:
        FileSigner(file)
    assert str(caught.value) in {f"{file} holds no P-256 key", f"{file} holds no unencrypted PEM key"}


def test_a_public_key_is_read_back_from_its_pem() -> None:
    assert from_pem(to_pem(_P256.public_key())) == _P256.public_key()


_PUBLIC = {
    "p-384": to_pem(ec.generate_private_key(ec.SECP384R1()).public_key()),
    "an unknown curve": openssl("ecparam", "-name", "secp160r1", "-genkey", "-noout"),
    "a private key": pem(_P256),
    "nothing": b"",
    "garbage": b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
    "no ASCII": b"\xff" * 100,
}


@pytest.mark.parametrize("text", _PUBLIC.values(), ids=_PUBLIC.keys())
def test_what_is_no_public_p256_key_is_refused(text: bytes) -> None:
    with pytest.raises(KeyFileError):
        from_pem(text)


def test_a_public_key_of_an_unknown_curve_is_refused(folder: Path) -> None:
    (folder / "key").write_bytes(_OTHERS["an unknown curve"])
    with pytest.raises(KeyFileError):
        from_pem(openssl("ec", "-in", str(folder / "key"), "-pubout"))


def test_a_logs_key_is_made_once_for_its_owner_alone(folder: Path) -> None:
    path = folder / "log-key.pem"
    ensure_log_key_file(path)
    made = path.read_bytes()
    assert path.stat().st_mode & 0o777 == 0o600
    ensure_log_key_file(path)
    assert path.read_bytes() == made
    first, second = LogSigner(path, "log.example"), LogSigner(path, "other.example")
    assert first.key.public == second.key.public
    assert first.key.id != second.key.id


def test_a_key_of_another_kind_signs_no_log_and_a_logs_key_no_proofs(folder: Path, file: Path) -> None:
    with pytest.raises(KeyFileError, match="holds no Ed25519 key"):
        LogSigner(file, "log.example")
    ensure_log_key_file(folder / "log-key.pem")
    with pytest.raises(KeyFileError, match="holds no P-256 key"):
        FileSigner(folder / "log-key.pem")
