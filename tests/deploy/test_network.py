"""The graph of the services: settings, Services, ports and NetworkPolicies say the same."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from deploy.pods import COMPONENT

if TYPE_CHECKING:
    from collections.abc import Iterator

    from deploy.pods import Overlay

#: Where names are looked up, on every common cluster.
DNS = {
    "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}},
    "podSelector": {"matchLabels": {"k8s-app": "kube-dns"}},
}
#: Where the cluster's Prometheus and its store of traces are.
MONITORING = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}
#: Who may leave the cluster, and on which port: for models, for weights.
OUTWARD = {"executor": 443, "local": 443}
#: Who asks the database, which is somewhere in a private network.
DATABASE = {"proof": 5432, "migrate": 5432}


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
    assert {edge.server for edge in edges} == overlay.workloads.keys() - {"gateway", "migrate"}
    for edge in edges:
        assert edge.port in overlay.workloads[edge.server].ports.values()


def test_the_monitoring_namespace_fetches_metrics_and_is_told_of_spans_and_nothing_more(production: Overlay) -> None:
    fetched = {
        (pod, port["port"])
        for pod, peers, ports in _rules(production, "ingress")
        if peers == [MONITORING]
        for port in ports
    }
    assert fetched == {(name, pod.ports["metrics"]) for name, pod in production.pods.items() if "metrics" in pod.ports}
    host, _, port = production.workloads["collector"].env["TRACES_ENDPOINT"].rpartition(":")
    assert host.endswith(".monitoring")
    told = [(pod, ports) for pod, peers, ports in _rules(production, "egress") if peers == [MONITORING]]
    assert told == [("collector", [{"port": int(port)}])]


def test_every_peer_is_a_pod_of_ours_a_name_server_monitoring_or_an_address(overlay: Overlay) -> None:
    for direction in ("ingress", "egress"):
        for _, peers, _ in _rules(overlay, direction):
            for peer in peers:
                assert peer in (DNS, MONITORING) or peer.keys() <= {"podSelector"} or peer.keys() == {"ipBlock"}


def test_nothing_else_is_allowed(overlay: Overlay) -> None:
    (deny,) = [one for one in overlay.of("NetworkPolicy") if one["spec"]["podSelector"] == {}]
    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_only_the_gateway_is_open_to_everybody(overlay: Overlay) -> None:
    opened = [(pod, ports) for pod, peers, ports in _rules(overlay, "ingress") if not peers]
    assert opened == [("gateway", [{"port": overlay.pods["gateway"].port}])]


def _blocks(overlay: Overlay) -> Iterator[tuple[str, int, dict[str, Any]]]:
    """Yield pod, port and block of every rule that leads out of the cluster."""
    for pod, peers, ports in _rules(overlay, "egress"):
        assert peers  # none would mean everywhere
        for peer in peers:
            if "ipBlock" in peer:
                (port,) = ports
                yield pod, port["port"], peer["ipBlock"]


def test_only_who_needs_it_leaves_the_cluster_and_never_for_a_clouds_metadata(overlay: Overlay) -> None:
    outward = set()
    for pod, port, block in _blocks(overlay):
        if "except" in block:
            outward.add((pod, port))
            left = set(block["except"])
            assert left >= ({"169.254.0.0/16"} if block["cidr"] == "0.0.0.0/0" else {"fe80::/10"})
            private = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16"}
            assert left >= (private if block["cidr"] == "0.0.0.0/0" else {"fc00::/7"})
    assert outward == {(pod, port) for pod, port in OUTWARD.items() if pod in overlay.workloads}


def test_only_who_keeps_proofs_asks_the_database_and_only_in_private_networks(overlay: Overlay) -> None:
    asked = {(pod, port, block["cidr"]) for pod, port, block in _blocks(overlay) if "except" not in block}
    inside = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"}
    with_database = overlay.name == "production"
    assert asked == {(pod, port, cidr) for pod, port in DATABASE.items() for cidr in inside if with_database}


def test_who_calls_a_name_may_look_it_up(overlay: Overlay) -> None:
    asking = {
        pod
        for pod, peers, ports in _rules(overlay, "egress")
        if peers == [DNS] and ports == [{"port": 53, "protocol": "UDP"}, {"port": 53, "protocol": "TCP"}]
    }
    calling = {edge.client for edge in _edges(overlay, "egress")} | {"collector"} & overlay.workloads.keys()
    assert asking == calling | {pod for pod, _, _ in _blocks(overlay)}


def test_every_service_leads_to_the_port_of_its_pods(overlay: Overlay) -> None:
    services = {one["metadata"]["name"]: one["spec"] for one in overlay.of("Service")}
    assert services.keys() == overlay.workloads.keys() - {"migrate"}
    for name, service in services.items():
        assert overlay.selected({"matchLabels": service["selector"]}) == {name}
        (port,) = service["ports"]
        assert overlay.workloads[name].ports[port["targetPort"]] == port["port"]
        # gRPC keeps its connections: behind one address, one pod would get all the calls of a client.
        assert (service.get("clusterIP") == "None") == (port["name"] == "grpc")


def test_what_is_called_is_a_service_at_its_port(overlay: Overlay) -> None:
    services = {(one["metadata"]["name"], one["spec"]["ports"][0]["port"]) for one in overlay.of("Service")}
    for pod in overlay.pods.values():
        assert pod.calls <= services


def test_the_public_route_leads_to_the_gateway(production: Overlay) -> None:
    (route,) = production.of("HTTPRoute")
    backends = [(one["name"], one["port"]) for rule in route["spec"]["rules"] for one in rule["backendRefs"]]
    assert backends == [("gateway", production.pods["gateway"].port)]


def test_every_workload_selects_its_own_pods(overlay: Overlay) -> None:
    for name, pod in overlay.workloads.items():
        if pod.workload["kind"] == "Deployment":
            assert overlay.selected(pod.workload["spec"]["selector"]) == {name}
        assert pod.labels[COMPONENT] == name


def test_every_claim_is_mounted_and_every_mount_has_its_claim(overlay: Overlay) -> None:
    claims = {one["metadata"]["name"] for one in overlay.of("PersistentVolumeClaim")}
    mounted = {
        volume["persistentVolumeClaim"]["claimName"]
        for pod in overlay.workloads.values()
        for volume in pod.mounts.values()
        if "persistentVolumeClaim" in volume
    }
    assert mounted == claims
