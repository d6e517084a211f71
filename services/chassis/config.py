"""Settings from the environment, every mistake reported at once.

A setting `x` is read from `OPENPRYSM_X`, else from a file of that name in the folder `OPENPRYSM_SECRETS_DIR`.
"""

from __future__ import annotations

import hashlib
import ipaddress
import os
import sys
import tempfile
from pathlib import Path
from typing import Annotated, Literal, Self, TypeVar

from pydantic import AfterValidator, BeforeValidator, Field, FilePath, ValidationError, model_validator
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

#: sysexits.h: something was found in an unconfigured or misconfigured state.
EX_CONFIG = 78
#: Bytes that the kernel allows in a Unix socket's path (sun_path), less its NUL and the longest socket name.
_SOCKET_FOLDER_LIMIT = 107 - len("/gateway-admin.sock")


def _check_address(value: str) -> str:
    host, colon, port = value.rpartition(":")
    named = bool(colon and host) and not set("/,") & set(host)
    if value.startswith("unix:/") or (named and port.isascii() and port.isdigit() and int(port) < 1 << 16):
        return value
    raise ValueError("must be unix:/absolute/path or host:port")


def replicas(target: str) -> list[str]:
    """Return the addresses that a target names: several when it is `ipv4:address:port,address:port`."""
    return target.removeprefix("ipv4:").split(",")


def _check_target(value: str) -> str:
    if not value.startswith("ipv4:"):
        return _check_address(value)
    for replica in replicas(value):
        try:
            ipaddress.IPv4Address(_check_address(replica).rpartition(":")[0])
        except ValueError as error:
            raise ValueError("must be ipv4: and address:port, several with commas between them") from error
    return value


def _check_port(value: str) -> str:
    host, _, port = _check_address(value).rpartition(":")
    if value.startswith("unix:") or not int(port):
        raise ValueError("must be host:port")
    return f"{host}:{port}"


#: Where a server listens: `unix:/absolute/path` or `host:port`.
Address = Annotated[str, AfterValidator(_check_address)]
HostPort = Annotated[str, AfterValidator(_check_port)]
#: Where a client finds a service: an Address, or `ipv4:address:port,address:port` for replicas that no name stands for.
Target = Annotated[str, AfterValidator(_check_target)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
LogLevel = Annotated[Literal["debug", "info", "warning", "error", "critical"], BeforeValidator(str.lower)]


class Settings(BaseSettings):
    """What every service reads. Services add their own fields in a subclass."""

    model_config = SettingsConfigDict(env_prefix="OPENPRYSM_", frozen=True, extra="ignore", env_ignore_empty=True)

    #: Folder of everything that outlives a process; made 0700 when missing.
    state: Path = Path(".state")
    #: Folder of the Unix sockets; default `run` in the state folder, see `run_dir`.
    run: Path | None = None
    log_level: LogLevel = "info"
    #: Where Prometheus finds this service's metrics; None: nowhere.
    metrics_listen: HostPort | None = None
    #: PEM files; all three set: mutual TLS on TCP sockets, in both directions.
    tls_cert: FilePath | None = None
    tls_key: FilePath | None = None
    tls_ca: FilePath | None = None
    #: Where health is told once more, in plain text, to who has no certificate; none: nowhere.
    probe_listen: HostPort | None = None
    #: Seconds after which a connection is renewed: by then its client knows new replicas and new certificates.
    connection_age_s: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 300.0
    #: Seconds between readiness going down and refusing calls, for balancers to notice.
    stop_delay_s: Seconds = 0.0
    #: Seconds that in-flight requests get to finish after SIGTERM.
    stop_grace_s: Seconds = 30.0

    @model_validator(mode="after")
    def _check_tls(self) -> Self:
        # Two of three would mean plain text where its operator expects none.
        if len({path is None for path in (self.tls_cert, self.tls_key, self.tls_ca)}) > 1:
            raise ValueError("OPENPRYSM_TLS_CERT, OPENPRYSM_TLS_KEY and OPENPRYSM_TLS_CA must be set together")
        return self

    def socket(self, name: str) -> str:
        """Return the default address of the service `name`: a Unix socket in the 0700 run folder."""
        return f"unix:{run_dir(self)}/{name}.sock"


def run_dir(settings: Settings) -> Path:
    """Return the folder of the sockets, absolute. A pure function of the settings, so that all services agree.

    A state folder with a path too long for a socket gets a folder of its own in the temporary directory.
    """
    folder = (settings.run or settings.state / "run").absolute()
    if settings.run is None and len(os.fsencode(folder)) > _SOCKET_FOLDER_LIMIT:
        digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
        folder = Path(tempfile.gettempdir()) / f"openprysm-{os.getuid()}-{digest}"
    return folder


def private_folder(path: Path) -> Path:
    """Make `path` with mode 0700 when it is missing; refuse it when others could enter.

    Raises:
        PermissionError: the folder belongs to someone else, or its mode lets others in.
    """
    path.mkdir(mode=0o700, parents=True, exist_ok=True)
    status = path.stat()
    if status.st_uid != os.getuid() or status.st_mode & 0o077:
        raise PermissionError(f"{path} must belong to this user with mode 0700")
    return path


def is_private(path: Path) -> bool:
    """Tell whether a secret file is for its owner's eyes: mode 0600, or 0640 when it is someone else's who let us in.

    The rule is PostgreSQL's for its key file: so does a kubelet hand out Secrets, root's and readable to one group.

    Raises:
        OSError: there is no such file.
    """
    status = path.stat()
    return not status.st_mode & (0o077 if status.st_uid == os.getuid() else 0o037)


AnySettings = TypeVar("AnySettings", bound=BaseSettings)


def load(kind: type[AnySettings]) -> AnySettings:
    """Read `kind` from the environment; on mistakes print all of them, a line each and no values, and exit 78."""
    secrets = os.environ.get("OPENPRYSM_SECRETS_DIR") or None
    if secrets and not Path(secrets).is_dir():
        print("OPENPRYSM_SECRETS_DIR: must be a folder", file=sys.stderr)  # noqa: T201 - no log exists yet
        sys.exit(EX_CONFIG)
    try:
        return kind(_secrets_dir=secrets)
    except SettingsError as error:
        print(f"settings: {error}", file=sys.stderr)  # noqa: T201 - it names the field and no value
    except ValidationError as error:
        for mistake in error.errors(include_url=False, include_context=False, include_input=False):
            where = ".".join(str(part) for part in mistake["loc"])
            field = kind.model_fields.get(where)
            alias = field.validation_alias if field else None
            name = alias if isinstance(alias, str) else f"OPENPRYSM_{where}".upper() if field else where
            print(f"{name or 'settings'}: {mistake['msg']}", file=sys.stderr)  # noqa: T201 - no log exists yet
    sys.exit(EX_CONFIG)
