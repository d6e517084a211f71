"""Where on this machine the pods' ports, volumes and Secrets are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from deploy.manifests import ROOT
from system.authority import Authority, SecretVolume

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.pods import Overlay, Pod
    from drill.ports import Ports

_GATEWAY: Final = ROOT / "gateway"


class Places:
    """A folder for all of it. Certificates, keys and passwords are Secrets: folders that change all at once."""

    def __init__(self, folder: Path, overlay: Overlay, replicas: dict[str, int], ports: Ports) -> None:
        self.folder = folder
        self.replicas = replicas
        self._ports = {
            (pod.name, number, port): ports.take()
            for pod in overlay.pods.values()
            for number in range(replicas[pod.name])
            for port in pod.listens.values()
        }
        self.authority = Authority("drill")
        self.secrets: dict[str, SecretVolume] = {}
        for pod in overlay.pods.values():
            for volume in pod.mounts.values():
                if "secret" in volume:
                    name = volume["secret"]["secretName"]
                    self.secrets[name] = SecretVolume(folder / "secrets" / name)

    def address(self, service: str, number: int, port: int) -> str:
        """Return where one replica's port is."""
        return f"127.0.0.1:{self._ports[service, number, port]}"

    def word(self, pod: Pod, number: int, text: str) -> str:
        """Return a value of the manifest as it reads here: other paths, other ports, replicas for a name."""
        for path, volume in pod.mounts.items():
            if text.startswith(path):
                return text.replace(path, str(self._folder_of(pod, number, volume)))
        host, _, port = text.rpartition(":")
        if host == "0.0.0.0":  # noqa: S104 - a pod's own address
            return self.address(pod.name, number, int(port))
        if host in self.replicas:
            found = [self.address(host, one, int(port)) for one in range(self.replicas[host])]
            return f"ipv4:{','.join(found)}"
        own = {"0.0.0.0": "127.0.0.1", str(pod.port): self.address(pod.name, number, pod.port).rpartition(":")[2]}  # noqa: S104 - likewise
        return own.get(text, text)

    def _folder_of(self, pod: Pod, number: int, volume: dict[str, Any]) -> Path:
        if "secret" in volume:
            return self.secrets[volume["secret"]["secretName"]].folder
        return _GATEWAY if "configMap" in volume else self.folder / f"{pod.name}-{number}"
