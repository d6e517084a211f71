"""Mutual TLS over TCP: both sides show a certificate, or nothing is said."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING

import grpc
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from chassis import client
from chassis.config import Settings
from openprysm.planner.v1 import planner_pb2, planner_pb2_grpc

from .service import PATIENCE_S, free_address, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from .service import Service


class Authority:
    """A certificate authority that lives for one test."""

    def __init__(self, folder: Path, name: str) -> None:
        self._folder = folder
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.certificate = self._write(f"{name}.pem", self._sign(self._name, self._key.public_key(), ca=True))

    def _write(self, name: str, pem: bytes) -> Path:
        path = self._folder / name
        path.write_bytes(pem)
        return path

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, *, ca: bool = False) -> bytes:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(minutes=5))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
        )
        if not ca:
            names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))])
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
            builder = builder.add_extension(names, critical=False).add_extension(usage, critical=False)
        return builder.sign(self._key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    def settings(self, name: str) -> Settings:
        """Return the settings of a service with a certificate of its own."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        pem = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        return Settings(
            tls_cert=self._write(f"{name}-cert.pem", self._sign(subject, key.public_key())),
            tls_key=self._write(f"{name}-key.pem", pem),
            tls_ca=self.certificate,
        )


@pytest.fixture
def authority(folder: Path) -> Authority:
    return Authority(folder, "ours")


@pytest.fixture
async def secured(folder: Path, authority: Authority) -> AsyncIterator[Service]:
    async with serving(folder, settings=authority.settings("planner"), address=free_address()) as service:
        yield service


async def code_of(channel: grpc.aio.Channel) -> grpc.StatusCode:
    async with channel:
        stub = planner_pb2_grpc.PlannerServiceStub(channel)
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await stub.Plan(planner_pb2.PlanRequest(), timeout=PATIENCE_S)
    return caught.value.code()


async def test_both_with_certificates_of_one_authority_talk(secured: Service) -> None:
    assert (await secured.plan("a")).plan.policy == "a"


async def test_a_client_without_certificate_is_refused(secured: Service, authority: Authority) -> None:
    credentials = grpc.ssl_channel_credentials(authority.certificate.read_bytes())
    assert await code_of(grpc.aio.secure_channel(secured.address, credentials)) is grpc.StatusCode.UNAVAILABLE


async def test_a_client_of_another_authority_is_refused(secured: Service, authority: Authority, folder: Path) -> None:
    stranger = Authority(folder, "theirs").settings("stranger")
    assert stranger.tls_key
    assert stranger.tls_cert
    credentials = grpc.ssl_channel_credentials(
        authority.certificate.read_bytes(), stranger.tls_key.read_bytes(), stranger.tls_cert.read_bytes()
    )
    assert await code_of(grpc.aio.secure_channel(secured.address, credentials)) is grpc.StatusCode.UNAVAILABLE


async def test_plain_text_is_refused(secured: Service) -> None:
    assert await code_of(grpc.aio.insecure_channel(secured.address)) is grpc.StatusCode.UNAVAILABLE


async def test_our_client_refuses_a_server_of_another_authority(secured: Service, folder: Path) -> None:
    stranger = Authority(folder, "theirs").settings("stranger")
    assert await code_of(client.channel(secured.address, stranger)) is grpc.StatusCode.UNAVAILABLE
