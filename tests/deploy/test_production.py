"""Many pods of one service: scaled, spread, kept while nodes go, and known to one another by certificate."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any

from deploy.pods import SETTINGS, Overlay, variables


def test_a_volume_has_one_pod(overlay: Overlay) -> None:
    for pod in overlay.workloads.values():
        claimed = any("persistentVolumeClaim" in volume for volume in pod.mounts.values())
        strategy = pod.workload["spec"].get("strategy")
        if claimed:
            assert strategy == {"type": "Recreate"}
            assert pod.workload["spec"].get("replicas", 1) == 1
            assert pod.name not in _scaled(overlay)
        elif pod.name in overlay.pods:
            assert strategy == {"rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}


def _scaled(overlay: Overlay) -> dict[str, dict[str, Any]]:
    """Return what scales a pod, by its name."""
    return {one["spec"]["scaleTargetRef"]["name"]: one["spec"] for one in overlay.of("HorizontalPodAutoscaler")}


def test_production_scales_every_service_by_its_processor_and_the_executor_by_what_is_under_way(
    production: Overlay,
) -> None:
    scaled = _scaled(production)
    assert scaled.keys() == production.pods.keys()
    for name, scaler in scaled.items():
        assert scaler["scaleTargetRef"]["kind"] == production.pods[name].workload["kind"]
        assert "replicas" not in production.pods[name].workload["spec"]  # each apply would set it back
        assert 2 <= scaler["minReplicas"] < scaler["maxReplicas"]
        assert scaler["metrics"][0]["resource"]["name"] == "cpu"
    (pods,) = [metric["pods"] for metric in scaled["executor"]["metrics"] if metric["type"] == "Pods"]
    assert pods["metric"]["name"] == "prysm_rpc_active"


def test_production_keeps_serving_while_a_node_is_drained(production: Overlay) -> None:
    kept: set[str] = set()
    for budget in production.of("PodDisruptionBudget"):
        (name,) = production.selected(budget["spec"]["selector"])
        assert budget["spec"]["maxUnavailable"] < _scaled(production)[name]["minReplicas"]
        kept.add(name)
    assert kept == production.pods.keys()


def test_on_a_small_cluster_nothing_forbids_a_drain_and_nothing_scales() -> None:
    local = Overlay("local")
    assert local.of("PodDisruptionBudget") == local.of("HorizontalPodAutoscaler") == []


def test_pods_of_one_service_are_spread_over_zones_and_nodes(production: Overlay) -> None:
    for name, pod in production.pods.items():
        spread = pod.spec["topologySpreadConstraints"]
        assert {one["topologyKey"] for one in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
        for one in spread:
            assert production.selected(one["labelSelector"]) == {name}


def test_certificates_are_of_the_name_that_is_called_and_mounted_where_they_are_read(production: Overlay) -> None:
    leaves = {one["metadata"]["name"]: one["spec"] for one in production.of("Certificate") if "isCA" not in one["spec"]}
    assert leaves.keys() == production.pods.keys()
    for name, pod in production.pods.items():
        assert leaves[name]["dnsNames"] == [name]
        folder = PurePosixPath(pod.env["OPENPRYSM_TLS_CERT"]).parent
        assert pod.mounts[str(folder)]["secret"]["secretName"] == leaves[name]["secretName"]
        assert {leaves[name]["issuerRef"]["name"]} <= {one["metadata"]["name"] for one in production.of("Issuer")}
        called = any(host == name for other in production.pods.values() for host, _ in other.calls)
        assert ("server auth" in leaves[name]["usages"]) == called
        assert "client auth" in leaves[name]["usages"]


def test_the_migration_is_of_the_image_that_needs_it_and_for_the_same_database(production: Overlay) -> None:
    job, proof = production.workloads["migrate"], production.pods["proof"]
    assert job.container["image"] == proof.container["image"]
    assert job.container["command"][:3] == ["python", "-m", "proof.migrate"]
    assert {entry["name"] for entry in job.container["env"]} <= variables(SETTINGS["proof"])
