"""cosign, where one of 3.1 or newer is at hand, on what a real service signs and publishes; it goes nowhere else."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import shutil
import subprocess
from copy import deepcopy
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import pytest_asyncio

from openprysm.proof.v2 import proof_pb2
from proof import statement
from proof.keys import FileSigner, ensure_key_file, to_pem

from .processes import connected, starting
from .records import record
from .test_verifiers import FAULTS, Case, Shop, broken, ours
from .wire import sign_request

if TYPE_CHECKING:
    from collections.abc import Callable

_TRANSCRIPT = json.dumps({"request_id": record().request_id}).encode()
_OLDEST = (3, 1)
#: As many as the faults count on.
_PROOFS = 6


def _version(program: str) -> tuple[int, ...]:
    """Return a cosign's version; Debian's says `devel`, and its package knows."""
    said = subprocess.run([program, "version"], capture_output=True, text=True, check=False, timeout=60).stdout
    found = re.search(r"GitVersion:\s+v?(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else _OLDEST


@pytest.fixture(scope="module")
def cosign() -> str:
    program = os.environ.get("OPENPRYSM_COSIGN") or shutil.which("cosign")
    if not program:
        pytest.skip("no cosign on PATH, and OPENPRYSM_COSIGN names none")
    if _version(program) < _OLDEST:
        pytest.skip("this cosign is older than 3.1 and does not read such bundles")
    return program


async def _served(folder: Path, origin: str) -> tuple[list[dict[str, Any]], dict[str, Any], str]:
    """Return the proofs of a service, the last one of the transcript, its trusted root, and the PEM of its key."""
    mine = record(transcript_sha256=hashlib.sha256(_TRANSCRIPT).digest())
    async with starting(folder) as start, connected(folder) as stub:
        await start(OPENPRYSM_LOG_ORIGIN=origin)
        answers = [
            await stub.Sign(sign_request(one), wait_for_ready=True)
            for one in (*(record(number) for number in range(2, _PROOFS)), mine)
        ]
        root = await stub.GetTrust(proof_pb2.GetTrustRequest(name="prysm/trusted_root.json"))
        name = answers[-1].keyid.removeprefix("SHA256:").replace("+", "-").replace("/", "_")
        pem = await stub.GetTrust(proof_pb2.GetTrustRequest(name=f"prysm/keys/{name}.pem"))
    return [json.loads(answer.bundle) for answer in answers], json.loads(root.data), pem.data.decode()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served(
    cosign: str,  # noqa: ARG001 - without one there is nothing to serve
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[Shop, str]:
    """Return what two services with one key and a log each have signed, and the key as the first one publishes it."""
    here, there, elsewhere = (Path(tmp_path_factory.mktemp(name)) for name in ("a", "b", "c"))
    for folder in (here, there):
        folder.chmod(0o700)
    ensure_key_file(here / "proof-key.pem")
    shutil.copy2(here / "proof-key.pem", there / "proof-key.pem")
    ensure_key_file(elsewhere / "key.pem")
    proofs, root, pem = await _served(here, "proofs.example")
    others, other_root, _ = await _served(there, "other.example")
    good = Case(proofs[-1], root, FileSigner(here / "proof-key.pem"), _TRANSCRIPT)
    return Shop(good, proofs[1], others[-1], other_root, FileSigner(elsewhere / "key.pem")), pem


@pytest.fixture
def verdict(cosign: str, tmp_path: Path) -> Callable[..., str]:
    """Return the command of the documents, cut off from any network: `ok`, or why it refuses."""
    nowhere = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"), "http://127.0.0.1:9")

    def run(case: Case, predicate: str = statement.PREDICATE_TYPE) -> str:
        (tmp_path / "key.pem").write_bytes(to_pem(case.signer.public_key))
        (tmp_path / "bundle.json").write_text(json.dumps(case.bundle))
        (tmp_path / "trusted_root.json").write_text(json.dumps(case.trusted_root))
        (tmp_path / "transcript.json").write_bytes(case.transcript)
        command = [cosign, "verify-blob-attestation", "--key", "key.pem", "--bundle", "bundle.json"]
        command += ["--trusted-root", "trusted_root.json", "--type", predicate, "transcript.json"]
        environment = {**os.environ, **nowhere, "HOME": str(tmp_path)}
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False, timeout=60
        )
        return done.stderr if done.returncode else "ok"

    return run


@pytest.mark.asyncio(loop_scope="module")
async def test_cosign_accepts_a_services_proof_and_rejects_what_ours_rejects(
    served: tuple[Shop, str], verdict: Callable[..., str]
) -> None:
    shop, pem = served
    assert to_pem(shop.good.signer.public_key).decode() == pem
    assert verdict(shop.good) == "ok"
    assert ours(shop.good)
    assert "predicate type" in verdict(shop.good, "https://slsa.dev/provenance/v1")
    cases = {fault: broken(shop, fault) for fault in FAULTS}
    assert not [fault for fault, case in cases.items() if ours(case)]
    # It takes the root from the checkpoint alone, as npm's verifier does.
    assert [fault for fault, case in cases.items() if verdict(case) == "ok"] == ["other_root"]


@pytest.mark.asyncio(loop_scope="module")
async def test_cosign_is_not_disturbed_by_a_witness(served: tuple[Shop, str], verdict: Callable[..., str]) -> None:
    case = deepcopy(served[0].good)
    (logged,) = case.bundle["verificationMaterial"]["tlogEntries"]
    witness = base64.b64encode(b"hash" + b"s" * 72).decode()
    logged["inclusionProof"]["checkpoint"]["envelope"] += f"\u2014 witness.example {witness}\n"
    assert verdict(case) == "ok"
    assert ours(case)
