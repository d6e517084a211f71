"""The suite of the production overlay on this machine: every replica of every service, and what they need."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

from deploy.pods import Overlay
from drill import secrets
from drill.database import Database
from drill.places import Places
from drill.ports import Ports
from drill.replica import Replica
from system.upstream import Upstream, says

if TYPE_CHECKING:
    from types import TracebackType

REPLICAS: Final = 2
#: As they start, and are restarted: whom others call first.
ORDER: Final = ("planner", "proof", "executor", "gateway")
#: Seconds that a model takes.
_MODEL_S: Final = 0.05
#: What a drill changes of production's settings: nothing is sent to a collector, one client may ask for everything, and
#: connections are renewed within the drill's time.
_EXTRA: Final = {
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "",
    "OPENPRYSM_RATE_LIMIT_PER_MINUTE": "1000000",
    "OPENPRYSM_PUBLIC_RATE_LIMIT_PER_MINUTE": "1000000",
    "OPENPRYSM_GLOBAL_RATE_LIMIT_PER_MINUTE": "1000000",
    "OPENPRYSM_CONNECTION_AGE_S": "15",
}


class Town:
    """Runs everything from entering the context to leaving it."""

    def __init__(self) -> None:
        self._stack = AsyncExitStack()
        self._ports = Ports()
        self._stack.callback(self._ports.close)
        self.overlay = Overlay("production")
        self.folder = Path(tempfile.mkdtemp(prefix="drill-"))
        self.places = Places(self.folder, self.overlay, dict.fromkeys(ORDER, REPLICAS), self._ports)
        self.upstream = Upstream()
        self.database = Database(self.folder / "postgres", self._ports)
        self.keys = secrets.ApiKeys(self.places)
        self.signing = secrets.SigningKeys(self.places)
        self.serials = secrets.certify(self.places, self.places.authority.certificate)
        self.replicas: dict[str, list[Replica]] = {}
        #: Whether the folder with all logs stays.
        self.keep = False

    async def __aenter__(self) -> Self:
        try:
            self._stack.enter_context(self.upstream)
            self.light()
            self._stack.push_async_callback(self.database.stop)
            await self.database.create()
            self.places.secrets["postgres"].write({"password": self.database.password.encode()})
            self._stack.push_async_callback(self._end)
            for name in ORDER:
                extra = _EXTRA | {"executor": self.upstream.environment, "proof": self.database.settings}.get(name, {})
                replicas = [Replica(self.overlay.pods[name], i, self.places, extra) for i in range(REPLICAS)]
                for replica in replicas:
                    (self.folder / replica.name).mkdir()
                self.replicas[name] = replicas
                await asyncio.gather(*(replica.start() for replica in replicas))
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        if kind is None and not self.keep:
            shutil.rmtree(self.folder)

    async def _end(self) -> None:
        """End what still runs, without notice: what was to be shown was shown before."""
        for replica in [one for replicas in self.replicas.values() for one in replicas]:
            child = replica.child
            if child and child.process and child.process.returncode is None:
                await replica.kill()

    @property
    def urls(self) -> list[str]:
        """The gateways."""
        pod = self.overlay.pods["gateway"]
        return [f"http://{self.places.address(pod.name, number, pod.port)}" for number in range(REPLICAS)]

    def light(self) -> None:
        """Let every provider answer."""
        self.upstream.scripts["*"] = [says("The capital of France is Paris.", after_s=_MODEL_S)]
