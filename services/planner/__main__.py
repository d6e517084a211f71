"""`python -m planner`: reads the settings, loads catalog and matrix, serves."""

from __future__ import annotations

from functools import partial
from importlib.metadata import version
from pathlib import Path  # noqa: TC003 - pydantic reads the annotation
from typing import Annotated

from pydantic import BeforeValidator, Field
from pydantic_settings import NoDecode

from chassis import identity, telemetry
from chassis.config import Address, Settings, load, private_folder
from chassis.server import Server, StartError, run
from openprysm.compliance.v2 import compliance_pb2_grpc
from openprysm.planner.v1 import planner_pb2_grpc
from planner import catalog, evidence, recorded
from planner.compliance import matrix
from planner.compliance_service import PROTECTED, ComplianceServicer, log
from planner.compliance_service import SERVICE as COMPLIANCE
from planner.metering import telling
from planner.service import SERVICE, PlannerServicer


def _split(value: object) -> object:
    """Read `EU,CH`."""
    return [item.strip() for item in value.split(",") if item.strip()] if isinstance(value, str) else value


class PlannerSettings(Settings):
    """What the planner reads."""

    planner_listen: Address | None = None
    #: Key digests and their pepper, see chassis.identity; default `keys.json` and `key-pepper` in the state folder.
    keys_file: Path | None = None
    key_pepper_file: Path | None = None
    #: What recordings taught: a file of the operator's own, as `openprysm calibrate` writes it; None: what ships.
    evidence: Path | None = None
    #: Folder of recorded answers whose models are planned as provider `replay`.
    replay: Path | None = None
    #: Where the operator's own models are, for compliance policies: whose law governs them, and where data stays.
    local_jurisdiction: str | None = None
    local_regions: Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)] = Field(())


async def _main(settings: PlannerSettings) -> None:
    state = private_folder(settings.state.absolute())
    try:
        pepper = identity.load_pepper(settings.key_pepper_file or state / "key-pepper")
    except ValueError as error:
        raise StartError(str(error)) from error
    keys = identity.Keys(settings.keys_file or state / "keys.json", pepper)
    tracing = telemetry.configure("planner", version("openprysm"))
    address = settings.planner_listen or settings.socket("planner")
    server = Server("planner", address, settings, tracing, keys, PROTECTED, internal=(f"/{SERVICE}/",))
    try:
        models = catalog.load(evidence.load(settings.evidence))
        models = recorded.add(models, settings.replay) if settings.replay else models
    except (evidence.EvidenceError, recorded.PricesError) as error:
        raise StartError(str(error)) from error
    known = matrix.load().placed(settings.local_jurisdiction, settings.local_regions)
    tell = telling(server.meter, log)
    planner = PlannerServicer(models, known, tell, server.meter)
    planner_pb2_grpc.add_PlannerServiceServicer_to_server(planner, server.grpc)
    compliance_pb2_grpc.add_ComplianceServiceServicer_to_server(ComplianceServicer(models, known, tell), server.grpc)
    await server.serve((SERVICE, COMPLIANCE))


if __name__ == "__main__":
    SETTINGS = load(PlannerSettings)
    run("planner", SETTINGS, partial(_main, SETTINGS))
