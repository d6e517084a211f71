"""Three replicas over one PostgreSQL: one log, whoever is killed, paused or set back."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import client
from chassis.errors import ServiceError
from openprysm.proof.v2 import idempotency_pb2, idempotency_pb2_grpc, proof_pb2
from proof.anchor import Anchor
from proof.note import LogKey
from proof.service import SERVICE

from .processes import PATIENCE_S
from .records import record
from .replicas import Crowd, replicas
from .stores import on_postgres
from .test_log_crashes import state_of
from .wire import sign_request

if TYPE_CHECKING:
    from pathlib import Path

    from .replicas import Replica
    from .stores import Postgres

pytestmark = on_postgres

#: `make drill-proof` sets it to 100.
_KILLS = int(os.environ.get("DRILL_KILLS", "4"))
#: Numbers from here on are of records that no crowd asks for.
_APART = 1_000_000


async def test_three_replicas_at_once_write_one_log(database: Postgres, folder: Path) -> None:
    async with replicas(database, folder, 3) as running:
        crowd = Crowd(running)
        async with crowd.busy():
            await crowd.progress(500)
        await crowd.check(database)


async def test_whoever_is_killed_at_any_moment_of_three_replicas_and_their_database_nothing_is_lost(
    database: Postgres, folder: Path
) -> None:
    seed = time.time_ns()
    print(f"seed {seed}")  # noqa: T201 - shown when it fails, and by the drill
    moments = random.Random(seed)  # noqa: S311 - moments
    async with replicas(database, folder, 3) as running:
        crowd = Crowd(running)
        supervisors = [asyncio.create_task(replica.supervise()) for replica in running]
        async with crowd.busy():
            await crowd.progress(50)
            for kill in range(1, _KILLS + 1):
                await asyncio.sleep(moments.uniform(0.0, 0.3))
                if kill % 4 == 0:
                    await asyncio.to_thread(database.server.kill)
                    await asyncio.to_thread(database.server.start)
                else:
                    with suppress(ProcessLookupError):  # it may be just starting again
                        moments.choice(running).process.kill()
                await crowd.progress(20)
                print(f"kill {kill}: {len(crowd.told)} acknowledged")  # noqa: T201 - likewise
        await crowd.check(database)
        for supervisor in supervisors:
            supervisor.cancel()


async def test_others_go_on_when_a_writer_is_paused_with_the_lock_and_it_commits_nothing_stale_when_it_wakes_up(
    database: Postgres, folder: Path
) -> None:
    async with replicas(database, folder, 3, FAULT="pause", FAULT_AFTER="3") as running:
        sleeper, *others = running
        for number in range(3):
            await sleeper.sign(_APART + number)
        asleep = asyncio.create_task(sleeper.sign(_APART + 3))
        async with asyncio.timeout(PATIENCE_S):
            while state_of(sleeper.process.pid) != "T":
                await asyncio.sleep(0.01)
        crowd = Crowd(others)
        async with crowd.busy():
            await crowd.progress(50)
        assert not asleep.done()
        sleeper.process.send_signal(signal.SIGCONT)
        late = await asleep
        assert late.log_entry.log_index >= len(crowd.told)  # behind all of them, on top of what they have signed
        crowd.replicas.append(sleeper)
        crowd.told[record(_APART + 3).request_id] = late
        await crowd.check(database)


def anchored(replica: Replica) -> int:
    """Return the size that the replica's anchor says."""
    key = LogKey.from_vkey((replica.folder / "log-key.vkey").read_text())
    found = Anchor(replica.folder / "log-checkpoint", key).read()
    return found.size if found else 0


async def refusing(replica: Replica) -> None:
    """Wait until the replica refuses to sign."""
    async with asyncio.timeout(PATIENCE_S):
        while "log_refused" not in replica.said:
            await asyncio.sleep(0.05)
    with_error = False
    try:
        await replica.sign(99)
    except grpc.aio.AioRpcError as error:
        with_error = error.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert with_error


async def test_an_old_backup_is_noticed_by_every_replica_also_by_those_that_are_idle(
    database: Postgres, folder: Path
) -> None:
    async with replicas(database, folder, 3) as running:
        busy, *idle = running
        await busy.sign(1)
        for replica in idle:
            await replica.stub.Get(proof_pb2.GetRequest(id=record(1).request_id), wait_for_ready=True)
        old = await asyncio.to_thread(database.back_up)
        newer = await busy.sign(2)
        async with asyncio.timeout(3):  # they look every second
            while any(anchored(replica) < 2 for replica in running):
                await asyncio.sleep(0.05)
        right = await asyncio.to_thread(database.back_up)
        await asyncio.to_thread(database.restore, old)
        for replica in running:
            await refusing(replica)
            assert "the log has shrunk from 2 to 1 entries, so nothing is signed" in replica.said
            shown = await replica.stub.Get(proof_pb2.GetRequest(id=record(1).request_id), timeout=PATIENCE_S)
            assert shown.verified
        restarted = idle[0]
        restarted.process.kill()
        await restarted.again()
        await restarted.stub.Get(proof_pb2.GetRequest(id=record(1).request_id), wait_for_ready=True)
        await refusing(restarted)
        assert "but 2 were signed as" in restarted.said
        await asyncio.to_thread(database.restore, right)  # the right one again: all go on, nobody is restarted
        async with asyncio.timeout(PATIENCE_S):
            for replica in running:
                while True:
                    try:
                        assert await replica.sign(2) == newer
                        break
                    except grpc.aio.AioRpcError:
                        await asyncio.sleep(0.1)


async def health(replica: Replica, service: str) -> int:
    check: Any = health_pb2_grpc.HealthStub(replica.channel).Check  # type: ignore[attr-defined] # the stubs leave it out
    answer = await check(health_pb2.HealthCheckRequest(service=service), timeout=PATIENCE_S)
    return int(answer.status)


async def test_while_the_database_is_away_callers_and_probes_are_told_and_it_comes_back_by_itself(
    database: Postgres, folder: Path
) -> None:
    serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
    async with replicas(database, folder, 1) as (replica,):
        first = await replica.sign(1)
        slots = idempotency_pb2_grpc.IdempotencyServiceStub(replica.channel)
        claim = idempotency_pb2.ClaimRequest(slot=b"s" * 32, body_digest=b"b" * 32, lease_s=60.0, claim=b"c" * 16)
        await client.call(slots.Claim, claim, PATIENCE_S)
        database.shut()
        asked = (
            client.call(replica.stub.Sign, sign_request(record(2)), PATIENCE_S),
            client.call(replica.stub.Get, proof_pb2.GetRequest(id=record(1).request_id), PATIENCE_S),
            client.call(slots.Claim, claim, PATIENCE_S),
        )
        for outcome in await asyncio.gather(*asked, return_exceptions=True):
            assert isinstance(outcome, ServiceError)
            assert (outcome.code, outcome.reason) == (grpc.StatusCode.UNAVAILABLE, "orchestration_error")
            assert outcome.retry_after_s == 1.0
        async with asyncio.timeout(PATIENCE_S):
            while await health(replica, SERVICE) != not_serving:
                await asyncio.sleep(0.05)
        assert await health(replica, "") == serving  # the process itself is well, and needs no restart
        database.open()
        async with asyncio.timeout(5):
            while await health(replica, SERVICE) != serving:
                await asyncio.sleep(0.05)
            while True:
                try:
                    shown = await replica.stub.Get(proof_pb2.GetRequest(id=record(1).request_id), timeout=PATIENCE_S)
                    break
                except grpc.aio.AioRpcError:
                    await asyncio.sleep(0.05)
        assert shown.verified
        assert (await replica.sign(2)).log_entry.log_index == 1
        assert await replica.sign(1) == first
        assert (await client.call(slots.Claim, claim, PATIENCE_S)).claim == b"c" * 16


async def test_a_service_waits_for_a_database_that_starts_after_it(database: Postgres, folder: Path) -> None:
    database.shut()
    async with replicas(database, folder, 1) as (replica,):
        async with asyncio.timeout(PATIENCE_S):
            while "waiting_for_database" not in replica.said:
                await asyncio.sleep(0.05)
        database.open()
        assert (await replica.sign(1)).log_entry.log_index == 0


async def test_memory_of_a_replica_stays_small(database: Postgres, folder: Path) -> None:
    async with replicas(database, folder, 1) as (replica,):
        await replica.sign(1)
        with open(f"/proc/{replica.process.pid}/status") as status:  # noqa: ASYNC230, PTH123 - no file of a disk
            resident_kb = int(status.read().split("VmRSS:")[1].split()[0])
    assert resident_kb < 150 << 10
