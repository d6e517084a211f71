"""Every pod is locked down, measured, probed and stopped, and gets settings that its service reads."""

from __future__ import annotations

import stat
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import pytest

from chassis.config import private_folder
from deploy.pods import SETTINGS, environment, variables

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.pods import Overlay, Pod

#: Fields of settings that name a file or folder which the service writes.
WRITTEN = ("state", "run", "weights", "key_pepper_file", "proof_db", "gateway_admin", "outbox")


def _probes(pod: Pod) -> Iterator[dict[str, Any]]:
    return (pod.container[name] for name in ("readinessProbe", "livenessProbe"))


def test_no_container_has_a_privilege(overlay: Overlay) -> None:
    for pod in overlay.pods.values():
        context = pod.spec["securityContext"]
        assert context["runAsNonRoot"] is True
        assert context["runAsUser"] >= 10_000
        assert context["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not {"hostNetwork", "hostPID", "hostIPC"} & pod.spec.keys()
        for container in pod.containers:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_no_pod_gets_a_token_or_variables_that_nobody_wrote(overlay: Overlay) -> None:
    (account,) = overlay.of("ServiceAccount")
    assert account["automountServiceAccountToken"] is False
    for pod in overlay.pods.values():
        assert pod.spec["serviceAccountName"] == account["metadata"]["name"]
        assert pod.spec["automountServiceAccountToken"] is False
        assert pod.spec["enableServiceLinks"] is False


def test_every_container_says_what_it_needs_and_may_take(overlay: Overlay) -> None:
    for pod in overlay.pods.values():
        for container in pod.containers:
            assert container["resources"]["requests"].keys() == {"cpu", "memory"}
            assert "memory" in container["resources"]["limits"]


def test_every_image_has_a_digest_or_a_tag_that_is_not_latest(overlay: Overlay) -> None:
    for pod in overlay.pods.values():
        for container in pod.containers:
            name, _, tag = container["image"].replace("@sha256:", ":").partition(":")
            assert name == f"openprysm-{pod.name}"
            assert tag not in {"", "latest"}
            assert overlay.name != "production" or "@sha256:" in container["image"]


def test_every_variable_is_one_that_the_service_reads_and_has_a_value_that_it_takes(overlay: Overlay) -> None:
    for pod in overlay.pods.values():
        entries = pod.container.get("env", [])
        names = [entry["name"] for entry in entries]
        assert set(names) <= variables(SETTINGS[pod.name])
        assert len(names) == len(set(names))
        assert not any("envFrom" in container for container in pod.containers)
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
        keys = {entry["name"] for entry in pod.container.get("env", []) if "valueFrom" in entry}
        hosted = {
            name for name in variables(SETTINGS[pod.name]) if name.endswith("_API_KEY") and "OPENPRYSM" not in name
        }
        assert keys == hosted
        assert bool(keys) == (pod.name == "executor")


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


def test_the_pepper_arrives_with_a_mode_that_the_executor_takes(overlay: Overlay) -> None:
    pod = overlay.pods["executor"]
    (copy,) = pod.spec["initContainers"]
    *install, source, target = copy["command"]
    assert install == ["install", "-m", "0400"]
    assert target == str(pod.settings.key_pepper_file)
    secret = pod.mounts[str(PurePosixPath(source).parent)]["secret"]
    assert secret["defaultMode"] == 0o440
    assert "fsGroup" in pod.spec["securityContext"]
    assert pod.settings.keys_file.parent == Path(source).parent
    assert copy["volumeMounts"] == pod.container["volumeMounts"]


def test_probes_ask_the_port_that_the_service_listens_on(overlay: Overlay) -> None:
    for pod in overlay.pods.values():
        (port,) = pod.container["ports"]
        assert port["containerPort"] == pod.port
        for probe in _probes(pod):
            if port["name"] == "grpc":
                assert probe["grpc"]["port"] == pod.port  # no name is allowed there
            else:
                assert probe["httpGet"]["port"] == port["name"]


def test_a_pod_gets_the_time_that_its_service_takes_to_stop(overlay: Overlay) -> None:
    for pod in overlay.pods.values():
        settings = pod.settings
        grace = pod.spec["terminationGracePeriodSeconds"]
        assert grace > settings.stop_delay_s + settings.stop_grace_s
        if pod.name in {"executor", "gateway"}:
            assert grace > settings.stop_delay_s + settings.request_timeout_s
    executor = overlay.pods["executor"].settings
    assert executor.stop_grace_s >= executor.request_timeout_s


def test_sqlite_has_one_writer_and_weights_have_one_pod(overlay: Overlay) -> None:
    proof = overlay.pods["proof"].workload
    assert proof["kind"] == "StatefulSet"
    for pod in overlay.pods.values():
        if any("persistentVolumeClaim" in volume for volume in pod.mounts.values()):
            assert pod.workload["spec"]["strategy"] == {"type": "Recreate"}
            assert pod.workload["spec"].get("replicas", 1) == 1
    assert proof["spec"].get("replicas", 1) == 1


def test_production_keeps_serving_while_a_node_is_drained(production: Overlay) -> None:
    several = {name for name, pod in production.pods.items() if pod.workload["spec"].get("replicas", 1) > 1}
    assert several == production.pods.keys() - {"proof"}
    kept: set[str] = set()
    for budget in production.of("PodDisruptionBudget"):
        (name,) = production.selected(budget["spec"]["selector"])
        assert budget["spec"]["maxUnavailable"] < production.pods[name].workload["spec"]["replicas"]
        kept.add(name)
    assert kept == several
