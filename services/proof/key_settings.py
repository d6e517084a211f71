"""Which backend keeps the signing key, by the settings."""

from __future__ import annotations

import time
from pathlib import Path  # noqa: TC003 - pydantic reads the annotations
from typing import Annotated, Final, Self

from pydantic import Field, model_validator

from chassis.config import Settings
from proof.keyring import GivenKeyring, Keyring, OwnKeyring, follow
from proof.keys import KeyFileError, publish
from proof.rotation import LEAD_S, KeyFiles

_DAY_S: Final = 86_400
_TOKEN: Final = ("proof_token_module", "proof_token", "proof_token_key", "proof_token_pin_file")


class KeySettings(Settings):
    """Where the signing key is. Without any of it, the service makes and rotates its own."""

    #: PEM of the operator's own signing key; followed when it is replaced.
    proof_key: Path | None = None
    #: PEM, public or private, of the key that the operator will sign with later: published from now on.
    proof_key_next: Path | None = None
    #: Days that a key of the service's own signs; 0: for ever.
    proof_key_days: Annotated[int, Field(ge=0, le=36_500)] = 90
    #: A key in a PKCS#11 token instead: its library, label of the token and of the key, file with the PIN.
    proof_token_module: Path | None = None
    proof_token: str | None = None
    proof_token_key: str | None = None
    proof_token_pin_file: Path | None = None

    @model_validator(mode="after")
    def _check_keys(self) -> Self:
        given = [getattr(self, name) is not None for name in _TOKEN]
        if any(given) and not all(given):
            raise ValueError(f"{', '.join(f'OPENPRYSM_{name}'.upper() for name in _TOKEN)} must be set together")
        if any(given) and self.proof_key is not None:
            raise ValueError("OPENPRYSM_PROOF_KEY and OPENPRYSM_PROOF_TOKEN are two places of one key")
        if 0 < self.proof_key_days * _DAY_S < LEAD_S:
            raise ValueError(f"OPENPRYSM_PROOF_KEY_DAYS must be 0, or at least {LEAD_S // _DAY_S}")
        return self


def _token(settings: KeySettings) -> Keyring:
    from proof.token import TokenKey, TokenSigner  # noqa: PLC0415 - its libraries are for those who have a token

    module, label, key, pin_file = (getattr(settings, name) for name in _TOKEN)
    signer = TokenSigner(TokenKey(module, label, key, pin_file))
    return GivenKeyring(lambda: signer, settings.proof_key_next)


def open_keyring(settings: KeySettings, state: Path) -> Keyring:
    """Return the keys that sign proofs, and write the current one's public half into the state folder.

    Raises:
        KeyFileError: a key can't be used.
    """
    own = state / "proof-key.pem"
    try:
        if settings.proof_token is not None:
            keyring = _token(settings)
        elif settings.proof_key is not None:
            keyring = GivenKeyring(follow(settings.proof_key), settings.proof_key_next)
        else:
            return OwnKeyring(KeyFiles(own), settings.proof_key_days * _DAY_S, time.time)
        publish(keyring.signer().public_key, own.with_name("proof-key.pub.pem"))
    except OSError as error:
        raise KeyFileError(f"{error.filename or state} can't be written") from error
    return keyring
