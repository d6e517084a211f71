"""A stranger checks a proof with what the gateway publishes, and watches the log."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import aiohttp
import pytest

from proof import bundle, merkle, note, tiles
from system.suite import OPENPRYSM

if TYPE_CHECKING:
    from pathlib import Path

    from system.suite import Suite

pytestmark = pytest.mark.system


async def fetch(suite: Suite, path: str) -> bytes:
    async with aiohttp.ClientSession() as client, client.get(f"{suite.url}{path}") as response:
        assert response.status == 200, await response.text()
        return await response.read()


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([OPENPRYSM, *words], capture_output=True, text=True, timeout=60, check=False)


async def test_the_command_line_needs_no_more_than_what_is_published(suite: Suite, tmp_path: Path) -> None:
    body = await suite.ask("canary-prompt, what is the capital of France?")
    kept = body["prysm"]["proof"]
    files = {name: tmp_path / name for name in ("proof", "root", "jwks", "transcript")}
    files["proof"].write_bytes(await fetch(suite, kept["verify_url"]))
    files["root"].write_bytes(await fetch(suite, "/.well-known/prysm/trusted_root.json"))
    files["jwks"].write_bytes(await fetch(suite, "/.well-known/jwks.json"))
    files["transcript"].write_text(kept["transcript"])
    root = ("--trusted-root", str(files["root"]), "--transcript", str(files["transcript"]))
    for trusted in (root, (*root, "--key", str(files["jwks"]))):
        good = run("verify", str(files["proof"]), *trusted)
        assert (good.returncode, good.stdout.count("ok  "), "proof verified" in good.stdout) == (0, 9, True), good
    changed = json.loads(files["proof"].read_text())
    del changed["proof"]["verificationMaterial"]["tlogEntries"]
    files["proof"].write_text(json.dumps(changed))
    bad = run("verify", str(files["proof"]), *root, "--key", str(files["jwks"]))
    assert (bad.returncode, "5. FAIL log entry" in bad.stdout) == (1, True), bad
    nothing, text = tmp_path / "nothing", files["transcript"]
    for words in (
        [str(files["proof"])],  # nobody to trust
        [str(nothing), *root],
        [str(files["proof"]), "--trusted-root", str(nothing)],
        [str(files["proof"]), "--trusted-root", str(text)],
        [str(files["proof"]), "--key", str(text)],
        [str(files["root"]), "--key", str(files["root"])],
    ):
        wrong = run("verify", *words)
        assert (wrong.returncode, wrong.stderr.count("\n"), wrong.stderr[:11]) == (1, 1, "openprysm: "), wrong


async def test_a_proof_is_an_entry_of_the_log_that_the_gateway_shows(suite: Suite) -> None:
    body = await suite.ask()
    kept = body["prysm"]["proof"]
    key = note.LogKey.from_vkey((await fetch(suite, "/log.vkey")).decode())
    told = note.verify(kept["checkpoint"], key)
    newest = note.verify((await fetch(suite, "/checkpoint")).decode(), key)
    assert kept["log_index"] < told.size == kept["tree_size"] <= newest.size
    answer = json.loads(await fetch(suite, f"/v1/consistency/{told.size}/{newest.size}"))
    path = [bundle._raw(text) for text in answer["hashes"]]
    assert merkle.extends(told.size, newest.size, told.root, newest.root, path)
    number, place = divmod(kept["log_index"], tiles.WIDTH)
    width = min(tiles.WIDTH, newest.size - number * tiles.WIDTH)
    hashes = await fetch(suite, f"/tile/{tiles.path_of(tiles.Tile(0, number, width))}")
    entries = tiles.unbundle_entries(await fetch(suite, f"/tile/{tiles.path_of(tiles.Tile(None, number, width))}"))
    assert [merkle.leaf_hash(entry) for entry in entries] == [
        hashes[start : start + 32] for start in range(0, len(hashes), 32)
    ]
    public = bundle.read(json.loads(await fetch(suite, kept["verify_url"]))["proof"])
    assert public.entry is not None
    assert public.entry.body == entries[place]


async def test_the_gateway_checks_a_proof_for_whoever_asks(suite: Suite) -> None:
    body = await suite.ask()
    kept = body["prysm"]["proof"]
    public = json.loads(await fetch(suite, kept["verify_url"]))
    for transcript, verified in ((kept["transcript"], True), (kept["transcript"] + " ", False)):
        given = json.dumps({"proof": public["proof"], "transcript": transcript})
        async with (
            aiohttp.ClientSession() as client,
            client.post(f"{suite.url}/v1/proof/verify", data=given) as response,
        ):
            answer = await response.json()
        assert answer["verified"] == verified
        assert len(answer["checks"]) == 9
        assert ("fail" in {check["status"] for check in answer["checks"]}) != verified


async def test_the_audit_reads_a_log_that_is_in_use(suite: Suite) -> None:
    await suite.ask()
    good = run("audit", str(suite.state / "proof.db"), "--checkpoint", str(suite.state / "log-checkpoint"))
    assert (good.returncode, "the log holds" in good.stdout) == (0, True), good
    none = run("audit", str(suite.state / "nothing.db"))
    assert (none.returncode, none.stderr.count("\n")) == (1, 1)


async def test_nothing_that_the_log_shows_tells_of_prompt_answer_key_or_nonce(suite: Suite) -> None:
    body = await suite.ask("canary-prompt, what is the capital of France?")
    newest = (await fetch(suite, "/checkpoint")).decode()
    size = int(newest.split("\n")[1])
    shown = newest.encode()
    for start in range(0, size, tiles.WIDTH):
        tile = tiles.Tile(None, start // tiles.WIDTH, min(tiles.WIDTH, size - start))
        shown += await fetch(suite, f"/tile/{tiles.path_of(tile)}")
    shown += await fetch(suite, body["prysm"]["proof"]["verify_url"])
    for secret in ("canary", "Paris", suite.key.split("_", 3)[3], body["prysm"]["proof"]["nonce"]):
        assert secret.encode() not in shown


async def test_whoever_holds_a_document_is_told_that_it_is_still_the_same(suite: Suite) -> None:
    await suite.ask()
    caching = {
        "/.well-known/jwks.json": "public, max-age=300",
        "/.well-known/prysm/trusted_root.json": "public, max-age=300",
        "/log.vkey": "public, max-age=300",
        "/checkpoint": "no-cache",
        "/tile/0/000.p/1": "public, max-age=31536000, immutable",
    }
    async with aiohttp.ClientSession() as client:
        for path, control in caching.items():
            async with client.get(f"{suite.url}{path}") as first:
                body, etag = await first.read(), first.headers["etag"]
                assert (first.status, first.headers["cache-control"]) == (200, control)
            for held in (etag, f"W/{etag}", f'"other", {etag}', "*"):
                async with client.get(f"{suite.url}{path}", headers={"if-none-match": held}) as again:
                    assert (again.status, await again.read()) == (304, b""), path
                    assert (again.headers["etag"], again.headers["cache-control"]) == (etag, control)
                    assert again.headers["x-request-id"]
            async with client.get(f"{suite.url}{path}", headers={"if-none-match": '"other"'}) as other:
                assert (other.status, await other.read()) == (200, body)
        await suite.ask()
        headers = {"if-none-match": etag}
        async with client.get(f"{suite.url}/checkpoint") as first:
            headers = {"if-none-match": first.headers["etag"]}
        await suite.ask()
        async with client.get(f"{suite.url}/checkpoint", headers=headers) as newer:
            assert newer.status == 200
        async with client.get(f"{suite.url}/tile/0/x000", headers={"if-none-match": "*"}) as missing:
            assert (missing.status, (await missing.json())["detail"]["error"]) == (404, "not_found")
