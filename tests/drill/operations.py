"""What is done to the suite while it is under load. Each returns its notes, for the table."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from typing import TYPE_CHECKING, Final

import aiohttp
from cryptography import x509

from drill import secrets
from drill.town import ORDER
from system.authority import Authority
from system.upstream import hangs, says

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from drill.crowd import Crowd
    from drill.replica import Replica
    from drill.town import Town

#: Answers after an operation, before the next: all clients had several.
_ANSWERS: Final = 40
_PATIENCE_S: Final = 20.0
_DARK_S: Final = 10.0
#: A little more than the server needs to start again: a fail-over takes longer.
_DATABASE_AWAY_S: Final = 2.0


async def _until(holds: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(_PATIENCE_S):
        while not await holds():
            await asyncio.sleep(0.1)


def restarts(service: str) -> Callable[[Town, Crowd], Awaitable[str]]:
    """Restart all replicas of a service, one after another."""

    async def operation(town: Town, crowd: Crowd) -> str:
        times = []
        for replica in town.replicas[service]:
            began = time.monotonic()
            await replica.stop()
            stopped = time.monotonic()
            await replica.start()
            times.append(f"{stopped - began:.1f}+{time.monotonic() - stopped:.1f}")
            await crowd.until(_ANSWERS)
        return f"stop+start {', '.join(times)} s"

    return operation


async def drain_with_slow_requests(town: Town, crowd: Crowd) -> str:
    """Drain and restart a gateway while requests of two seconds run through it."""
    town.upstream.scripts["*"] = [says("The capital of France is Paris.", after_s=2.0)]
    await asyncio.sleep(1.0)
    (replica, *_) = town.replicas["gateway"]
    began = time.monotonic()
    await replica.stop()
    took = time.monotonic() - began
    town.light()
    await replica.start()
    await crowd.until(_ANSWERS)
    return f"drained in {took:.1f} s"


def dies(service: str, blows: list[float]) -> Callable[[Town, Crowd], Awaitable[str]]:
    """Kill every replica of a service, one after another."""

    async def operation(town: Town, crowd: Crowd) -> str:
        times = []
        for replica in town.replicas[service]:
            began = time.monotonic()
            blows.append(began)
            await replica.kill()
            await replica.start()
            times.append(f"{time.monotonic() - began:.1f}")
            await crowd.until(_ANSWERS)
        return f"back after {', '.join(times)} s"

    return operation


def database_restarts(blows: list[float], *, kill: bool) -> Callable[[Town, Crowd], Awaitable[str]]:
    """Stop the database, or kill it, and start it again."""

    async def operation(town: Town, crowd: Crowd) -> str:
        began = time.monotonic()
        blows.append(began)
        await (town.database.kill() if kill else town.database.stop())
        await asyncio.sleep(_DATABASE_AWAY_S)
        await town.database.start()
        took = time.monotonic() - began
        await crowd.until(_ANSWERS)
        return f"back after {took:.1f} s"

    return operation


async def _shown(town: Town, replica: Replica) -> int:
    """Return the serial number of the certificate that a replica shows."""
    folder = town.places.secrets[f"executor{secrets.TLS}"].folder
    trust = ssl.create_default_context(cafile=folder / "ca.crt")
    trust.load_cert_chain(folder / "tls.crt", folder / "tls.key")
    trust.set_alpn_protocols(["h2"])
    host, _, port = town.places.address(replica.pod.name, replica.number, replica.pod.port).rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=trust)
    seen = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(seen).serial_number


async def _loaded(replica: Replica) -> set[int]:
    """Return the serial numbers of the certificates that a gateway has loaded."""
    connector = aiohttp.UnixConnector(f"{replica.environment()['OPENPRYSM_RUN']}/gateway-admin.sock")
    async with aiohttp.ClientSession("http://admin", connector=connector) as admin, admin.get("/certs") as response:
        found = json.loads(await response.text())["certificates"]
    return {int(one["cert_chain"][0]["serial_number"], 16) for one in found}


async def certificates_change(town: Town, crowd: Crowd) -> str:
    """Renew all certificates, then replace the authority in three steps; nothing is restarted."""
    began = time.monotonic()
    old, new = town.places.authority, Authority("successor")
    both = old.certificate + new.certificate
    for authority, trusted in ((old, old.certificate), (old, both), (new, both), (new, new.certificate)):
        town.places.authority = authority
        serials = secrets.certify(town.places, trusted)

        async def taken(serials: dict[str, int] = serials) -> bool:
            services = [replica for name in ORDER[:-1] for replica in town.replicas[name]]
            shown = [await _shown(town, replica) == serials[replica.pod.name] for replica in services]
            loaded = [await _loaded(replica) == {serials["gateway"]} for replica in town.replicas["gateway"]]
            return all((*shown, *loaded))

        await _until(taken)
        await crowd.until(_ANSWERS)
    return f"four changes taken in {time.monotonic() - began:.1f} s"


async def signing_key_changes(town: Town, crowd: Crowd) -> str:
    """Put another signing key in the place of the one that signs."""
    old = crowd.told[-1].keyid
    town.signing.rotate()
    began = time.monotonic()

    async def taken() -> bool:
        fresh = [told.keyid for told in crowd.told[-_ANSWERS:] if told.began > began and not told.failure]
        return len(fresh) >= _ANSWERS // 2 and old not in fresh

    await _until(taken)
    last = max(told.ended for told in crowd.told if told.keyid == old)
    await crowd.until(_ANSWERS)
    return f"last proof of the old key after {max(0.0, last - began):.1f} s"


async def api_key_changes(town: Town, crowd: Crowd) -> str:
    """Give the clients another API key, and revoke the one before."""
    old = crowd.key
    crowd.key = town.keys.create()
    await crowd.until(_ANSWERS)
    town.keys.revoke(old)
    began = time.monotonic()

    async def refused() -> bool:
        body = {"messages": [{"role": "user", "content": "hi"}], "strategy": "single"}
        headers = {"authorization": f"Bearer {old}"}
        async with aiohttp.ClientSession() as client:
            answers = [await client.post(f"{url}/v2/orchestrate", json=body, headers=headers) for url in town.urls]
            return {answer.status for answer in answers} == {401}

    await _until(refused)
    took = time.monotonic() - began
    await crowd.until(_ANSWERS)
    return f"old one refused after {took:.1f} s"


def provider_goes_dark(blows: list[float]) -> Callable[[Town, Crowd], Awaitable[str]]:
    """Let the model that is asked most never answer, and then answer again."""

    async def operation(town: Town, crowd: Crowd) -> str:
        await crowd.until(5 * _ANSWERS)  # by then everybody knows what is usual
        counts = town.upstream.by_model()
        dark = max(counts, key=lambda model: counts[model])
        began = time.monotonic()
        blows.append(began)
        town.upstream.scripts[dark] = [hangs()]
        await asyncio.sleep(_DARK_S)
        del town.upstream.scripts[dark]
        lit = time.monotonic()
        town.upstream.calls.clear()

        async def asked() -> bool:
            return town.upstream.by_model().get(dark, 0) >= _ANSWERS

        await _until(asked)
        back = time.monotonic() - lit
        await crowd.until(_ANSWERS)
        degraded = sum(told.degraded for told in crowd.told if told.began >= began)
        return f"{dark} dark for {_DARK_S:.0f} s, {degraded} answers degraded; asked as before after {back:.1f} s"

    return operation
