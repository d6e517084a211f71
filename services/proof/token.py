"""A signing key in a PKCS#11 token: it never leaves the token.

Sources: PKCS#11 v2.40, 2.3.1 (CKM_ECDSA signs a digest, and gives r and s of 32 bytes each) and 2.3.3 (CKA_EC_POINT is
an octet string around the point); SEC 1, 2.3.4 (points).
"""

from __future__ import annotations

import hashlib
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import pkcs11
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, utils
from pkcs11 import exceptions as errors

from proof.keys import KeyFileError, SignerError, keyid, private_bytes

if TYPE_CHECKING:
    from pathlib import Path

_P256: Final = pkcs11.util.ec.encode_named_curve_parameters("secp256r1")
_RAW_BYTES: Final = 64
#: Uncompressed.
_POINT_BYTES: Final = 65


@dataclass(frozen=True)
class TokenKey:
    """Where a key is."""

    #: The token's PKCS#11 library.
    module: Path
    #: Label of the token.
    token: str
    #: Label of the private key, and of the public one beside it.
    key: str
    #: File with the user's PIN, mode 0600; read whenever a session is opened, and not kept.
    pin_file: Path


class _PinError(KeyFileError):
    """The token does not take the PIN. Each try may be the last before it locks itself."""


def _public(key: pkcs11.Object) -> ec.EllipticCurvePublicKey | None:
    """Return a P-256 key, None for another one."""
    if key[pkcs11.Attribute.EC_PARAMS] != _P256:
        return None
    point: bytes = key[pkcs11.Attribute.EC_POINT]
    try:
        # Some tokens give the point without the octet string around it, which is two bytes longer.
        return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point[-_POINT_BYTES:])
    except ValueError:
        return None


def _why(error: errors.PKCS11Error) -> str:
    """Return the error's name: its text is the library's own, and may hold anything."""
    return type(error).__name__


def _named(session: pkcs11.Session, kind: pkcs11.ObjectClass, label: str) -> list[pkcs11.Object]:
    """Return the EC keys of a name. All are asked for: a search that is left open ends a later session's, too."""
    wanted = {
        pkcs11.Attribute.CLASS: kind,
        pkcs11.Attribute.KEY_TYPE: pkcs11.KeyType.EC,
        pkcs11.Attribute.LABEL: label,
    }
    return list(session.get_objects(wanted))


class _Session:
    """An open session with both halves of the key."""

    def __init__(self, place: TokenKey) -> None:
        """Log in and find the key.

        Raises:
            KeyFileError: the text says which part can't be had.
        """
        where = f"the token {place.token}"
        try:
            pin = private_bytes(place.pin_file).decode().strip()
        except UnicodeDecodeError as error:
            raise KeyFileError(f"{place.pin_file} holds no PIN") from error
        try:
            try:
                library = pkcs11.lib(str(place.module))
            except errors.PKCS11Error as error:
                raise KeyFileError(f"{place.module} can't be loaded as a PKCS#11 library") from error
            self._opened = library.get_token(token_label=place.token).open(user_pin=pin)
            private = _named(self._opened, pkcs11.ObjectClass.PRIVATE_KEY, place.key)
            public = _named(self._opened, pkcs11.ObjectClass.PUBLIC_KEY, place.key)
        except errors.NoSuchToken as error:
            raise KeyFileError(f"{where} is not there") from error
        except errors.MultipleTokensReturned as error:
            raise KeyFileError(f"{where} has a label that several tokens have") from error
        except (errors.PinIncorrect, errors.PinInvalid, errors.PinLenRange) as error:
            raise _PinError(f"{where} does not take the PIN in {place.pin_file}") from error
        except (errors.PinLocked, errors.PinExpired, errors.UserPinNotInitialized) as error:
            raise _PinError(f"{where} is locked ({_why(error)})") from error
        except errors.PKCS11Error as error:
            raise KeyFileError(f"{where} can't be used ({_why(error)})") from error
        if (len(private), len(public)) != (1, 1):
            raise KeyFileError(f"{where} has not exactly one EC key pair named {place.key}")
        self._private: Any = private[0]  # the class that was asked for, whatever its type says
        known = _public(public[0])
        if known is None:
            raise KeyFileError(f"the key {place.key} in {where} is not P-256")
        self.public_key = known

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature over SHA-256 of `message`, after making sure that it fits.

        A wrong one would be an entry of the log for ever.

        Raises:
            PKCS11Error: the token does not answer.
            SignerError: it answers with something else.
        """
        digest = hashlib.sha256(message).digest()
        raw: bytes = self._private.sign(digest, mechanism=pkcs11.Mechanism.ECDSA)
        if len(raw) != _RAW_BYTES:
            raise SignerError("the token gave no P-256 signature")
        half = _RAW_BYTES // 2
        signature = utils.encode_dss_signature(int.from_bytes(raw[:half]), int.from_bytes(raw[half:]))
        try:
            self.public_key.verify(signature, digest, ec.ECDSA(utils.Prehashed(hashes.SHA256())))
        except InvalidSignature as error:
            raise SignerError("the token gave a signature that does not fit its public key") from error
        return signature

    def close(self) -> None:
        """Log out. What a token that went away has to say about it does not matter."""
        with suppress(errors.PKCS11Error):
            self._opened.close()


class TokenSigner:
    """Signs with a P-256 key in a token. Owned by one thread at a time. Signatures are random, not RFC 6979's.

    A session ends when its token is pulled or its device restarts; a new one is tried once a signature, until the
    token refuses the PIN: a service that goes on trying would lock it.
    """

    def __init__(self, place: TokenKey) -> None:
        """Log in, and sign once for trial.

        Raises:
            KeyFileError: the library, token, PIN or key can't be had, or the two halves are not of one key.
        """
        self._place = place
        self._session: _Session | None = _Session(place)
        self._barred: str | None = None
        self.public_key = self._session.public_key
        self.keyid = keyid(self.public_key)
        try:
            self._session.sign(b"openprysm")
        except SignerError as error:
            raise KeyFileError(str(error)) from error
        except errors.PKCS11Error as error:
            raise KeyFileError(
                f"the token {place.token} does not sign with the key {place.key} ({_why(error)})"
            ) from error

    def sign(self, message: bytes) -> bytes:
        """Return the DER signature over SHA-256 of `message`.

        Raises:
            SignerError: the token does not sign now.
        """
        if self._session is not None:
            try:
                return self._session.sign(message)
            except errors.PKCS11Error:
                self._session.close()
                self._session = None
        session = self._reopened()
        try:
            signature = session.sign(message)
        except errors.PKCS11Error as error:
            session.close()
            raise SignerError(f"the token {self._place.token} does not sign ({_why(error)})") from error
        self._session = session
        return signature

    def _reopened(self) -> _Session:
        """Return a new session with the same key."""
        if self._barred is not None:
            raise SignerError(self._barred)
        try:
            # A library looks for its tokens when it is initialized, and this signer is the only one that uses it.
            with suppress(errors.PKCS11Error):
                pkcs11.lib(str(self._place.module)).finalize()
            session = _Session(self._place)
        except _PinError as error:
            self._barred = f"{error}; restart the service when it does"
            raise SignerError(self._barred) from error
        except KeyFileError as error:
            raise SignerError(str(error)) from error
        if keyid(session.public_key) != self.keyid:
            session.close()
            raise SignerError(f"the token {self._place.token} holds another key than it did")
        return session
