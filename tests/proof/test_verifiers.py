"""Verifiers that we did not write accept our proofs, and reject what ours rejects."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shutil
import subprocess
from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio
from securesystemslib import dsse as other
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer import SSlibKey  # type: ignore[attr-defined] # exported all the same

from proof import bundle, dsse, entry, trust, verify
from proof.keys import FileSigner, LogSigner, ensure_key_file, ensure_log_key_file, to_pem
from proof.trust import SigningKey, Trust

from .notaries import open_notary
from .records import record

if TYPE_CHECKING:
    from collections.abc import Callable

#: Newer ones want another Node; what Node 20 picks by itself knows no hashedrekord 0.0.2.
_PACKAGE = "@sigstore/verify@4.1.3"
_TRANSCRIPT = json.dumps({"request_id": record().request_id}).encode()
_PROOFS = 6


@dataclass
class Case:
    """What a verifier is given."""

    bundle: dict[str, Any]
    trusted_root: dict[str, Any]
    signer: FileSigner
    transcript: bytes


@dataclass
class Shop:
    """Proofs of one log, and of another that the same key signs for."""

    good: Case
    later: dict[str, Any]
    elsewhere: dict[str, Any]
    elsewhere_root: dict[str, Any]
    stranger: FileSigner


async def _proofs(folder: Path, signer: FileSigner, log_signer: LogSigner) -> list[dict[str, Any]]:
    notary = open_notary(folder, signer, log_signer)
    notary.start()
    mine = record(transcript_sha256=hashlib.sha256(_TRANSCRIPT).digest())
    proofs = [await notary.sign(one) for one in (*(record(number) for number in range(2, _PROOFS)), mine)]
    await notary.stop()
    return [bundle.to_object(proof) for proof in proofs]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def shop(tmp_path_factory: pytest.TempPathFactory, signer: FileSigner, log_signer: LogSigner) -> Shop:
    folders = [tmp_path_factory.mktemp(name) for name in ("here", "there")]
    ensure_log_key_file(folders[1] / "log.pem")
    ensure_key_file(folders[1] / "key.pem")
    there = LogSigner(folders[1] / "log.pem", "other.example")
    first = await _proofs(folders[0], signer, log_signer)
    second = await _proofs(folders[1], signer, there)
    roots = [json.loads(trust.trusted_root(log.key, 1_790_000_000)) for log in (log_signer, there)]
    good = Case(first[-1], roots[0], signer, _TRANSCRIPT)
    return Shop(good, first[1], second[-1], roots[1], FileSigner(folders[1] / "key.pem"))


@pytest.fixture(scope="session")
def sigstore(request: pytest.FixtureRequest) -> Callable[[list[Case]], list[str]]:
    """Return @sigstore/verify, installed once below .pytest_cache."""
    if not shutil.which("npm"):
        pytest.skip("npm is not installed")
    folder = request.config.cache.mkdir("sigstore-verify-4.1.3")
    if not (folder / "node_modules" / "@sigstore" / "verify").exists():
        command = [
            "npm",
            "install",
            "--prefix",
            str(folder),
            "--no-package-lock",
            "--no-save",
            "--no-audit",
            "--no-fund",
        ]
        done = subprocess.run([*command, _PACKAGE], check=False, capture_output=True, timeout=120)
        if done.returncode and not os.environ.get("CI"):
            pytest.skip(f"npm can't install {_PACKAGE}; is its registry within reach?")
        assert not done.returncode, done.stderr.decode()[-500:]
    script = folder / "sigstore.cjs"  # beside what it requires
    shutil.copy(Path(__file__).with_name("sigstore.cjs"), script)

    def run(cases: list[Case]) -> list[str]:
        given = [
            {
                "bundle": case.bundle,
                "trustedRoot": case.trusted_root,
                "key": base64.b64encode(entry.spki(case.signer.public_key)).decode(),
                # Whoever trusts one key takes it for whatever the proof names.
                "hint": case.bundle["verificationMaterial"]["publicKey"]["hint"],
                "transcript": case.transcript.decode(),
            }
            for case in cases
        ]
        done = subprocess.run(["node", str(script)], input=json.dumps(given).encode(), capture_output=True, check=True)
        verdicts: list[str] = json.loads(done.stdout)
        return verdicts

    return run


def ours(case: Case) -> bool:
    believed = Trust(
        {case.signer.keyid: SigningKey(case.signer.public_key)},
        trust.read_trusted_root(json.dumps(case.trusted_root).encode()),
    )
    return verify.verified(verify.verify(case.bundle, believed, case.transcript))


def flipped(text: str, bit: int) -> str:
    raw = bytearray(base64.b64decode(text))
    raw[bit // 8] ^= 1 << bit % 8
    return base64.b64encode(raw).decode()


def _log_entry(case: Case) -> Any:
    return case.bundle["verificationMaterial"]["tlogEntries"][0]


def _flip_payload(case: Case, _: Shop) -> None:
    envelope = case.bundle["dsseEnvelope"]
    envelope["payload"] = flipped(envelope["payload"], 8 * 700)


def _flip_signature(case: Case, _: Shop) -> None:
    (signature,) = case.bundle["dsseEnvelope"]["signatures"]
    signature["sig"] = flipped(signature["sig"], 8 * 20)


def _swap_envelope(case: Case, shop: Shop) -> None:
    case.bundle["dsseEnvelope"] = shop.later["dsseEnvelope"]


def _swap_entry(case: Case, shop: Shop) -> None:
    case.bundle["verificationMaterial"]["tlogEntries"] = shop.later["verificationMaterial"]["tlogEntries"]


def _other_key(case: Case, shop: Shop) -> None:
    case.signer = shop.stranger


def _signed_by_other_key(case: Case, shop: Shop) -> None:
    envelope = case.bundle["dsseEnvelope"]
    signature = shop.stranger.sign(dsse.pae(base64.b64decode(envelope["payload"])))
    envelope["signatures"][0]["sig"] = base64.b64encode(signature).decode()


def _other_shard(case: Case, shop: Shop) -> None:
    theirs = shop.elsewhere["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]
    _log_entry(case)["inclusionProof"]["checkpoint"] = theirs["checkpoint"]


def _other_log_trusted(case: Case, shop: Shop) -> None:
    case.trusted_root = shop.elsewhere_root


def _truncated_path(case: Case, _: Shop) -> None:
    _log_entry(case)["inclusionProof"]["hashes"].pop()


def _flip_path(case: Case, _: Shop) -> None:
    hashes = _log_entry(case)["inclusionProof"]["hashes"]
    hashes[0] = flipped(hashes[0], 9)


def _flip_checkpoint(case: Case, _: Shop) -> None:
    note = _log_entry(case)["inclusionProof"]["checkpoint"]
    note["envelope"] = note["envelope"].replace(f"\n{_PROOFS - 1}\n", f"\n{_PROOFS}\n", 1)


def _other_root(case: Case, _: Shop) -> None:
    proof = _log_entry(case)["inclusionProof"]
    proof["rootHash"] = flipped(proof["rootHash"], 9)


def _other_log_id(case: Case, _: Shop) -> None:
    named = _log_entry(case)["logId"]
    named["keyId"] = flipped(named["keyId"], 9)


def _missing_entry(case: Case, _: Shop) -> None:
    del case.bundle["verificationMaterial"]["tlogEntries"]


def _wrong_subject(case: Case, _: Shop) -> None:
    case.transcript += b" "


FAULTS = {
    fault.__name__.removeprefix("_"): fault
    for fault in (
        *(_flip_payload, _flip_signature, _swap_envelope, _swap_entry, _other_key, _signed_by_other_key, _other_shard),
        *(
            _other_log_trusted,
            _truncated_path,
            _flip_path,
            _flip_checkpoint,
            _other_root,
            _other_log_id,
            _missing_entry,
            _wrong_subject,
        ),
    )
}


def broken(shop: Shop, fault: str) -> Case:
    case = deepcopy(shop.good)
    FAULTS[fault](case, shop)
    return case


@pytest.mark.asyncio(loop_scope="module")
async def test_sigstores_verifier_and_ours_accept_good_proofs_and_reject_the_same_faults(
    shop: Shop, sigstore: Callable[[list[Case]], list[str]]
) -> None:
    cases = [shop.good, *(broken(shop, fault) for fault in FAULTS)]
    theirs = dict(zip(["good", *FAULTS], sigstore(cases), strict=True))
    accepted = {name for name, verdict in theirs.items() if verdict == "ok"}
    # Theirs takes the root from the checkpoint alone, and never reads the one beside the path.
    assert accepted == {"good", "other_root"}
    assert [ours(case) for case in cases] == [True] + [False] * len(FAULTS)


@pytest.mark.asyncio(loop_scope="module")
async def test_securesystemslib_and_openssl_reject_what_is_wrong_with_the_signature(shop: Shop, tmp_path: Path) -> None:
    def securesystemslib(case: Case) -> bool:
        key = SSlibKey.from_crypto(case.signer.public_key, keyid=case.bundle["dsseEnvelope"]["signatures"][0]["keyid"])
        try:
            other.Envelope.from_dict(deepcopy(case.bundle["dsseEnvelope"])).verify([key], 1)
        except VerificationError:
            return False
        return True

    def openssl(case: Case) -> bool:
        envelope = case.bundle["dsseEnvelope"]
        (tmp_path / "key.pem").write_bytes(to_pem(case.signer.public_key))
        (tmp_path / "signature").write_bytes(base64.b64decode(envelope["signatures"][0]["sig"]))
        command = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature"]
        pae = dsse.pae(base64.b64decode(envelope["payload"]))
        return subprocess.run(command, input=pae, capture_output=True, cwd=tmp_path, check=False).returncode == 0

    for verifier in (securesystemslib, openssl):
        assert verifier(shop.good)
        for fault in ("flip_payload", "flip_signature", "other_key", "signed_by_other_key"):
            assert not verifier(broken(shop, fault)), fault


@pytest.mark.asyncio(loop_scope="module")
async def test_the_trusted_root_alone_is_enough_for_ours(shop: Shop) -> None:
    believed = Trust({}, trust.read_trusted_root(json.dumps(shop.good.trusted_root).encode()))
    checks = verify.verify(shop.good.bundle, believed, _TRANSCRIPT)
    assert [check.status for check in checks] == ["pass"] * 9
    for fault in FAULTS:
        if fault not in {"other_key", "other_log_trusted"}:
            case = broken(shop, fault)
            assert not verify.verified(verify.verify(case.bundle, believed, case.transcript)), fault


@pytest.mark.asyncio(loop_scope="module")
async def test_what_a_revoked_key_signed_holds_only_below_the_bound(shop: Shop) -> None:
    log = trust.read_trusted_root(json.dumps(shop.good.trusted_root).encode())
    index = int(_log_entry(shop.good)["logIndex"])
    signer = shop.good.signer
    for bound, holds in ((index + 1, True), (index, False), (0, False)):
        believed = Trust({signer.keyid: SigningKey(signer.public_key, bound)}, log)
        assert verify.verified(verify.verify(shop.good.bundle, believed, _TRANSCRIPT)) == holds
    without_log = Trust({signer.keyid: SigningKey(signer.public_key, index + 1)})
    assert not verify.verified(verify.verify(shop.good.bundle, without_log, _TRANSCRIPT))
