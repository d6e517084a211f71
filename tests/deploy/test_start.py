"""The pods' own environment, volumes and images' packages make a suite that answers, proves and stops."""

from __future__ import annotations

import asyncio
import copy
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest

from deploy.kubelet import Kubelet
from deploy.pods import Overlay, Pod
from system.upstream import Upstream

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def kubelet() -> Iterator[Kubelet]:
    """All pods of the local overlay, with a model of the operator in place of the embedded ones."""
    with Upstream() as upstream:
        models = {"OPENPRYSM_MODELS": f"tiny=http://127.0.0.1:{upstream.port}/v1"}
        with Kubelet(Overlay("local"), {"local": {"OPENPRYSM_LOCAL_MODELS": "off"}, "executor": models}) as running:
            yield running


async def _answer(client: aiohttp.ClientSession, method: str, path: str, key: str, body: Any = None) -> tuple[int, Any]:
    """Ask, and come back as often as a gateway wants it whose services were not there when it started."""
    while True:
        headers = {"authorization": f"Bearer {key}"}
        async with client.request(method, path, json=body, headers=headers) as response:
            if response.status != 503:
                return response.status, await response.json()
            await asyncio.sleep(0.1)


async def test_a_question_goes_through_every_pod_and_its_proof_comes_back(kubelet: Kubelet) -> None:
    body = {"messages": [{"role": "user", "content": "What is the capital of France?"}]}
    async with asyncio.timeout(20), aiohttp.ClientSession(kubelet.url) as client:
        status, answer = await _answer(client, "POST", "/v2/orchestrate", kubelet.key, body)
        assert status == 200, answer
        assert (await _answer(client, "GET", f"/v1/proof/{answer['id']}", kubelet.key))[0] == 200
        assert (await _answer(client, "POST", "/v2/orchestrate", f"{kubelet.key}x", body))[0] == 401


@pytest.mark.parametrize("probe", ["readinessProbe", "livenessProbe"])
def test_every_probe_succeeds_on_what_runs_and_would_not_for_another_service(kubelet: Kubelet, probe: str) -> None:
    for pod in kubelet.pods:
        assert kubelet.answers(pod, probe), (pod.name, probe)
        if "grpc" in pod.container[probe]:
            strange = {**pod.workload, "spec": copy.deepcopy(pod.workload["spec"])}
            (container,) = strange["spec"]["template"]["spec"]["containers"]
            container[probe]["grpc"]["service"] = "openprysm.nobody.v1.Nobody"
            assert not kubelet.answers(Pod(strange), probe)


def test_every_pod_ends_when_it_is_told_to(kubelet: Kubelet) -> None:
    assert {name: kubelet.stop(name) for name in ("gateway", "executor", "planner", "proof", "local")} == dict.fromkeys(
        kubelet.running, 0
    )
