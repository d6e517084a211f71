"""`python -m proof`: reads the settings, opens key and store, serves."""

from __future__ import annotations

import time
from functools import partial
from importlib.metadata import version
from pathlib import Path  # noqa: TC003 - pydantic reads the annotation

from chassis import telemetry
from chassis.config import Address, Settings, load, private_folder
from chassis.server import Server, StartError, run
from openprysm.proof.v2 import idempotency_pb2_grpc, proof_pb2_grpc
from proof.idempotency import Slots, SlotStore
from proof.idempotency_service import SERVICE as IDEMPOTENCY
from proof.idempotency_service import IdempotencyServicer
from proof.keys import FileSigner, KeyFileError, ensure_key_file
from proof.notary import Notary
from proof.service import SERVICE, ProofServicer
from proof.storage import StorageError, Store


class ProofSettings(Settings):
    """What the proof service reads."""

    proof_listen: Address | None = None
    #: PEM of the signing key; default `proof-key.pem` in the state folder, made at first start.
    proof_key: Path | None = None
    #: SQLite file; default `proof.db` in the state folder. The slots of idempotency keys are in a file beside it.
    proof_db: Path | None = None


async def _main(settings: ProofSettings) -> None:
    state = private_folder(settings.state.absolute())
    key_file = settings.proof_key or state / "proof-key.pem"
    database = settings.proof_db or state / "proof.db"
    try:
        if settings.proof_key is None:
            ensure_key_file(key_file)
        notary = Notary(FileSigner(key_file), partial(Store, database))
        slots = Slots(SlotStore(database.with_name(f"{database.stem}-idempotency.db"), time.time))
    except (KeyFileError, StorageError) as error:
        raise StartError(str(error)) from error
    provider = telemetry.configure("proof", version("openprysm"))
    server = Server("proof", settings.proof_listen or settings.socket("proof"), settings, provider)
    # The methods that are still abstract come with the log; until then they answer UNIMPLEMENTED.
    servicer = ProofServicer(notary, server.spans)  # type: ignore[abstract]
    proof_pb2_grpc.add_ProofServiceServicer_to_server(servicer, server.grpc)
    idempotency_pb2_grpc.add_IdempotencyServiceServicer_to_server(IdempotencyServicer(slots), server.grpc)
    notary.start()
    slots.start()
    try:
        await server.serve((SERVICE, IDEMPOTENCY))
    finally:
        await slots.stop()
        await notary.stop()


if __name__ == "__main__":
    SETTINGS = load(ProofSettings)
    run("proof", SETTINGS, partial(_main, SETTINGS))
