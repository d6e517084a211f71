"""The Secrets of production, made up: API keys, signing keys, certificates, the database's password."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from chassis import identity

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

    from drill.places import Places

TLS: Final = "-tls"


def _pem(key: PrivateKeyTypes) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


class ApiKeys:
    """The Secret `api-keys`, as `openprysm keys` writes its files."""

    def __init__(self, places: Places) -> None:
        self._volume = places.secrets["api-keys"]
        self._folder = Path(tempfile.mkdtemp(dir=places.folder))
        self._pepper = identity.load_pepper(self._folder / "key-pepper")
        #: The newest key.
        self.key = self.create()

    def create(self) -> str:
        """Make a key, hand the changed file out, and return the key."""
        self.key = identity.create_key(self._folder / "keys.json", self._pepper, "drill")
        self._hand_out()
        return self.key

    def revoke(self, key: str) -> None:
        """Revoke a key and hand the changed file out."""
        assert identity.revoke_key(self._folder / "keys.json", key.split("_")[2])
        self._hand_out()

    def _hand_out(self) -> None:
        self._volume.write({name: (self._folder / name).read_bytes() for name in ("key-pepper", "keys.json")})


class SigningKeys:
    """The Secret `proof-keys`: the log's key stays, the proofs' key is replaced."""

    def __init__(self, places: Places) -> None:
        self._volume = places.secrets["proof-keys"]
        self._log = _pem(ed25519.Ed25519PrivateKey.generate())
        self.rotate()

    def rotate(self) -> None:
        """Put another key in the place of the one that signs."""
        proof = _pem(ec.generate_private_key(ec.SECP256R1()))
        self._volume.write({"log-key.pem": self._log, "proof-key.pem": proof})


def certify(places: Places, trusted: bytes) -> dict[str, int]:
    """Give every service a new certificate and whom to trust; return serial numbers by service."""
    serials = {}
    for name, volume in places.secrets.items():
        if name.endswith(TLS):
            service = name.removesuffix(TLS)
            serials[service], files = places.authority.issue(service)
            volume.write({**files, "ca.crt": trusted})
    return serials
