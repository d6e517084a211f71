"""Mutual TLS from three PEM files that are read again when they change: certificates live for days, services longer."""

from __future__ import annotations

import ssl
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import grpc
import structlog

if TYPE_CHECKING:
    from pathlib import Path

    from chassis.config import Settings

    #: Inode, size and time of each file.
    Version: TypeAlias = tuple[tuple[int, int, int], ...]

#: Looks at files that change while they are read; a Secret's files change all at once.
_LOOKS: Final = 10
#: What files that are not all there look like.
_GONE: Final = ()

_log = structlog.get_logger()


@dataclass(frozen=True)
class Material:
    """What the files held at one moment, PEM. The key belongs to the certificate."""

    certificate: bytes
    key: bytes
    authority: bytes


class CertificatesError(Exception):
    """The files can't be used; the text is one line for the operator."""


class Certificates:
    """A service's certificate, its key, and the authority that it trusts.

    Safe to use from several threads: gRPC asks from its own.
    """

    def __init__(self, certificate: Path, key: Path, authority: Path) -> None:
        """Read the files.

        Raises:
            CertificatesError: one can't be read, or the key is not the certificate's.
        """
        self._paths = (certificate, key, authority)
        self._lock = threading.Lock()
        self._version: Version | None = None
        self._refused: Version | None = None
        self._version, self._material = self._read()

    def _look(self) -> Version:
        return tuple((s.st_ino, s.st_size, s.st_mtime_ns) for s in (path.stat() for path in self._paths))

    def _read(self) -> tuple[Version, Material]:
        """Read all three as they were at one moment: none changed between the looks before and after."""
        try:
            for _ in range(_LOOKS):
                before = self._look()
                ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(self._paths[0], self._paths[1])
                material = Material(*(path.read_bytes() for path in self._paths))
                if self._look() == before:
                    return before, material
        except (OSError, ssl.SSLError) as error:
            raise CertificatesError(f"{self._paths[0]} and its key can't be used") from error
        raise CertificatesError(f"{self._paths[0]} keeps changing")

    def current(self) -> Material:
        """Return what the files hold now; what can't be used is logged once, and the last good one stays in force."""
        with self._lock:
            try:
                seen = self._look()
            except OSError:
                seen = _GONE
            if seen not in (self._version, self._refused):
                self._refused = seen
                try:
                    self._version, self._material = self._read()
                    _log.info("certificates_read")
                except CertificatesError as error:
                    _log.error("certificates_not_taken", why=str(error))
            return self._material


def of(settings: Settings) -> Certificates | None:
    """Return the certificates that the settings name, or None when mutual TLS is not set up.

    Raises:
        CertificatesError: they can't be used.
    """
    if not (settings.tls_cert and settings.tls_key and settings.tls_ca):
        return None
    return Certificates(settings.tls_cert, settings.tls_key, settings.tls_ca)


def for_server(certificates: Certificates) -> grpc.ServerCredentials:
    """Return credentials that ask clients for a certificate, and look at the files at each handshake."""
    given: Material | None = None

    def fetch() -> grpc.ServerCertificateConfiguration | None:
        nonlocal given
        material = certificates.current()
        if material is given:
            return None
        given = material
        return grpc.ssl_server_certificate_configuration(
            [(material.key, material.certificate)], root_certificates=material.authority
        )

    first = fetch()
    assert first is not None  # noqa: S101 - for the type checker: nothing was given yet
    return grpc.dynamic_ssl_server_credentials(
        first,
        fetch,  # type: ignore[arg-type] # None says that nothing has changed; the stubs leave it out
        require_client_authentication=True,
    )


def for_client(material: Material) -> grpc.ChannelCredentials:
    """Return credentials that show our certificate and trust the authority's."""
    return grpc.ssl_channel_credentials(material.authority, material.key, material.certificate)
