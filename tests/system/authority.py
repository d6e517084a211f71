"""A certificate authority that lives for one test, and what it signs, in folders that change as a kubelet's do."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address
from typing import TYPE_CHECKING, Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

if TYPE_CHECKING:
    from pathlib import Path

PEM: Final = serialization.Encoding.PEM


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


class Authority:
    """Signs certificates that hold for 127.0.0.1 and for their own name, ten minutes long."""

    def __init__(self, name: str) -> None:
        self._name = _named(name)
        self._key = ec.generate_private_key(ec.SECP256R1())
        #: PEM.
        self.certificate = self._sign(self._name, self._key.public_key(), "", ca=True).public_bytes(PEM)

    def _sign(self, subject: x509.Name, key: ec.EllipticCurvePublicKey, host: str, *, ca: bool) -> x509.Certificate:
        now = datetime.now(UTC)
        builder = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(self._name)
            .public_key(key)
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(minutes=5))
            .not_valid_after(now + timedelta(minutes=10))
            .add_extension(x509.BasicConstraints(ca, None), critical=True)
        )
        if not ca:
            names = x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1")), x509.DNSName(host)])
            usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH])
            builder = builder.add_extension(names, critical=False).add_extension(usage, critical=False)
        return builder.sign(self._key, hashes.SHA256())

    def issue(self, host: str) -> tuple[int, dict[str, bytes]]:
        """Return serial number and files of a new certificate, named as cert-manager names them."""
        key = ec.generate_private_key(ec.SECP256R1())
        certificate = self._sign(_named(host), key.public_key(), host, ca=False)
        private = key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        files = {"tls.crt": certificate.public_bytes(PEM), "tls.key": private, "ca.crt": self.certificate}
        return certificate.serial_number, files


class SecretVolume:
    """A Secret's volume: links into a folder behind a link, and that link changes, so that all files change at once."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._version = 0

    def write(self, files: dict[str, bytes]) -> None:
        """Replace all files."""
        self._version += 1
        data = self.folder / f"..{self._version}"
        data.mkdir(parents=True)
        for name, content in files.items():
            (data / name).write_bytes(content)
            (data / name).chmod(0o600)
            if not (self.folder / name).is_symlink():
                (self.folder / name).symlink_to(f"..data/{name}")
        (self.folder / "..fresh").symlink_to(data.name)
        (self.folder / "..fresh").replace(self.folder / "..data")

    @property
    def settings(self) -> dict[str, Any]:
        """The settings of a service that reads it."""
        return {
            "tls_cert": self.folder / "tls.crt",
            "tls_key": self.folder / "tls.key",
            "tls_ca": self.folder / "ca.crt",
        }
