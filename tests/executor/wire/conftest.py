"""A finished orchestration: two agree, one refuses, one writes."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from executor import transcript
from executor.orchestrate import Request, Result, Signed, execute

if TYPE_CHECKING:
    from executor.conftest import Lab


@pytest.fixture
def request_of_all_fields(lab: Lab) -> Request:
    return Request(lab.question, "depth", "ensemble_moa", 3, 100, 0.7, 10**9, "x", include_trace=True)


@pytest.fixture
def result(lab: Lab, request_of_all_fields: Request) -> Result:
    script = {
        "a": [lab.says("Paris", 20, 5, after_s=1.0)],
        "b": [lab.says("It is Paris.", None, None, after_s=2.0)],
        "c": [lab.fails("rejected")],
        "x": [lab.says("They agree.\nFINAL ANSWER:\nParis.", 60, 9, after_s=4.0)],
    }
    world, task = lab.world(script), lab.moa("abc", "x", "f")
    unpriced = replace(task.plan.synthesizers[0], input_price=None)
    task = replace(task, plan=replace(task.plan, synthesizers=(unpriced,)))
    outcome = world.do(execute(task, None, world.edges, world.clock() + 60, None))
    request_id, nonce = "prysm-" + "ab" * 16, bytes(range(32))
    written = transcript.write(request_id, lab.question, outcome.answer.text, outcome.stages, nonce)
    signed = Signed("sha256:" + "0" * 64, "SHA256:key", b'{"mediaType": "bundle", "n": 1}')
    return Result(request_id, 1_790_000_000, request_of_all_fields, outcome, written, signed, 7500.0)
