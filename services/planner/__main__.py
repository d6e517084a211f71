"""`python -m planner`: reads the settings, loads the catalog, serves."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version

from chassis import telemetry
from chassis.config import Address, Settings, load
from chassis.server import Server, run
from openprysm.planner.v1 import planner_pb2_grpc
from planner import catalog
from planner.service import SERVICE, PlannerServicer


class PlannerSettings(Settings):
    """What the planner reads."""

    planner_listen: Address | None = None


async def _main(settings: PlannerSettings) -> None:
    provider = telemetry.configure("planner", version("openprysm"))
    server = Server("planner", settings.planner_listen or settings.socket("planner"), settings, provider)
    planner_pb2_grpc.add_PlannerServiceServicer_to_server(PlannerServicer(catalog.load()), server.grpc)
    await server.serve((SERVICE,))


if __name__ == "__main__":
    SETTINGS = load(PlannerSettings)
    run("planner", SETTINGS, partial(_main, SETTINGS))
