"""The graph of the services: settings, Services, ports and NetworkPolicies say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.pods import Overlay

#: Where names are looked up, on every common cluster.
DNS = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
}
#: Who may leave the cluster: for models, or for weights.
OUTWARD = {"executor", "local"}


class Edge(NamedTuple):
    """One service that calls another."""

    client: str
    server: str
    port: int


def _rules(overlay: Overlay, direction: str) -> Iterator[tuple[str, list[dict[str, Any]], list[dict[str, Any]]]]:
    """Yield pod, peers and ports of every rule; a direction without its policy type would not be in force."""
    side = "from" if direction == "ingress" else "to"
    for policy in overlay.of("NetworkPolicy"):
        for rule in policy["spec"].get(direction, []):
            assert direction.capitalize() in policy["spec"]["policyTypes"]
            assert rule["ports"]
            pods = overlay.selected(policy["spec"]["podSelector"])
            assert pods
            for pod in pods:
                yield pod, rule.get(side, []), rule["ports"]


def _edges(overlay: Overlay, direction: str) -> set[Edge]:
    """Return the edges between pods that the policies of one direction allow."""
    edges = set()
    for pod, peers, ports in _rules(overlay, direction):
        for peer in peers:
            if peer.keys() == {"podSelector"}:
                others = overlay.selected(peer["podSelector"])
                assert others
                for other in others:
                    client, server = (other, pod) if direction == "ingress" else (pod, other)
                    edges |= {Edge(client, server, port["port"]) for port in ports}
    return edges


def test_policies_allow_the_calls_that_settings_name_at_both_ends_and_no_other(overlay: Overlay) -> None:
    calls = {Edge(pod.name, host, port) for pod in overlay.pods.values() for host, port in pod.calls}
    assert _edges(overlay, "egress") == calls
    assert _edges(overlay, "ingress") == calls


def test_every_server_has_a_client_and_listens_on_the_port_that_is_called(overlay: Overlay) -> None:
    edges = _edges(overlay, "ingress")
    assert {edge.server for edge in edges} == overlay.pods.keys() - {"gateway"}
    for edge in edges:
        assert overlay.pods[edge.server].port == edge.port


def test_nothing_else_is_allowed(overlay: Overlay) -> None:
    (deny,) = [one for one in overlay.of("NetworkPolicy") if one["spec"]["podSelector"] == {}]
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_only_the_gateway_is_open_to_everybody(overlay: Overlay) -> None:
    opened = [(pod, ports) for pod, peers, ports in _rules(overlay, "ingress") if not peers]
    assert opened == [("gateway", [{"port": overlay.pods["gateway"].port}])]


def test_only_who_needs_it_leaves_the_cluster_and_never_for_a_private_address(overlay: Overlay) -> None:
    outward = set()
    for pod, peers, ports in _rules(overlay, "egress"):
        assert peers  # none would mean everywhere
        for block in (peer["ipBlock"] for peer in peers if "ipBlock" in peer):
            outward.add(pod)
            assert ports == [{"port": 443}]
            if block["cidr"] == "0.0.0.0/0":
                assert {"10.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12", "192.168.0.0/16"} <= set(block["except"])
            else:
                assert {"fc00::/7", "fe80::/10"} <= set(block["except"])
    assert outward == OUTWARD & overlay.pods.keys()


def test_who_calls_a_name_may_look_it_up(overlay: Overlay) -> None:
    asking = {
        pod
        for pod, peers, ports in _rules(overlay, "egress")
        if peers == [DNS] and ports == [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
    }
    assert asking == {pod.name for pod in overlay.pods.values() if pod.calls} | (OUTWARD & overlay.pods.keys())


def test_every_service_leads_to_the_port_of_its_pods(overlay: Overlay) -> None:
    services = {one["metadata"]["name"]: one["spec"] for one in overlay.of("Service")}
    assert services.keys() == overlay.pods.keys()
    for name, service in services.items():
        assert overlay.selected({"matchLabels": service["selector"]}) == {name}
        (port,) = service["ports"]
        (container_port,) = overlay.pods[name].container["ports"]
        assert port["targetPort"] == container_port["name"]
        assert port["port"] == container_port["containerPort"] == overlay.pods[name].port
        # gRPC keeps its connections: behind one address, one pod would get all the calls of a client.
        assert (service.get("clusterIP") == "None") == (port["name"] == "grpc")


def test_every_workload_selects_its_own_pods(overlay: Overlay) -> None:
    for name, pod in overlay.pods.items():
        assert overlay.selected(pod.workload["spec"]["selector"]) == {name}
    assert overlay.pods["proof"].workload["spec"]["serviceName"] == "proof"


def test_every_claim_is_mounted_and_every_mount_has_its_claim(overlay: Overlay) -> None:
    claims = {one["metadata"]["name"] for one in overlay.of("PersistentVolumeClaim")}
    mounted = {
        volume["persistentVolumeClaim"]["claimName"]
        for pod in overlay.pods.values()
        for volume in pod.mounts.values()
        if "persistentVolumeClaim" in volume
    }
    assert mounted == claims
