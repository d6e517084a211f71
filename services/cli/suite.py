"""The whole suite on one machine: which processes there are, in which order they start and stop.

Own code and not honcho: that one ends everything when one child dies, knows no readiness and no order of stopping.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import socket
import sys
from contextlib import asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Final

import aiohttp
import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from chassis.config import private_folder, run_dir
from cli import gateway, gateway_admin
from cli.process import Child, ChildError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from cli.settings import SuiteSettings

_SERVICES: Final = ("planner", "proof", "executor")
_PROBE_S: Final = 1.0
_LOG_KEEP_BYTES: Final = 10 << 20
_DRAIN_S: Final = 30.0
_LOAD_MODELS_S: Final = 120.0


class SuiteError(Exception):
    """The suite can't run; the text is one line for the operator."""


async def _grpc_serves(address: str) -> bool:
    async with grpc.aio.insecure_channel(address) as channel:
        try:
            check = health_pb2_grpc.HealthStub(channel).Check  # type: ignore[attr-defined] # the stubs leave it out
            answer = await check(health_pb2.HealthCheckRequest(), timeout=_PROBE_S)
        except grpc.aio.AioRpcError:
            return False
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


async def _http_serves(url: str, unix_socket: str | None = None) -> bool:
    connector = aiohttp.UnixConnector(unix_socket) if unix_socket else None
    try:
        async with (
            asyncio.timeout(_PROBE_S),
            aiohttp.ClientSession(connector=connector) as client,
            client.get(url) as response,
        ):
            return response.ok
    except (aiohttp.ClientError, OSError, TimeoutError):
        return False


def _check_port(host: str, port: int) -> None:
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise SuiteError(f"port {port} on {host} is taken; set OPENPRYSM_PORT to a free one") from error


def _log_file(folder: Path, name: str) -> Path:
    """Return a child's log; one that has grown too large is kept once more as `.old`."""
    log = folder / f"{name}.log"
    if log.exists() and log.stat().st_size > _LOG_KEEP_BYTES:
        log.replace(log.with_suffix(".log.old"))
    return log


def children(settings: SuiteSettings) -> list[Child]:
    """Return the suite's processes in the order in which they start."""
    state = private_folder(settings.state.absolute())
    sockets = private_folder(run_dir(settings))
    logs = private_folder(state / "logs")
    environment = {**os.environ, "OPENPRYSM_STATE": str(state), "OPENPRYSM_RUN": str(sockets)}

    def service(name: str) -> Child:
        address = f"unix:{sockets}/{name}.sock"
        own = {f"OPENPRYSM_{name.upper()}_LISTEN": address}
        if settings.metrics_listen:  # the suite's services share one host, and so need a port each
            host, _, port = settings.metrics_listen.rpartition(":")
            own["OPENPRYSM_METRICS_LISTEN"] = f"{host}:{int(port) + _SERVICES.index(name)}"
        return Child(
            name,
            (sys.executable, "-m", name),
            {**environment, **own},
            _log_file(logs, name),
            partial(_grpc_serves, address),
        )

    rendered = gateway.configure(settings)
    front = Child(
        "gateway",
        tuple(gateway.command(rendered, settings.gateway_concurrency)),
        environment,
        _log_file(logs, "gateway"),
        partial(gateway_admin.is_ready, settings),
        drain=lambda: gateway_admin.drain(settings, _DRAIN_S),
    )
    embedded = []
    if settings.fetches or settings.gguf:
        unix_socket = f"{sockets}/local.sock"
        local = Child(
            "local",
            (sys.executable, "-m", "local"),
            {**environment, "OPENPRYSM_LOCAL_LISTEN": f"unix:{unix_socket}"},
            _log_file(logs, "local"),
            partial(_http_serves, "http://local/health", unix_socket),
            start_s=_LOAD_MODELS_S,
        )
        embedded = [local]
    return [*embedded, *map(service, _SERVICES), front]


async def fetch_weights() -> None:
    """Fetch the embedded models' weights, with the fetcher's own progress on this terminal.

    Raises:
        SuiteError: they can't be had; the fetcher has said why.
    """
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "local", "fetch")
    if await process.wait():
        raise SuiteError("the weights are not complete, so the suite does not start")


async def _stop(running: Sequence[Child]) -> None:
    for child in running:
        await child.stop()


@asynccontextmanager
async def running(settings: SuiteSettings, say: Callable[[str], None]) -> AsyncIterator[asyncio.Task[None]]:
    """Bring the suite up, hand out a task that fails when it can't be kept up, and stop it at the end.

    Raises:
        SuiteError: the port is taken, another suite uses the state folder, or a process does not start.
    """
    state = private_folder(settings.state.absolute())
    with (state / "suite.lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SuiteError(f"another suite runs on {state}; set OPENPRYSM_STATE to another folder") from error
        _check_port(settings.host, settings.port)
        if settings.fetches:
            await fetch_weights()
        processes = children(settings)
        keepers: asyncio.Task[None] | None = None
        try:
            # The services start together; the gateway last, so that it never answers for a suite that is not there.
            starts = [asyncio.create_task(child.start()) for child in processes[:-1]]
            try:
                await asyncio.gather(*starts)
            finally:
                for start in starts:
                    start.cancel()
                await asyncio.gather(*starts, return_exceptions=True)
            await processes[-1].start()
            keepers = asyncio.create_task(_keep(processes, say))
            yield keepers
        except ChildError as error:
            raise SuiteError(str(error)) from error
        finally:
            if keepers is not None:
                keepers.cancel()
                await asyncio.gather(keepers, return_exceptions=True)
            # Front to back: whoever calls stops before whom it calls.
            await _stop(processes[::-1])


async def _keep(processes: Sequence[Child], say: Callable[[str], None]) -> None:
    async with asyncio.TaskGroup() as group:
        for child in processes:
            group.create_task(child.keep(say))
