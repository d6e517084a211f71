"""From settings to a configuration that Envoy takes, and to nothing else."""

from __future__ import annotations

import asyncio
import datetime as dt
import ipaddress
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import ValidationError

from chassis.config import load
from cli.gateway import GatewaySettings, command, configure, render
from gateway.stack import Stack, as_it_is
from system.authority import Authority, SecretVolume

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.system


def _certificate(
    folder: Path, name: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None, *names: x509.GeneralName
) -> tuple[x509.Name, ec.EllipticCurvePrivateKey]:
    """Write `name`.pem and `name`.key, signed by `issuer` or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = dt.datetime.now(dt.UTC)
    day = dt.timedelta(days=1)
    builder = x509.CertificateBuilder(
        issuer[0] if issuer else subject, subject, key.public_key(), 1, now - day, now + day
    )
    builder = builder.add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    pem = serialization.Encoding.PEM
    signed = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    (folder / f"{name}.pem").write_bytes(signed.public_bytes(pem))
    private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (folder / f"{name}.key").write_bytes(private)
    return subject, key


@pytest.fixture
def tls(tmp_path: Path) -> dict[str, Any]:
    """Settings of mutual TLS. The certificate holds for 127.0.0.1 and `services.test`."""
    authority = _certificate(tmp_path, "ca", None)
    address = x509.IPAddress(ipaddress.ip_address("127.0.0.1"))
    _certificate(tmp_path, "all", authority, address, x509.DNSName("services.test"))
    return {"tls_cert": tmp_path / "all.pem", "tls_key": tmp_path / "all.key", "tls_ca": tmp_path / "ca.pem"}


async def _validate(settings: GatewaySettings) -> None:
    process = await asyncio.create_subprocess_exec(
        *command(configure(settings)),
        "--mode",
        "validate",
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == 0, output.decode()


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"executor": "executor.test:50051", "proof": "10.0.0.1:50052"},
        {"executor": "[::1]:50051", "proof": "localhost:50052", "host": "::"},
        {"otlp_endpoint": "http://collector.test:4317", "otlp_ratio": 0.25},
        {"otlp_traces_endpoint": "http://[::1]:4317", "executor": "unix:/run/x.sock", "proof": "proof:1"},
        {"request_timeout_s": 0.05, "max_body_bytes": 1, "rate_limit_per_minute": 1},
    ],
)
@pytest.mark.parametrize("mutual", [False, True])
async def test_envoy_takes_every_variant(
    settings: dict[str, Any], tls: dict[str, Any], tmp_path: Path, *, mutual: bool
) -> None:
    await _validate(GatewaySettings(run=tmp_path, **settings, **tls if mutual else {}))


async def test_no_value_can_be_more_than_one_value(tmp_path: Path) -> None:
    folder = Path("/x\"'b: {c}, [d] #e ${PORT} \\ é 🦉")
    settings = GatewaySettings(run=folder, host='::1"\nadmin: {}')
    config = yaml.safe_load(render(settings))
    assert config["admin"]["address"]["pipe"]["path"] == f"{folder}/gateway-admin.sock"
    [listener] = config["static_resources"]["listeners"]
    assert listener["address"]["socket_address"] == {"address": '::1"\nadmin: {}', "port_value": 8080}
    clusters = {cluster["name"]: cluster for cluster in config["static_resources"]["clusters"]}
    [endpoint] = clusters["executor"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert endpoint["endpoint"]["address"]["pipe"]["path"] == f"{folder}/executor.sock"
    descriptor = tmp_path / f"{folder.name}.binpb"
    shutil.copy(settings.gateway_descriptor, descriptor)
    await _validate(GatewaySettings(run=tmp_path / "🦉", gateway_descriptor=descriptor))


def test_what_is_not_set_up_is_not_there(tls: dict[str, Any]) -> None:
    plain = render(GatewaySettings(**tls))
    assert "opentelemetry." not in re.sub(r"tracing\.opentelemetry\.(min_)?flush", "", plain)
    assert "UpstreamTlsContext" not in plain
    assert "otlp" not in plain
    assert not re.search("^ *# (if [a-z_]+|end)$", plain, re.MULTILINE)


def test_the_configuration_depends_on_the_settings_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = GatewaySettings(run=tmp_path)
    before = render(settings)
    monkeypatch.setenv("OPENPRYSM_PORT", "1")
    assert render(settings) == before


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("OPENPRYSM_PORT", "70000"),
        ("OPENPRYSM_PORT", "tcp://10.0.0.1:80"),
        ("OPENPRYSM_EXECUTOR", "executor"),
        ("OPENPRYSM_PROOF", "unix:relative.sock"),
        ("OPENPRYSM_REQUEST_TIMEOUT_S", "0"),
        ("OPENPRYSM_MAX_BODY_BYTES", "-1"),
        ("OPENPRYSM_RATE_LIMIT_PER_MINUTE", "0"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://collector:4317"),
        ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector"),
        ("OTEL_TRACES_SAMPLER_ARG", "2"),
    ],
)
def test_a_mistake_is_reported_by_its_name(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit) as exit_:
        load(GatewaySettings)
    assert exit_.value.code == 78
    assert capsys.readouterr().err.startswith(f"{name}: ")


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "OPENPRYSM_HOST": "192.0.2.1",
        "OPENPRYSM_PORT": "80",
        "OPENPRYSM_EXECUTOR": "executor:1",
        "OPENPRYSM_GATEWAY_ADMIN": "/run/admin.sock",
        "OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317",
        "OTEL_TRACES_SAMPLER_ARG": "0.5",
    }.items():
        monkeypatch.setenv(name, value)
    settings = load(GatewaySettings)
    assert (settings.host, settings.port, settings.executor) == ("192.0.2.1", 80, "executor:1")
    assert (str(settings.admin_socket), settings.otlp_ratio) == ("/run/admin.sock", 0.5)
    with pytest.raises(ValidationError):
        GatewaySettings(port=-1)


@pytest.mark.parametrize(
    ("sampler", "share"),
    [
        ("", 0.25),
        ("parentbased_traceidratio", 0.25),
        ("always_off", 0.0),
        ("parentbased_always_off", 0.0),
        ("PARENTBASED_ALWAYS_ON", 1.0),
    ],
)
def test_a_sampler_that_needs_no_share_overrules_it(sampler: str, share: float) -> None:
    settings = GatewaySettings(otlp_endpoint="http://x:1", otlp_ratio=0.25, otlp_sampler=sampler)
    assert f"numerator: {round(share * 1e6)}," in render(settings)


async def _run_with_tls(
    tls: dict[str, Any], host: str, check: Callable[[Stack], Any], *, healthy: bool, folder: Path
) -> None:
    """Run both services on TCP with mutual TLS and a gateway that calls them `host`."""
    pair = (tls["tls_key"].read_bytes(), tls["tls_cert"].read_bytes())
    credentials = grpc.ssl_server_credentials([pair], tls["tls_ca"].read_bytes(), require_client_auth=True)
    stack = Stack(GatewaySettings(run=folder), folder)
    async with (
        stack.executor.serve("127.0.0.1:0", credentials) as executor,
        stack.planner.serve("127.0.0.1:0", credentials) as planner,
        stack.proof.serve("127.0.0.1:0", credentials) as proof,
    ):
        addresses: dict[str, Any] = {
            "executor": f"{host}:{executor}", "planner": f"{host}:{planner}", "proof": f"{host}:{proof}",
        }  # fmt: skip
        stack.settings = GatewaySettings(port=0, run=folder, **addresses, **tls)
        async with stack.run(as_it_is, healthy=healthy):
            await check(stack)


async def test_services_are_reached_with_mutual_tls(tls: dict[str, Any], tmp_path: Path) -> None:
    async def check(stack: Stack) -> None:
        assert (await stack.orchestrate()).status == 200
        assert (await stack.request("GET", "/v1/proof/prysm-0")).status == 200

    await _run_with_tls(tls, "127.0.0.1", check, healthy=True, folder=tmp_path)


async def test_a_service_with_another_name_is_not_trusted(tls: dict[str, Any], tmp_path: Path) -> None:
    async def check(stack: Stack) -> None:
        async def refused() -> bool:
            return await stack.stat("cluster.executor.ssl.fail_verify_san") > 0

        await stack.until(refused)
        reply = await stack.orchestrate()
        assert (reply.status, reply.error) == (503, "overloaded")

    await _run_with_tls(tls, "localhost", check, healthy=False, folder=tmp_path)


async def test_a_new_certificate_is_taken_while_it_runs_and_one_without_its_key_is_not(tmp_path: Path) -> None:
    authority = Authority("ours")
    volume = SecretVolume(tmp_path / "tls")
    first, files = authority.issue("services.test")
    volume.write(files)
    settings = {**volume.settings}

    async def check(stack: Stack) -> None:
        def shows(serial: int) -> Callable[[], Any]:
            async def shown() -> bool:
                certificates = json.loads(await stack.admin("/certs"))["certificates"]
                return {int(one["cert_chain"][0]["serial_number"], 16) for one in certificates} == {serial}

            return shown

        await stack.until(shows(first))
        volume.write({**authority.issue("services.test")[1], "tls.key": files["tls.key"]})
        second, files_now = authority.issue("services.test")
        volume.write(files_now)
        await stack.until(shows(second))
        assert (await stack.orchestrate()).status == 200

    await _run_with_tls(settings, "127.0.0.1", check, healthy=True, folder=tmp_path)


async def test_several_replicas_are_endpoints_of_one_cluster(tls: dict[str, Any], tmp_path: Path) -> None:
    settings = GatewaySettings(run=tmp_path, executor="ipv4:127.0.0.1:1,127.0.0.1:2", **tls)
    await _validate(settings)
    clusters = {one["name"]: one for one in yaml.safe_load(render(settings))["static_resources"]["clusters"]}
    endpoints = clusters["executor"]["load_assignment"]["endpoints"][0]["lb_endpoints"]
    assert [one["endpoint"]["address"]["socket_address"]["port_value"] for one in endpoints] == [1, 2]


def test_the_descriptor_set_and_the_template_are_found_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert json.dumps(str(GatewaySettings().gateway_descriptor)) in render(GatewaySettings())
    assert GatewaySettings().gateway_descriptor.is_file()
