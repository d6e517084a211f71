"""`python -m executor`: reads the settings, connects, serves."""

from __future__ import annotations

import random
import secrets
import time
from contextlib import AsyncExitStack
from functools import partial
from importlib.metadata import version

from chassis import client, identity, telemetry
from chassis.config import load, private_folder
from chassis.server import Server, StartError, run
from executor import calibration
from executor.breaker import Breakers
from executor.edges import Edges
from executor.fleet import Fleet
from executor.hedging import Hedges
from executor.idempotency import Once
from executor.measure import by_vectors
from executor.metering import watch_breakers, watch_outbox
from executor.orchestrate import Chance, Orchestrator
from executor.outbox import Outbox
from executor.peers import PlannerPeer, ProofPeer, SlotsPeer
from executor.recording import RecordingError
from executor.recovery import Recovery
from executor.service import PROTECTED, SERVICES, ExecutorServicer, OrchestrationServicer
from executor.settings import ExecutorSettings
from openprysm.executor.v1 import executor_pb2_grpc
from openprysm.orchestration.v2 import orchestration_pb2_grpc


async def _main(settings: ExecutorSettings) -> None:
    state = private_folder(settings.state.absolute())
    try:
        pepper = identity.load_pepper(settings.key_pepper_file or state / "key-pepper")
    except ValueError as error:
        raise StartError(str(error)) from error
    keys = identity.Keys(settings.keys_file or state / "keys.json", pepper)
    try:
        outbox = Outbox(private_folder(settings.outbox or state / "outbox"), settings.outbox_bytes)
    except OSError as error:
        raise StartError(f"the outbox can't be used: {error}") from error
    tracing = telemetry.configure("executor", version("openprysm"))
    address = settings.executor_listen or settings.socket("executor")
    server = Server("executor", address, settings, tracing, keys, PROTECTED)
    breakers = Breakers(time.monotonic)
    watch_breakers(server.meter, breakers)
    watch_outbox(server.meter, outbox.backlog)
    async with AsyncExitStack() as stack:
        try:
            calibrated = calibration.load(settings.evidence)
            fleet = await stack.enter_async_context(Fleet(settings, breakers))
        except (calibration.CalibrationError, RecordingError) as error:
            raise StartError(str(error)) from error
        planner = await stack.enter_async_context(
            client.channel(settings.planner or settings.socket("planner"), settings)
        )
        proof = await stack.enter_async_context(client.channel(settings.proof or settings.socket("proof"), settings))
        measure = by_vectors(fleet.embed, settings.embeddings_same) if fleet.embed else None
        dice = random.SystemRandom()
        texts = settings.trace_content
        edges = Edges(
            fleet.provider_of, breakers, Hedges(), server.spans, time.monotonic, dice, measure, calibrated, texts
        )
        notary = await stack.enter_async_context(Recovery(ProofPeer(proof, version("openprysm")), outbox, dice))
        chance = Chance(secrets.token_bytes, time.time)
        orchestrator = Orchestrator(PlannerPeer(planner), notary, fleet.offer, edges, chance)
        once = await stack.enter_async_context(
            Once(SlotsPeer(proof, secrets.token_bytes), time.monotonic, secrets.token_bytes)
        )
        timeout_s = settings.request_timeout_s
        servicer = OrchestrationServicer(orchestrator, once, edges, timeout_s, server.meter)
        orchestration_pb2_grpc.add_OrchestrationServiceServicer_to_server(servicer, server.grpc)
        orchestration_pb2_grpc.add_OrchestrationStreamServiceServicer_to_server(servicer, server.grpc)
        internal = ExecutorServicer(edges, timeout_s, server.meter)
        executor_pb2_grpc.add_ExecutorServiceServicer_to_server(internal, server.grpc)
        await server.serve(SERVICES)


if __name__ == "__main__":
    SETTINGS = load(ExecutorSettings)
    run("executor", SETTINGS, partial(_main, SETTINGS))
