"""Mutual TLS over TCP: both sides show a certificate, or nothing is said; and a new one is taken while they run."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

import grpc
import pytest
from cryptography import x509
from structlog.testing import capture_logs

from chassis import certificates, client
from chassis.certificates import Certificates, CertificatesError
from chassis.config import Settings
from openprysm.planner.v1 import planner_pb2, planner_pb2_grpc
from system.authority import Authority, SecretVolume

from .process import NOT_SERVING, SERVING, child
from .service import PATIENCE_S, free_address, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from .service import Service


class Identity:
    """A service's certificate from an authority, in a volume, and the settings that name it."""

    def __init__(self, folder: Path, authority: Authority, name: str) -> None:
        self.volume = SecretVolume(folder / name)
        self._authority = authority
        self._name = name
        self.serial = self.renew()
        self.settings = Settings(**self.volume.settings, connection_age_s=0.2)

    @property
    def environment(self) -> dict[str, str]:
        """What a process reads that tells of its health beside."""
        names = {f"OPENPRYSM_{name}".upper(): str(path) for name, path in self.volume.settings.items()}
        return {**names, "OPENPRYSM_PROBE_LISTEN": free_address()}

    def renew(self) -> int:
        self.serial, files = self._authority.issue(self._name)
        self.volume.write(files)
        return self.serial


@pytest.fixture
def authority() -> Authority:
    return Authority("ours")


@pytest.fixture
def identity(folder: Path, authority: Authority) -> Identity:
    return Identity(folder, authority, "planner")


@pytest.fixture
async def secured(folder: Path, identity: Identity) -> AsyncIterator[Service]:
    async with serving(folder, settings=identity.settings, address=free_address()) as service:
        yield service


async def code_of(channel: grpc.aio.Channel) -> grpc.StatusCode:
    async with channel:
        stub = planner_pb2_grpc.PlannerServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Plan(planner_pb2.PlanRequest(), timeout=PATIENCE_S)
    return caught.value.code()


async def shown(address: str, settings: Settings) -> int:
    """Return the serial number of the certificate that a server shows."""
    assert settings.tls_cert
    trust = ssl.create_default_context(cafile=settings.tls_ca)
    trust.load_cert_chain(settings.tls_cert, settings.tls_key)
    trust.set_alpn_protocols(["h2"])
    host, _, port = address.rpartition(":")
    _, writer = await asyncio.open_connection(host, int(port), ssl=trust)
    seen = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
    writer.transport.abort()
    return x509.load_der_x509_certificate(seen).serial_number


async def test_both_with_certificates_of_one_authority_talk(secured: Service) -> None:
    assert (await secured.plan("a")).plan.policy == "a"


async def test_a_client_without_certificate_is_refused(secured: Service, authority: Authority) -> None:
    credentials = grpc.ssl_channel_credentials(authority.certificate)
    assert await code_of(grpc.aio.secure_channel(secured.address, credentials)) is grpc.StatusCode.UNAVAILABLE


async def test_a_client_of_another_authority_is_refused(secured: Service, authority: Authority) -> None:
    _, theirs = Authority("theirs").issue("stranger")
    credentials = grpc.ssl_channel_credentials(authority.certificate, theirs["tls.key"], theirs["tls.crt"])
    assert await code_of(grpc.aio.secure_channel(secured.address, credentials)) is grpc.StatusCode.UNAVAILABLE


async def test_plain_text_is_refused(secured: Service) -> None:
    assert await code_of(grpc.aio.insecure_channel(secured.address)) is grpc.StatusCode.UNAVAILABLE


async def test_our_client_refuses_a_server_of_another_authority(secured: Service, folder: Path) -> None:
    stranger = Identity(folder, Authority("theirs"), "stranger")
    assert await code_of(client.channel(secured.address, stranger.settings)) is grpc.StatusCode.UNAVAILABLE


async def test_a_server_shows_its_new_certificate_and_no_call_fails(secured: Service, identity: Identity) -> None:
    assert await shown(secured.address, identity.settings) == identity.serial
    for _ in range(3):
        identity.renew()
        calls = [secured.plan("a") for _ in range(50)]
        assert {answer.plan.policy for answer in await asyncio.gather(*calls)} == {"a"}
        assert await shown(secured.address, identity.settings) == identity.serial


async def test_an_authority_is_replaced_in_three_steps_without_a_failure(folder: Path) -> None:
    """Trust both, show the new one's certificates, forget the old one: a client that missed a step is shut out."""
    old, new = Authority("old"), Authority("new")
    both = {"ca.crt": old.certificate + new.certificate}
    volume = SecretVolume(folder / "planner")
    steps = [
        old.issue("planner")[1],
        old.issue("planner")[1] | both,
        new.issue("planner")[1] | both,
        new.issue("planner")[1],
    ]
    volume.write(steps[0])
    settings = Settings(**volume.settings, connection_age_s=0.2)
    async with serving(folder, settings=settings, address=free_address()) as service:
        for step in steps:
            volume.write(step)
            for _ in range(20):
                assert (await service.plan("a")).plan.policy == "a"
        late = grpc.ssl_channel_credentials(old.certificate, steps[0]["tls.key"], steps[0]["tls.crt"])
        assert await code_of(grpc.aio.secure_channel(service.address, late)) is grpc.StatusCode.UNAVAILABLE


async def test_a_call_that_runs_outlives_the_certificate_that_it_began_with(folder: Path, identity: Identity) -> None:
    address = free_address()
    async with (
        child(folder, address, **identity.environment) as running,
        client.channel(address, identity.settings) as channel,
    ):
        stub = planner_pb2_grpc.PlannerServiceStub(channel)
        slow = asyncio.ensure_future(stub.Plan(planner_pb2.PlanRequest(policy="wait"), timeout=PATIENCE_S))
        await running.entered()
        identity.renew()
        assert (await stub.Plan(planner_pb2.PlanRequest(policy="a"), timeout=PATIENCE_S)).plan.policy == "a"
        assert not slow.done()
        running.leave()
        assert (await slow).plan.policy == "wait"


async def test_health_is_told_to_who_has_no_certificate_and_nothing_else(folder: Path, identity: Identity) -> None:
    async with child(folder, free_address(), **identity.environment) as running:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await running.plan("a")
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED
        watch = running.watch()
        assert await anext(watch) == SERVING
        stopping = asyncio.create_task(running.stop())
        assert await anext(watch) == NOT_SERVING
        assert (await stopping)[0] == 0


def test_files_that_do_not_fit_together_change_nothing(identity: Identity, authority: Authority) -> None:
    held = Certificates(*identity.volume.settings.values())
    before = held.current()
    _, other = authority.issue("planner")
    identity.volume.write({**other, "tls.key": before.key})
    assert held.current() is before
    identity.volume.write(other)
    assert (held.current().certificate, held.current().key) == (other["tls.crt"], other["tls.key"])


def test_files_that_are_gone_change_nothing(identity: Identity) -> None:
    held = Certificates(*identity.volume.settings.values())
    before = held.current()
    (identity.volume.folder / "..data").unlink()
    with capture_logs() as log:
        assert [held.current() for _ in range(3)] == [before] * 3
    assert [line["event"] for line in log] == ["certificates_not_taken"]
    identity.renew()
    assert held.current() != before


def test_a_start_with_a_key_of_another_certificate_is_one_line(identity: Identity, authority: Authority) -> None:
    identity.volume.write({**authority.issue("planner")[1], "tls.key": authority.issue("planner")[1]["tls.key"]})
    with pytest.raises(CertificatesError, match=r"tls\.crt and its key can't be used"):
        certificates.of(identity.settings)


async def test_several_replicas_share_a_name_and_the_calls(folder: Path, authority: Authority) -> None:
    names, addresses = ("one", "two"), (free_address(), free_address())
    async with AsyncExitStack() as stack:
        running = []
        for name, address in zip(names, addresses, strict=True):
            identity = Identity(folder, authority, name)
            (folder / name / "own").mkdir()
            running.append(
                await stack.enter_async_context(child(folder / name / "own", address, **identity.environment))
            )
        channel = await stack.enter_async_context(client.channel(f"ipv4:{','.join(addresses)}", identity.settings))
        stub = planner_pb2_grpc.PlannerServiceStub(channel)
        calls = []
        async with asyncio.timeout(PATIENCE_S):
            while not all((replica.folder / "entered").exists() for replica in running):
                calls.append(stub.Plan(planner_pb2.PlanRequest(policy="wait"), timeout=PATIENCE_S))
                await asyncio.sleep(0.01)
        for replica in running:
            replica.leave()
        assert {answer.plan.policy for answer in await asyncio.gather(*calls)} == {"wait"}
