"""Pods as processes on this machine: what a kubelet would give them, less isolation, identity and waiting."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis import identity
from deploy.image import command, pins
from system.suite import OPENPRYSM, free_port

if TYPE_CHECKING:
    from collections.abc import Mapping

    from deploy.pods import Overlay, Pod

_PATIENCE_S: Final = 30.0
#: Runs a module where the packages that its image lacks can't be imported.
_ALONE: Final = """
import json, runpy, sys
_, missing, module, *arguments = sys.argv
class Missing:
    def find_spec(self, name, path=None, target=None):
        if name in missing:
            raise ModuleNotFoundError(name)
missing = json.loads(missing)
sys.meta_path.insert(0, Missing())
sys.argv = [module, *arguments]
runpy.run_module(module, run_name="__main__", alter_sys=True)
"""


def _hand_out(file: Path) -> None:
    """Leave a file as a kubelet does: someone else's, and readable to the pod's group. Only root can give it away."""
    if os.getuid() == 0:
        os.chown(file, 10002, os.getgid())
        file.chmod(0o440)
    else:
        file.chmod(0o400)


class Kubelet:
    """Runs all pods of an overlay from entering to leaving its context. `extra` is set besides, by pod."""

    def __init__(self, overlay: Overlay, extra: Mapping[str, Mapping[str, str]]) -> None:
        self._overlay = overlay
        self._extra = extra
        self._folder = Path(tempfile.mkdtemp(prefix="pods"))
        #: By pod and the port that it has in the manifest.
        self._ports = {(name, port): free_port() for name, pod in overlay.pods.items() for port in pod.listens.values()}
        self._owners = packages_distributions()
        self.running: dict[str, subprocess.Popen[bytes]] = {}
        self.url = f"http://127.0.0.1:{self._ports['gateway', overlay.pods['gateway'].port]}"
        made = self._folder / "made"
        made.mkdir()
        pepper = identity.load_pepper(made / "key-pepper")
        self.key = identity.create_key(made / "keys.json", pepper, "test")
        self._secrets = {"api-keys": {name: (made / name).read_text() for name in ("key-pepper", "keys.json")}}

    def __enter__(self) -> Self:
        try:
            for pod in self._overlay.pods.values():
                self._start(pod)
            for pod in self._overlay.pods.values():
                self._await(pod)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.running.values():
            process.kill()
            process.wait()
        shutil.rmtree(self._folder)

    def _word(self, pod: Pod, text: str) -> str:
        """Return a value of the manifest as it has to read here: other paths, other ports."""
        for path in pod.mounts:
            text = text.replace(path, f"{self._folder}/{pod.name}{path}")
        for (name, port), here in self._ports.items():
            if text == f"{name}:{port}" or (name == pod.name and text == f"0.0.0.0:{port}"):
                return f"127.0.0.1:{here}"
        return {"0.0.0.0": "127.0.0.1", str(pod.port): str(self._ports[pod.name, pod.port])}.get(text, text)  # noqa: S104

    def environment(self, pod: Pod) -> dict[str, str]:
        """Return all variables of a pod's container."""
        own = {name: self._word(pod, value) for name, value in pod.env.items()}
        extra = self._extra.get(pod.name, {})
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        return {**inherited, **own, "OPENPRYSM_STOP_DELAY_S": "0", **extra}

    def _mount(self, pod: Pod) -> None:
        for path, volume in pod.mounts.items():
            target = Path(self._word(pod, path))
            target.mkdir(parents=True)
            files: dict[str, str] = {}
            if "secret" in volume:
                files = self._secrets[volume["secret"]["secretName"]]
            elif "configMap" in volume:
                named = volume["configMap"]["name"]
                (files,) = [one["data"] for one in self._overlay.of("ConfigMap") if one["metadata"]["name"] == named]
            else:
                target.chmod(0o2777)
            for name, text in files.items():
                (target / name).write_text(text)
                _hand_out(target / name)

    def _start(self, pod: Pod) -> None:
        self._mount(pod)
        held = {*pins(f"images/{pod.name}.txt"), "openprysm"}
        missing = [
            name for name, owners in self._owners.items() if not held & {o.lower().replace("_", "-") for o in owners}
        ]
        words = command(pod.name)
        arguments = words[2:] if words[:2] == ["python", "-m"] else ["cli", *words[1:]]
        self.running[pod.name] = subprocess.Popen(
            [sys.executable, "-c", _ALONE, json.dumps(missing), *arguments],
            env=self.environment(pod),
            cwd=self._folder,
        )

    def _await(self, pod: Pod) -> None:
        until = time.monotonic() + _PATIENCE_S
        while not self._ready(pod):
            assert self.running[pod.name].poll() is None, f"{pod.name} ended"
            assert time.monotonic() < until, f"{pod.name} is not ready"
            time.sleep(0.05)

    def _ready(self, pod: Pod) -> bool:
        return self.answers(pod, "readinessProbe")

    def answers(self, pod: Pod, name: str) -> bool:
        """Do what a probe says, and tell whether it succeeds."""
        probe: dict[str, Any] = pod.container[name]
        if "grpc" in probe:
            with grpc.insecure_channel(f"127.0.0.1:{self._ports[pod.name, probe['grpc']['port']]}") as channel:
                check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined] # the stubs leave it out
                asked = health_pb2.HealthCheckRequest(service=probe["grpc"].get("service", ""))
                try:
                    return bool(check(asked, timeout=1).status == health_pb2.HealthCheckResponse.SERVING)
                except grpc.RpcError:
                    return False
        url = f"http://127.0.0.1:{self._ports[pod.name, pod.port]}{probe['httpGet']['path']}"
        try:
            with urllib.request.urlopen(url, timeout=1) as response:
                return bool(response.status == 200)
        except (OSError, urllib.error.HTTPError):
            return False

    @property
    def pods(self) -> list[Pod]:
        """All that run."""
        return list(self._overlay.pods.values())

    def stop(self, name: str) -> int:
        """End a pod as it is ended on a node, and return the exit status of its service."""
        pod = self._overlay.pods[name]
        hook = pod.container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command")
        if hook:
            assert hook[0] == "openprysm"
            subprocess.run([OPENPRYSM, *hook[1:]], env=self.environment(pod), check=True)
        self.running[name].terminate()
        return self.running[name].wait(20)
