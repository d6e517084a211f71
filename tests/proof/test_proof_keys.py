"""The operator's commands about the keys that sign proofs, on a service that runs."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest

from openprysm.proof.v2 import proof_pb2
from proof.keys import FileSigner, ensure_key_file
from proof.rotation import LEAD_S

from .processes import connected, told
from .records import record
from .wire import sign_request

if TYPE_CHECKING:
    from pathlib import Path

    from openprysm.proof.v2 import proof_pb2_grpc

    from .processes import Start


async def command(folder: Path, *words: str, **settings: str) -> tuple[int, str]:
    """Return the exit status and what was said."""
    environment = {**os.environ, "OPENPRYSM_STATE": str(folder), "COLUMNS": "200", **settings}
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-m", "cli", "proof-keys", *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


async def states(folder: Path) -> list[list[str]]:
    """Return state and first entry of each key."""
    status, said = await command(folder, "list")
    assert status == 0, said
    return [line.split()[1:] for line in said.splitlines()[1:]]


async def sign(stub: proof_pb2_grpc.ProofServiceStub, number: int) -> str:
    answer = await stub.Sign(sign_request(record(number)), wait_for_ready=True)
    return str(answer.keyid)


async def published(stub: proof_pb2_grpc.ProofServiceStub) -> dict[str, Any]:
    answer = await stub.GetTrust(proof_pb2.GetTrustRequest(name="jwks.json"))
    return {key["kid"]: key for key in json.loads(answer.data)["keys"]}


async def test_a_service_that_runs_takes_the_next_key_when_its_operator_says_so(folder: Path, start: Start) -> None:
    await start()
    async with connected(folder) as stub:
        first = await sign(stub, 0)
        second = FileSigner(folder / "proof-key.next.pem").keyid
        assert set(await published(stub)) == {first, second}
        assert sorted(await states(folder)) == [["next"], ["signs", "0"]]
        status, said = await command(folder, "rotate")
        assert (status, "is published for a week in 7.0 days; --fresh" in said) == (1, True), said
        week_ago = time.time() - LEAD_S - 60
        os.utime(folder / "proof-key.next.pem", (week_ago, week_ago))
        status, said = await command(folder, "rotate")
        assert status == 0, said
        assert [await sign(stub, 0), await sign(stub, 1)] == [first, second]
        assert sorted(await states(folder)) == [["next"], ["retired", "0"], ["signs", "1"]]
        assert set(await published(stub)) >= {first, second}
        for number in (0, 1):
            assert (await stub.Get(proof_pb2.GetRequest(id=record(number).request_id))).verified


async def test_stolen_keys_are_revoked_and_replaced_while_the_service_runs(folder: Path, start: Start) -> None:
    await start()
    async with connected(folder) as stub:
        stolen = await sign(stub, 0)
        environment = {**os.environ, "OPENPRYSM_STATE": str(folder)}
        revoke = [sys.executable, "-m", "cli", "revoke-key", stolen]
        assert (await asyncio.to_thread(subprocess.run, revoke, env=environment, check=False)).returncode == 0
        assert (await command(folder, "rotate", "--fresh"))[0] == 0
        new = await sign(stub, 1)
        assert new != stolen
        assert (await published(stub))[stolen]["revoked_from"] == 1
        assert ["revoked", "from", "entry", "1", "on", "0"] in await states(folder)
        assert (await stub.Get(proof_pb2.GetRequest(id=record(0).request_id))).verified


async def test_an_operators_own_key_is_followed_and_its_next_one_published(folder: Path, start: Start) -> None:
    for name in ("mine.pem", "later.pem"):
        ensure_key_file(folder / "made" / name)
    names = [FileSigner(folder / "made" / name).keyid for name in ("mine.pem", "later.pem")]
    settings = {
        "OPENPRYSM_PROOF_KEY": str(folder / "made" / "mine.pem"),
        "OPENPRYSM_PROOF_KEY_NEXT": str(folder / "made" / "later.pub.pem"),
    }
    await start(**settings)
    async with connected(folder) as stub:
        assert await sign(stub, 0) == names[0]
        assert list(await published(stub)) == names
        (folder / "made" / "later.pem").replace(folder / "made" / "mine.pem")
        assert await sign(stub, 1) == names[1]
        (folder / "made" / "mine.pem").chmod(0o644)
        assert await sign(stub, 2) == names[1]
    assert (folder / "log").read_text().count("key_file_not_taken") == 1
    assert not (folder / "proof-key.pem").exists()
    assert (folder / "proof-key.pub.pem").exists()
    status, said = await command(folder, "rotate", **settings)
    assert (status, "put another one in its place" in said) == (1, True), said


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"OPENPRYSM_PROOF_KEY_DAYS": "3"}, "must be 0, or at least 7"),
        ({"OPENPRYSM_PROOF_KEY_DAYS": "-1"}, "greater than or equal to 0"),
        ({"OPENPRYSM_PROOF_TOKEN": "a"}, "must be set together"),
        ({"OPENPRYSM_PROOF_KEY": "/nowhere/key.pem"}, "/nowhere/key.pem can't be read"),
    ],
)
async def test_settings_that_make_no_sense_are_refused_in_one_line(
    folder: Path, start: Start, settings: dict[str, str], said: str
) -> None:
    status, line = await told(folder, await start(**settings))
    assert (status > 0, said in line) == (True, True), line


async def test_without_a_store_there_is_nothing_to_list_or_rotate(folder: Path) -> None:
    for words in (("list",), ("rotate",), ("rotate", "--fresh")):
        status, said = await command(folder, *words)
        assert (status, said.count("\n"), "does not exist" in said) == (1, 1, True), said
