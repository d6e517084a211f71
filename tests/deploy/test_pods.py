"""Every pod is locked down, measured, probed and stopped, and gets settings that its service reads."""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from chassis.config import is_private, private_folder
from cli.gateway import render
from deploy.manifests import ROOT
from deploy.pods import SETTINGS, Overlay, environment, variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.pods import Pod

#: Fields of settings that name a file or folder which the service writes.
WRITTEN = ("state", "run", "weights", "proof_db", "gateway_admin", "outbox")


def _probes(pod: Pod) -> Iterator[dict[str, Any]]:
    return (pod.container[name] for name in ("readinessProbe", "livenessProbe"))


def test_no_container_has_a_privilege(overlay: Overlay) -> None:
    for pod in overlay.workloads.values():
        context = pod.spec["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] >= 10_000
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & pod.spec.keys()
        assert pod.container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }


def test_no_pod_gets_a_token_or_variables_that_nobody_wrote(overlay: Overlay) -> None:
    accounts = {one["metadata"]["name"]: one for one in overlay.of("ServiceAccount")}
    assert accounts.keys() == overlay.workloads.keys()
    for name, pod in overlay.workloads.items():
        assert accounts[name]["automountServiceAccountToken"] is False
        assert pod.spec["serviceAccountName"] == name
        assert pod.spec["automountServiceAccountToken"] is False
        assert pod.spec["enableServiceLinks"] is False


def test_every_container_says_what_it_needs_and_may_take(overlay: Overlay) -> None:
    for pod in overlay.workloads.values():
        assert pod.container["resources"]["requests"].keys() == {"cpu", "memory"}
        assert "memory" in pod.container["resources"]["limits"]


def test_every_image_has_a_digest_or_a_tag_that_is_not_latest(overlay: Overlay) -> None:
    for pod in overlay.workloads.values():
        name, _, tag = pod.container["image"].replace("@sha256:", ":").partition(":")
        assert name == {
            "migrate": "openprysm-proof",
            "collector": "docker.io/otel/opentelemetry-collector",
        }.get(pod.name, f"openprysm-{pod.name}")
        assert tag not in {"", "latest"}
        assert overlay.name != "production" or "@sha256:" in pod.container["image"]


def test_every_variable_is_one_that_the_service_reads_and_has_a_value_that_it_takes(overlay: Overlay) -> None:
    for pod in overlay.pods.values():
        entries = pod.container.get("env", [])
        names = [entry["name"] for entry in entries]
        assert set(names) <= variables(SETTINGS[pod.name])
        assert len(names) == len(set(names))
        assert "envFrom" not in pod.container
        for entry in entries:
            assert ("value" in entry) or entry["valueFrom"]["secretKeyRef"]["key"] == entry["name"]
        assert isinstance(pod.settings, SETTINGS[pod.name])  # made without a complaint


def test_a_variable_that_is_misspelt_or_wrong_would_be_noticed() -> None:
    assert "OPENPRYSM_PLANNER_LISTEN" in variables(SETTINGS["planner"])
    assert "OTEL_EXPORTER_OTLP_ENDPOINT" in variables(SETTINGS["gateway"])
    assert "OPENPRYSM_PLANER_LISTEN" not in variables(SETTINGS["planner"])
    with environment({"OPENPRYSM_PLANNER_LISTEN": "50051"}), pytest.raises(ValueError, match="host:port"):
        SETTINGS["planner"]()


def test_the_key_of_every_hosted_provider_can_come_from_the_secret_and_only_to_the_executor(overlay: Overlay) -> None:
    for pod in overlay.pods.values():
        keys = {
            entry["name"]
            for entry in pod.container.get("env", [])
            if entry.get("valueFrom", {}).get("secretKeyRef", {}).get("name") == "providers"
        }
        hosted = {
            name for name in variables(SETTINGS[pod.name]) if name.endswith("_API_KEY") and "OPENPRYSM" not in name
        }
        assert keys == hosted
        assert bool(keys) == (pod.name == "executor")


def test_production_leaves_no_variable_out_that_it_can_not_do_without(production: Overlay) -> None:
    """What has a default that is for one machine: sockets, plain text, a log of localhost, keys made at first start."""
    everywhere = {"OPENPRYSM_TLS_CERT", "OPENPRYSM_TLS_KEY", "OPENPRYSM_TLS_CA", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}
    served = {"OPENPRYSM_PROBE_LISTEN", "OPENPRYSM_METRICS_LISTEN", "OPENPRYSM_STATE", "OPENPRYSM_STOP_DELAY_S"}
    keys = {"OPENPRYSM_KEYS_FILE", "OPENPRYSM_KEY_PEPPER_FILE"}
    needed = {
        "planner": served | keys | {"OPENPRYSM_PLANNER_LISTEN"},
        "executor": served | keys | {"OPENPRYSM_EXECUTOR_LISTEN", "OPENPRYSM_PLANNER", "OPENPRYSM_PROOF"},
        "proof": served
        | {"OPENPRYSM_PROOF_LISTEN", "OPENPRYSM_PROOF_POSTGRES", "OPENPRYSM_PROOF_POSTGRES_PASSWORD_FILE"}
        | {"OPENPRYSM_LOG_ORIGIN", "OPENPRYSM_LOG_KEY", "OPENPRYSM_PROOF_KEY"},
        "gateway": {"OPENPRYSM_HOST", "OPENPRYSM_EXECUTOR", "OPENPRYSM_PLANNER", "OPENPRYSM_PROOF"},
    }
    for name, pod in production.pods.items():
        assert everywhere | needed[name] <= {entry["name"] for entry in pod.container["env"]}
    assert production.pods["proof"].settings.log_origin != "localhost"


def test_every_path_that_a_variable_names_is_in_a_volume(overlay: Overlay) -> None:
    for pod in overlay.workloads.values():
        for value in pod.env.values():
            if value.startswith("/"):
                assert any(
                    PurePosixPath(mount) in PurePosixPath(value).parents or mount == value for mount in pod.mounts
                )


def test_what_a_service_writes_is_in_a_volume_and_never_the_volume_itself(overlay: Overlay) -> None:
    for pod in overlay.pods.values():
        writable = [path for path, volume in pod.mounts.items() if not {"secret", "configMap"} & volume.keys()]
        for field in WRITTEN:
            if f"OPENPRYSM_{field}".upper() in pod.env:
                path = PurePosixPath(getattr(pod.settings, field))
                assert any(PurePosixPath(mount) in path.parents for mount in writable), (pod.name, field)
    assert "OPENPRYSM_STATE" in overlay.pods["proof"].env
    assert "OPENPRYSM_STATE" in overlay.pods["executor"].env
    assert "OPENPRYSM_RUN" in overlay.pods["gateway"].env


def test_runs_that_wait_for_their_proof_are_on_a_disk_with_room_for_all_of_them(overlay: Overlay) -> None:
    pod = overlay.pods["executor"]
    volume = pod.mounts[str(pod.settings.outbox.parent)]["emptyDir"]
    assert "medium" not in volume, "memory is gone when the node restarts"
    assert int(volume["sizeLimit"].removesuffix("Mi")) << 20 >= 2 * pod.settings.outbox_bytes


def test_a_folder_in_a_volume_is_private_and_the_volume_is_refused(tmp_path: Path) -> None:
    volume = tmp_path / "volume"
    volume.mkdir()
    volume.chmod(0o2777)  # as a kubelet leaves one with a fsGroup
    with pytest.raises(PermissionError):
        private_folder(volume)
    folder = private_folder(volume / "state")
    assert private_folder(folder) == folder
    assert stat.S_IMODE(folder.stat().st_mode) & 0o777 == 0o700


def test_a_kubelet_never_opens_a_kept_folder_to_the_group(overlay: Overlay) -> None:
    for pod in overlay.pods.values():
        if not all({"secret", "configMap", "emptyDir"} & volume.keys() for volume in pod.mounts.values()):
            assert pod.spec["securityContext"]["fsGroupChangePolicy"] == "OnRootMismatch"


def test_secrets_arrive_with_a_mode_that_services_take_and_an_owner_that_is_not_theirs(overlay: Overlay) -> None:
    for pod in overlay.workloads.values():
        for volume in pod.mounts.values():
            if "secret" in volume:
                assert volume["secret"]["defaultMode"] == 0o440
                assert pod.spec["securityContext"]["fsGroup"] == pod.spec["securityContext"]["runAsGroup"]


def test_a_secret_is_private_when_its_owner_lets_one_group_in(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.touch()
    owner = secret.stat().st_uid
    with pytest.MonkeyPatch.context() as patch:
        for uid, private in {owner: {0o400, 0o600}, owner + 1: {0o400, 0o440, 0o600, 0o640}}.items():
            patch.setattr("os.getuid", lambda uid=uid: uid)
            found = set()
            for mode in (0o400, 0o440, 0o600, 0o640, 0o660, 0o604, 0o644):
                secret.chmod(mode)
                found |= {mode} if is_private(secret) else set()
            assert found == private


def test_the_manifest_names_the_ports_that_the_code_opens_and_no_other(overlay: Overlay) -> None:
    for pod in overlay.pods.values():
        assert pod.ports == pod.listens


def test_envoy_listens_on_the_gateways_port(overlay: Overlay) -> None:
    pod = overlay.pods["gateway"]
    here = {"gateway_dir": ROOT / "gateway", "gateway_descriptor": ROOT / "gen" / "openprysm.binpb"}
    (listener,) = yaml.safe_load(render(pod.settings.model_copy(update=here)))["static_resources"]["listeners"]
    assert listener["address"]["socket_address"] == {"address": "0.0.0.0", "port_value": pod.ports["http"]}  # noqa: S104


def test_probes_ask_a_port_that_needs_no_certificate(overlay: Overlay) -> None:
    for pod in overlay.pods.values():
        for probe in _probes(pod):
            if "grpc" in pod.ports:
                assert probe["grpc"]["port"] == pod.ports["probe"]  # no name is allowed there
                named = probe["grpc"].get("service")
                assert named in {None, "openprysm.proof.v2.ProofService"}
                assert (named is not None) == (pod.name == "proof" and probe is pod.container["readinessProbe"])
            else:
                assert probe["httpGet"]["port"] == "http"


def test_a_pod_gets_the_time_that_its_service_takes_to_stop(overlay: Overlay) -> None:
    for pod in overlay.pods.values():
        settings = pod.settings
        grace = pod.spec["terminationGracePeriodSeconds"]
        assert grace > settings.stop_delay_s + settings.stop_grace_s
        if pod.name in {"executor", "gateway"}:
            assert grace > settings.stop_delay_s + settings.request_timeout_s
    executor = overlay.pods["executor"].settings
    assert executor.stop_grace_s >= executor.request_timeout_s


def test_the_drain_may_take_as_long_as_a_request(overlay: Overlay) -> None:
    pod = overlay.pods["gateway"]
    assert pod.container["lifecycle"] == {"preStop": {"exec": {"command": ["openprysm", "drain"]}}}
    assert pod.settings.stop_delay_s >= 2 * pod.container["readinessProbe"]["periodSeconds"]
