"""`python -m proof`: reads the settings, opens keys and store, serves."""

from __future__ import annotations

import os
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path  # noqa: TC003 - pydantic reads the annotation
from typing import Annotated

from pydantic import Field

from chassis import telemetry
from chassis.config import Address, load, private_folder
from chassis.server import Server, StartError, run
from openprysm.proof.v2 import idempotency_pb2_grpc, proof_pb2_grpc
from proof.anchor import Anchor
from proof.databases import DatabaseSettings, backend, first_store
from proof.idempotency import Slots
from proof.idempotency_service import SERVICE as IDEMPOTENCY
from proof.idempotency_service import IdempotencyServicer
from proof.key_settings import KeySettings, open_keyring
from proof.keys import KeyFileError, LogSigner, ensure_log_key_file
from proof.notary import Notary
from proof.service import SERVICE, SIGN, ProofServicer
from proof.storage import DiskError, StorageError, UnavailableError


class ProofSettings(DatabaseSettings, KeySettings):
    """What the proof service reads."""

    proof_listen: Address | None = None
    #: PEM of the log's key; default `log-key.pem` in the state folder, made with a new log.
    log_key: Path | None = None
    #: Name of the log: the host under which verifiers know it. Fixed for ever at the first start.
    log_origin: Annotated[str, Field(pattern=r"^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$")] = "localhost"
    #: File outside of the database with the newest checkpoint; default `log-checkpoint` in the state folder.
    log_checkpoint: Path | None = None


def _die() -> None:
    os._exit(os.EX_IOERR)


async def _main(settings: ProofSettings) -> None:
    state = private_folder(settings.state.absolute())
    try:
        keyring = open_keyring(settings, state)
        log_key = settings.log_key or state / "log-key.pem"
        database = backend(settings)
        store = first_store(database)
        if settings.log_key is None and store.log() is None:
            ensure_log_key_file(log_key)
        store.close()
        log_signer = LogSigner(log_key, settings.log_origin)
        if settings.log_key is None:  # for whoever may read the folder, as the proof key's public half
            log_key.with_suffix(".vkey").write_text(log_signer.key.vkey + "\n")
        anchor = Anchor(settings.log_checkpoint or state / "log-checkpoint", log_signer.key)
        notary = Notary(keyring, log_signer, database, anchor, time.time, _die)
        slots = Slots(database.slots())
    except DiskError as error:
        raise StartError("the disk is full or failed") from error
    except (KeyFileError, StorageError, UnavailableError) as error:
        raise StartError(str(error)) from error
    tracing = telemetry.configure("proof", version("openprysm"))
    address = settings.proof_listen or settings.socket("proof")
    server = Server("proof", address, settings, tracing, internal=(SIGN, f"/{IDEMPOTENCY}/"))
    notary.count(server.meter)
    proof_pb2_grpc.add_ProofServiceServicer_to_server(ProofServicer(notary, server.spans), server.grpc)
    idempotency_pb2_grpc.add_IdempotencyServiceServicer_to_server(IdempotencyServicer(slots, server.meter), server.grpc)
    notary.start(server.report)
    slots.start()
    try:
        await server.serve((SERVICE, IDEMPOTENCY))
    finally:
        await slots.stop()
        await notary.stop()


if __name__ == "__main__":
    SETTINGS = load(ProofSettings)
    run("proof", SETTINGS, partial(_main, SETTINGS))
