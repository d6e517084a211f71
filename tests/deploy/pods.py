"""What the tests look at: an overlay's pods, and the settings that each one's environment comes to."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

import pytest

from cli.gateway import GatewaySettings
from deploy.manifests import parse, render
from executor.settings import ExecutorSettings
from local.settings import LocalSettings
from planner.__main__ import PlannerSettings
from proof.__main__ import ProofSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chassis.config import Settings

#: What OpenTelemetry's SDK reads, in every service.
OTHERS: Final = {"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"}
COMPONENT: Final = "app.kubernetes.io/component"
SETTINGS: Final[dict[str, type[Settings]]] = {
    "planner": PlannerSettings,
    "executor": ExecutorSettings,
    "proof": ProofSettings,
    "local": LocalSettings,
    "gateway": GatewaySettings,
}


def variables(kind: type[Settings]) -> set[str]:
    """Return the names of the environment variables that a service reads."""
    aliases = {name: field.validation_alias for name, field in kind.model_fields.items()}
    return OTHERS | {
        alias if isinstance(alias, str) else f"OPENPRYSM_{name}".upper() for name, alias in aliases.items()
    }


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """Let `values` be all that is set of the suite's variables."""
    read = set().union(*map(variables, SETTINGS.values()))
    with pytest.MonkeyPatch.context() as patch:
        for name in read:
            patch.delenv(name, raising=False)
        for name, value in values.items():
            patch.setenv(name, value)
        yield


def _port(address: str) -> int:
    host, _, port = address.rpartition(":")
    assert host == "0.0.0.0"  # noqa: S104 - a pod's own address is not known before it runs
    return int(port)


@dataclass(frozen=True)
class Pod:
    """The pod template of one Deployment or Job."""

    workload: dict[str, Any]

    @property
    def name(self) -> str:
        return str(self.workload["metadata"]["name"])

    @property
    def template(self) -> dict[str, Any]:
        return dict(self.workload["spec"]["template"])

    @property
    def spec(self) -> dict[str, Any]:
        return dict(self.template["spec"])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.template["metadata"]["labels"])

    @property
    def container(self) -> dict[str, Any]:
        (one,) = self.spec["containers"]
        return dict(one)

    @property
    def mounts(self) -> dict[str, dict[str, Any]]:
        """Path to volume."""
        volumes = {volume["name"]: volume for volume in self.spec.get("volumes", [])}
        return {mount["mountPath"]: volumes[mount["name"]] for mount in self.container.get("volumeMounts", [])}

    @property
    def env(self) -> dict[str, str]:
        """The variables with a value of their own: those from Secrets are left out."""
        return {entry["name"]: entry["value"] for entry in self.container.get("env", []) if "value" in entry}

    @cached_property
    def settings(self) -> Any:
        # Settings want to see certificates; any file will do.
        seen = {name: __file__ if name.startswith("OPENPRYSM_TLS_") else value for name, value in self.env.items()}
        with environment(seen):
            return SETTINGS[self.name]()

    @property
    def port(self) -> int:
        """The port that the service listens on."""
        if self.name == "gateway":
            return int(self.settings.port)
        return _port(getattr(self.settings, f"{self.name}_listen"))

    @property
    def listens(self) -> dict[str, int]:
        """Every port that the code opens, by the name that it has to have in the manifest."""
        if self.name in {"gateway", "local"}:
            return {"http": self.port}
        own = {"grpc": self.port, "probe": _port(self.settings.probe_listen)}
        return own | ({"metrics": _port(listen)} if (listen := self.settings.metrics_listen) else {})

    @property
    def ports(self) -> dict[str, int]:
        """What the manifest says."""
        return {port["name"]: port["containerPort"] for port in self.container.get("ports", [])}

    @property
    def calls(self) -> set[tuple[str, int]]:
        """Host and port of every service that its settings name."""
        fields = [
            name for name in ("planner", "executor", "proof", "local") if name in type(self.settings).model_fields
        ]
        addresses = [getattr(self.settings, name) for name in fields]
        addresses.append(self.env.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "").removeprefix("http://"))
        return {(host, int(port)) for host, _, port in (address.rpartition(":") for address in addresses if address)}


class Overlay:
    """A rendered overlay."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.objects = parse(render(name))
        #: Everything that runs.
        self.workloads = {
            one["metadata"]["name"]: Pod(one) for one in self.objects if one["kind"] in {"Deployment", "Job"}
        }
        #: The suite's services.
        self.pods = {name: pod for name, pod in self.workloads.items() if name in SETTINGS}

    def of(self, kind: str) -> list[dict[str, Any]]:
        return [one for one in self.objects if one["kind"] == kind]

    def selected(self, selector: dict[str, Any]) -> set[str]:
        """Return the names of the pods that a label selector picks."""

        def picks(labels: dict[str, str]) -> bool:
            assert selector.keys() <= {"matchLabels", "matchExpressions"}
            wanted = [(key, [value]) for key, value in selector.get("matchLabels", {}).items()]
            for rule in selector.get("matchExpressions", []):
                assert rule["operator"] == "In"
                wanted.append((rule["key"], rule["values"]))
            return all(labels.get(key) in values for key, values in wanted)

        return {name for name, pod in self.workloads.items() if picks(pod.labels)}
