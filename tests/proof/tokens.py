"""SoftHSM: where its library comes from, and tokens in a folder of the test's own."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pkcs11
import pytest
from pkcs11 import Attribute, KeyType

from proof.token import TokenKey

PIN: Final = "2468"
LABEL: Final = "proofs"
_INSTALLED: Final = [
    *Path("/usr/lib").glob("*/softhsm/libsofthsm2.so"),
    *(Path(prefix) / "lib/softhsm/libsofthsm2.so" for prefix in ("/usr", "/usr/local", "/opt/homebrew")),
]
_CACHE: Final = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "openprysm" / "softhsm2"


@dataclass(frozen=True)
class SoftHsm:
    """The library and the tool that makes tokens."""

    library: Path
    tool: Path


def _own_lists(folder: Path) -> list[str]:
    """Return the options by which apt-get reads lists of packages that were fetched just now, where it has none."""
    (folder / "lists" / "partial").mkdir(parents=True)
    options = ["-o", f"Dir::State::Lists={folder}/lists", "-o", f"Dir::Cache={folder}"]
    subprocess.run(["apt-get", "update", "--quiet", *options], capture_output=True, check=False, timeout=120)
    return options


def _apt(folder: Path, *options: str) -> bool:
    command = ["apt-get", "download", "--quiet", *options, "softhsm2", "libsofthsm2"]
    return not subprocess.run(command, cwd=folder, capture_output=True, check=False, timeout=120).returncode


def _fetched() -> SoftHsm | None:
    """Return Debian's packages unpacked below the user's cache, fetched once; None when they can't be had."""
    if not (shutil.which("apt-get") and shutil.which("dpkg")):
        return None
    if not _CACHE.exists():
        _CACHE.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_CACHE.parent) as name:
            folder = Path(name)
            if not (_apt(folder) or _apt(folder, *_own_lists(folder))):
                return None
            for package in folder.glob("*.deb"):
                subprocess.run(["dpkg", "-x", str(package), str(folder / "unpacked")], check=True, timeout=60)
            if not _CACHE.exists():
                (folder / "unpacked").rename(_CACHE)
    libraries = list(_CACHE.glob("usr/lib/*/softhsm/libsofthsm2.so"))
    return SoftHsm(libraries[0], _CACHE / "usr/bin/softhsm2-util") if libraries else None


def softhsm() -> SoftHsm:
    """Return SoftHSM, or skip the test; in CI it must be there."""
    tool = shutil.which("softhsm2-util")
    installed = [path for path in _INSTALLED if path.exists()]
    found = SoftHsm(installed[0], Path(tool)) if tool and installed else _fetched()
    if found is None:
        assert not os.environ.get("CI"), "SoftHSM is neither installed nor to be had from Debian"
        pytest.skip("SoftHSM is neither installed nor to be had from Debian")
    return found


class Tokens:
    """Tokens in a folder, and the process's environment pointing at them."""

    def __init__(self, hsm: SoftHsm, folder: Path) -> None:
        self.hsm = hsm
        self.folder = folder / "tokens"
        self.folder.mkdir()
        self.config = folder / "softhsm2.conf"
        self.config.write_text(f"directories.tokendir = {self.folder}\nobjectstore.backend = file\nlog.level = ERROR\n")
        self.pin_file = folder / "pin"
        self.pin_file.touch(0o600)
        self.pin_file.write_text(PIN + "\n")

    def place(self, **fields: Any) -> TokenKey:
        defaults = {"module": self.hsm.library, "token": LABEL, "key": "first", "pin_file": self.pin_file}
        return TokenKey(**{**defaults, **fields})

    def make(self, label: str = LABEL) -> None:
        """Make a token, as an operator does."""
        words = ["--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", "13579"]
        command = [str(self.hsm.tool), "--module", str(self.hsm.library), *words]
        environment = {**os.environ, "SOFTHSM2_CONF": str(self.config)}
        subprocess.run(command, env=environment, capture_output=True, check=True, timeout=60)

    def add_key(self, label: str = "first", curve: str = "secp256r1") -> None:
        library = pkcs11.lib(str(self.hsm.library))
        with library.get_token(token_label=LABEL).open(rw=True, user_pin=PIN) as session:
            named = {Attribute.EC_PARAMS: pkcs11.util.ec.encode_named_curve_parameters(curve)}
            session.create_domain_parameters(KeyType.EC, named, local=True).generate_keypair(store=True, label=label)

    def settings(self) -> dict[str, str]:
        """Return the environment of a service that signs with the token."""
        return {
            "SOFTHSM2_CONF": str(self.config),
            "OPENPRYSM_PROOF_TOKEN_MODULE": str(self.hsm.library),
            "OPENPRYSM_PROOF_TOKEN": LABEL,
            "OPENPRYSM_PROOF_TOKEN_KEY": "first",
            "OPENPRYSM_PROOF_TOKEN_PIN_FILE": str(self.pin_file),
        }

    def pull(self) -> None:
        """Take all tokens away."""
        self.folder.rename(self.folder.with_name("pulled"))

    def put_back(self) -> None:
        self.folder.with_name("pulled").rename(self.folder)
