"""A signing key in a token: it signs as a file's key does, and when it can't, nothing is proven."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import grpc
import pkcs11
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from pkcs11 import Attribute, ObjectClass

from openprysm.proof.v2 import proof_pb2
from proof import bundle, dsse, verify
from proof.archive import Archive
from proof.keys import KeyFileError, SignerError, keyid
from proof.token import TokenSigner

from .notaries import open_notary
from .processes import connected, told
from .records import record
from .tokens import LABEL, PIN, Tokens, softhsm
from .wire import sign_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from proof.bundle import Bundle
    from proof.keys import LogSigner

    from .processes import Start


@pytest.fixture
def tokens(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tokens]:
    """Return a token with the key `first`."""
    made = Tokens(softhsm(), folder)
    monkeypatch.setenv("SOFTHSM2_CONF", str(made.config))
    made.make()
    made.add_key()
    yield made
    with suppress(pkcs11.PKCS11Error):
        pkcs11.lib(str(made.hsm.library)).finalize()


def test_its_signatures_are_der_and_fit_the_key_that_the_token_shows(tokens: Tokens) -> None:
    signer = TokenSigner(tokens.place())
    assert signer.keyid == keyid(signer.public_key)
    for number in range(300):  # of r and s with high bits, and of some with bytes missing
        message = b"%d" % number
        signer.public_key.verify(signer.sign(message), message, ec.ECDSA(hashes.SHA256()))
    with pytest.raises(InvalidSignature):
        signer.public_key.verify(signer.sign(b"a"), b"b", ec.ECDSA(hashes.SHA256()))


def test_a_key_is_the_same_one_after_a_restart(tokens: Tokens) -> None:
    tokens.add_key("second")
    first, second = TokenSigner(tokens.place()).keyid, None
    pkcs11.lib(str(tokens.hsm.library)).finalize()
    assert TokenSigner(tokens.place()).keyid == first
    pkcs11.lib(str(tokens.hsm.library)).finalize()
    second = TokenSigner(tokens.place(key="second")).keyid
    assert second != first


def _give(tokens: Tokens, pin: str) -> None:
    tokens.pin_file.write_text(pin)


def _swap_halves(tokens: Tokens) -> None:
    tokens.add_key("second")
    token = pkcs11.lib(str(tokens.hsm.library)).get_token(token_label=LABEL)
    with token.open(rw=True, user_pin=PIN) as session:
        for label in ("first", "second"):
            kind = ObjectClass.PUBLIC_KEY if label == "first" else ObjectClass.PRIVATE_KEY
            session.get_key(object_class=kind, label=label).destroy()
        session.get_key(object_class=ObjectClass.PUBLIC_KEY, label="second")[Attribute.LABEL] = "first"


_FAULTS: dict[str, tuple[Callable[[Tokens], object], dict[str, Any], str]] = {
    "no library": (lambda _: None, {"module": "/nowhere.so"}, "/nowhere.so can't be loaded as a PKCS#11 library"),
    "a library of another kind": (lambda _: None, {"module": "/etc/hosts"}, "/etc/hosts can't be loaded"),
    "no token": (lambda _: None, {"token": "other"}, "the token other is not there"),
    "a token pulled": (Tokens.pull, {}, "can't be loaded|is not there"),
    "two of one label": (Tokens.make, {}, "has a label that several tokens have"),
    "a wrong PIN": (lambda tokens: _give(tokens, "9999"), {}, "does not take the PIN in"),
    "no PIN": (lambda tokens: _give(tokens, ""), {}, "does not take the PIN in"),
    "a PIN that others may read": (lambda tokens: tokens.pin_file.chmod(0o644), {}, "must have mode 0600"),
    "no file of the PIN": (lambda tokens: tokens.pin_file.unlink(), {}, "can't be read"),
    "no such key": (lambda _: None, {"key": "none"}, "has not exactly one EC key pair named none"),
    "two keys of one name": (Tokens.add_key, {}, "has not exactly one EC key pair named first"),
    "another curve": (lambda tokens: tokens.add_key("wide", "secp384r1"), {"key": "wide"}, "is not P-256"),
    "halves of two keys": (_swap_halves, {}, "does not fit its public key"),
}


@pytest.mark.parametrize("fault", _FAULTS)
def test_a_token_that_can_not_sign_is_refused_in_one_line(tokens: Tokens, fault: str) -> None:
    do, fields, said = _FAULTS[fault]
    do(tokens)
    # A process of its own sees the token as it is; this one may have met it already.
    with suppress(pkcs11.PKCS11Error):
        pkcs11.lib(str(tokens.hsm.library)).finalize()
    with pytest.raises(KeyFileError, match=said) as caught:
        TokenSigner(tokens.place(**fields))
    assert "\n" not in str(caught.value)
    assert PIN not in str(caught.value)


def test_a_token_that_went_away_signs_nothing_and_one_that_came_back_signs_again(tokens: Tokens) -> None:
    signer = TokenSigner(tokens.place())
    tokens.pull()
    for _ in range(3):
        with pytest.raises(SignerError):
            signer.sign(b"a")
    tokens.put_back()
    signer.public_key.verify(signer.sign(b"a"), b"a", ec.ECDSA(hashes.SHA256()))


def test_a_pin_that_was_refused_is_not_tried_again(tokens: Tokens) -> None:
    signer = TokenSigner(tokens.place())
    tokens.pull()
    with pytest.raises(SignerError):
        signer.sign(b"a")
    tokens.put_back()
    _give(tokens, "9999")
    for pin in ("9999", PIN):
        _give(tokens, pin)
        with pytest.raises(SignerError, match="does not take the PIN"):
            signer.sign(b"a")


def test_another_key_under_the_same_name_does_not_sign(tokens: Tokens, folder: Path) -> None:
    library = pkcs11.lib(str(tokens.hsm.library))
    tokens.pull()
    tokens.folder.mkdir()
    library.finalize()
    tokens.make()
    tokens.add_key()
    library.finalize()
    tokens.folder.rename(folder / "another")
    tokens.put_back()
    signer = TokenSigner(tokens.place())
    tokens.pull()
    (folder / "another").rename(tokens.folder)
    with pytest.raises(SignerError, match="another key"):
        signer.sign(b"a")


async def test_the_stored_envelope_wins_over_a_new_random_signature(
    tokens: Tokens, folder: Path, log_signer: LogSigner
) -> None:
    signer = TokenSigner(tokens.place())
    assert signer.sign(b"a") != signer.sign(b"a")
    notary = open_notary(folder, signer, log_signer)
    notary.start()
    first = await notary.sign(record())
    again = await asyncio.gather(*(notary.sign(record()) for _ in range(20)), *(notary.sign(record(2)) for _ in "ab"))
    assert {bundle.dumps(proof) for proof in again[:20]} == {bundle.dumps(first)}
    assert again[20] == again[21] != first
    assert dsse.signature_holds(first.envelope, signer.public_key)
    await notary.stop()


async def test_while_the_token_is_away_no_proof_is_made_and_none_is_lost(
    tokens: Tokens, folder: Path, log_signer: LogSigner
) -> None:
    signer = TokenSigner(tokens.place())
    notary = open_notary(folder, signer, log_signer)
    notary.start()
    proofs: list[Bundle] = [await notary.sign(record(0))]
    tokens.pull()
    outcomes = await asyncio.gather(*(notary.sign(record(number)) for number in range(1, 9)), return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [SignerError] * 8
    assert await notary.read(Archive.get, record(0).request_id) == proofs[0]
    assert await notary.read(Archive.get, record(1).request_id) is None
    tokens.put_back()
    proofs += [await notary.sign(record(number)) for number in range(1, 9)]
    assert await notary.read(Archive.size) == 9
    believed = await notary.read(Archive.trust)
    assert all(verify.verified(verify.verify(bundle.to_object(proof), believed, None)) for proof in proofs)
    await notary.stop()


async def test_the_service_signs_with_a_token_and_says_unavailable_without_it(
    tokens: Tokens, folder: Path, start: Start
) -> None:
    await start(**tokens.settings())
    async with connected(folder) as stub:
        good = await stub.Sign(sign_request(record()), wait_for_ready=True)
        tokens.pull()
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Sign(sign_request(record(2)))
        assert (caught.value.code(), caught.value.details()) == (
            grpc.StatusCode.UNAVAILABLE,
            "the signing key is out of reach",
        )
        found = await stub.Get(proof_pb2.GetRequest(id=record().request_id))
        assert (found.verified, found.entry.keyid) == (True, good.keyid)
        tokens.put_back()
        assert (await stub.Sign(sign_request(record(2)))).keyid == good.keyid
    log = (folder / "log").read_text()
    assert log.count("signer_failed") == 1
    assert "Traceback" not in log
    assert PIN not in log


async def test_without_its_token_the_service_does_not_start_and_says_so(
    tokens: Tokens, folder: Path, start: Start
) -> None:
    _give(tokens, "9999")
    status, line = await told(folder, await start(**tokens.settings()))
    assert (status, line) == (1, f"proof: the token {LABEL} does not take the PIN in {tokens.pin_file}")
    del_one = {name: value for name, value in tokens.settings().items() if not name.endswith("PIN_FILE")}
    status, line = await told(folder, await start(**del_one))
    assert status == 78
    assert "must be set together" in line


def test_nobody_else_loads_the_library() -> None:
    program = "import sys, proof.__main__; sys.exit(any(name.startswith('pkcs11') for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
