"""A service in a process of its own. The request's policy says what it does; see `_ANSWERS`.

Run as `python program.py <folder> <address>`. In the folder it tells of a request by making `entered`, and lets the
request end when `leave` is there.
"""

from __future__ import annotations

import asyncio
import sys
from functools import partial
from pathlib import Path
from typing import Any

import grpc
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor

from chassis import errors, telemetry
from chassis.config import Settings, load
from chassis.server import Server, run
from openprysm.planner.v1 import planner_pb2, planner_pb2_grpc

_FOLDER = Path(sys.argv[1])
_ADDRESS = sys.argv[2]
_PLANNER = "openprysm.planner.v1.PlannerService"


async def _wait() -> None:
    (_FOLDER / "entered").touch()
    while not (_FOLDER / "leave").exists():
        await asyncio.sleep(0.005)


async def _crash() -> None:
    raise ValueError((_FOLDER / "canary").read_text())


async def _refuse() -> None:
    raise errors.ServiceError(grpc.StatusCode.UNAVAILABLE, "overloaded", "come back", 3)


async def _leak() -> None:
    async def forgotten() -> None:
        await _crash()

    asyncio.get_running_loop().create_task(forgotten())
    await asyncio.sleep(0)
    await asyncio.sleep(0)


_ANSWERS = {"wait": _wait, "crash": _crash, "refuse": _refuse, "leak": _leak}


class _Planner(planner_pb2_grpc.PlannerServiceServicer):
    async def Plan(self, request: planner_pb2.PlanRequest, context: Any) -> planner_pb2.PlanResponse:  # noqa: ARG002, N802
        if answer := _ANSWERS.get(request.policy):
            await answer()
        return planner_pb2.PlanResponse(plan=planner_pb2.Plan(policy=request.policy))


async def _main(settings: Settings) -> None:
    with (_FOLDER / "spans").open("w") as spans:
        tracing = telemetry.Tracing.to(SimpleSpanProcessor(ConsoleSpanExporter(out=spans)))
        server = Server("test", _ADDRESS, settings, tracing)
        planner_pb2_grpc.add_PlannerServiceServicer_to_server(_Planner(), server.grpc)
        await server.serve((_PLANNER,))


if __name__ == "__main__":
    SETTINGS = load(Settings)
    run("test", SETTINGS, partial(_main, SETTINGS))
