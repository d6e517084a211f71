"""One replica: a pod's process with the pod's own environment, started, drained and killed as a kubelet does it."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final

import aiohttp
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from cli.process import Child
from deploy.image import command
from system.suite import OPENPRYSM

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.pods import Pod
    from drill.places import Places

_PROBE_S: Final = 1.0
#: Of a drill: a pod has 5 seconds, so that every balancer has noticed, and this machine's notice within one.
_STOP_DELAY_S: Final = 1.5


async def _grpc_serves(address: str, service: str) -> bool:
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined] # the stubs leave it out
            answer = await check(health_pb2.HealthCheckRequest(service=service), timeout=_PROBE_S)
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def http_serves(url: str) -> bool:
    """Tell whether a readiness probe by HTTP would succeed."""
    timeout = aiohttp.ClientTimeout(_PROBE_S)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as client, client.get(url) as response:
            return response.ok
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


@dataclass
class Replica:
    """A pod of an overlay, by its number. Every start is a new process; names and ports stay."""

    pod: Pod
    number: int
    places: Places
    extra: dict[str, str]
    #: Of the process that runs.
    child: Child | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return f"{self.pod.name}-{self.number}"

    @property
    def log(self) -> Path:
        return self.places.folder / f"{self.name}.log"

    def environment(self) -> dict[str, str]:
        """Return the pod's variables as they read on this machine, and nothing of its owner's."""
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        own = {name: self.places.word(self.pod, self.number, value) for name, value in self.pod.env.items()}
        return {**inherited, **own, "OPENPRYSM_STOP_DELAY_S": str(_STOP_DELAY_S), **self.extra}

    def _make(self) -> Child:
        environment = self.environment()
        words = command(self.pod.name)
        probe = self.pod.container["readinessProbe"]
        if "grpc" in probe:
            run = [sys.executable, *words[1:]]
            here = self.places.address(self.pod.name, self.number, probe["grpc"]["port"])
            ready = partial(_grpc_serves, here, probe["grpc"].get("service", ""))
        else:
            run = [OPENPRYSM, *words[1:]]
            here = self.places.address(self.pod.name, self.number, self.pod.port)
            ready = partial(http_serves, f"http://{here}{probe['httpGet']['path']}")
        return Child(self.name, tuple(run), environment, self.log, ready, stop_s=140)

    async def start(self) -> None:
        """Start it and wait until its readiness probe succeeds."""
        self.child = self._make()
        await self.child.start()

    async def drain(self) -> None:
        """Run the pod's preStop hook, if it has one."""
        hook = self.pod.container.get("lifecycle", {}).get("preStop", {}).get("exec", {}).get("command")
        if hook:
            with self.log.open("ab") as log:
                run = await asyncio.create_subprocess_exec(
                    OPENPRYSM, *hook[1:], env=self.environment(), stdout=log, stderr=log
                )
            assert await run.wait() == 0, f"{self.name} was not drained: {self.log}"

    async def stop(self) -> None:
        """End it as a kubelet does: preStop, SIGTERM, and no SIGKILL, for that would be a failure."""
        assert self.child
        await self.drain()
        await self.child.stop()
        assert self.child.process
        assert self.child.process.returncode == 0, f"{self.name} ended with {self.child.process.returncode}: {self.log}"

    async def kill(self) -> None:
        """End it with no notice at all."""
        assert self.child
        assert self.child.process
        os.kill(self.child.process.pid, signal.SIGKILL)
        await self.child.process.wait()
