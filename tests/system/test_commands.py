"""The command line as its user sees it: clear lines, clean ends."""

from __future__ import annotations

import os
import signal
import socket
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import grpc
import grpc_testing
import pytest
from grpc_health.v1 import health_pb2

from cli import status
from system.suite import OPENPRYSM, free_port, serving, wait_until

if TYPE_CHECKING:
    from pathlib import Path

    from system.suite import Suite

pytestmark = pytest.mark.system


def run(*words: str, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "OPENPRYSM_LOCAL_MODELS": "off", **settings}
    return subprocess.run([OPENPRYSM, *words], env=environment, capture_output=True, text=True, timeout=60, check=False)


def test_a_taken_port_is_one_clear_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        got = run("serve", OPENPRYSM_PORT=str(port), OPENPRYSM_STATE=str(tmp_path / "state"))
    assert got.returncode == 1
    assert got.stderr == f"openprysm: port {port} on 127.0.0.1 is taken; set OPENPRYSM_PORT to a free one\n"


def test_a_second_suite_on_the_same_state_is_one_clear_line(suite: Suite) -> None:
    got = run("serve", OPENPRYSM_PORT=str(free_port()), OPENPRYSM_STATE=str(suite.state))
    assert got.returncode == 1
    assert got.stderr.startswith(f"openprysm: another suite runs on {suite.state}")
    assert got.stderr.count("\n") == 1


def test_every_mistake_in_the_settings_is_listed_at_once_and_no_value_is_shown(tmp_path: Path) -> None:
    got = subprocess.run(
        [sys.executable, "-m", "executor"],
        env={
            **os.environ,
            "OPENPRYSM_STATE": str(tmp_path),
            "OPENPRYSM_OPENAI_BASE_URL": "ftp://canary-value",
            "OPENPRYSM_REQUEST_TIMEOUT_S": "canary-soon",
            "OPENPRYSM_PLANNER": "canary-nowhere",
        },
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert got.returncode == 78
    names = sorted(line.split(":")[0] for line in got.stderr.splitlines())
    assert names == ["OPENPRYSM_OPENAI_BASE_URL", "OPENPRYSM_PLANNER", "OPENPRYSM_REQUEST_TIMEOUT_S"]
    assert "canary" not in got.stderr


def test_a_folder_that_others_may_enter_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir(mode=0o755)
    got = run("serve", OPENPRYSM_PORT=str(free_port()), OPENPRYSM_STATE=str(tmp_path / "state"))
    assert got.returncode == 1
    assert "must belong to this user with mode 0700" in got.stderr
    assert got.stderr.count("\n") == 1


def test_a_service_that_can_not_start_is_one_clear_line_and_ends_the_suite(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    (state / "proof-key.pem").write_text("no key")
    (state / "proof-key.pem").chmod(0o600)
    got = run("serve", OPENPRYSM_PORT=str(free_port()), OPENPRYSM_STATE=str(state))
    assert got.returncode == 1
    assert got.stderr == f"openprysm: proof did not start: proof: {state}/proof-key.pem holds no unencrypted PEM key\n"
    assert "Traceback" not in got.stdout


def test_a_dead_child_is_one_clear_line_and_comes_back(tmp_path: Path) -> None:
    with serving({}, tmp_path / "state") as suite:
        first = suite.pid_of("planner")
        os.kill(first, signal.SIGKILL)

        def is_back() -> bool:
            try:
                return suite.pid_of("planner") != first
            except LookupError:
                return False

        wait_until(is_back)
    said = "".join(suite.lines)
    assert said.count("planner died: killed by SIGKILL; starting it again") == 1
    assert "Traceback" not in said


def test_ctrl_c_ends_everything_and_says_so(tmp_path: Path) -> None:
    with serving({}, tmp_path / "state") as suite:
        pids = [suite.pid_of(name) for name in ("planner", "proof", "executor", "gateway")]
    assert suite.process.returncode == 0
    assert "stopped" in suite.lines[-1]
    assert not [pid for pid in pids if os.path.exists(f"/proc/{pid}")]  # noqa: PTH110


def test_secrets_in_the_state_folder_are_for_their_owner_alone(suite: Suite) -> None:
    for name in ("dev-key", "key-pepper", "keys.json", "proof-key.pem"):
        assert stat.S_IMODE((suite.state / name).stat().st_mode) == 0o600, name
    assert stat.S_IMODE(suite.state.stat().st_mode) == 0o700


async def test_no_log_holds_a_prompt_an_answer_or_a_key(suite: Suite) -> None:
    await suite.ask("canary-question, what is the capital of France?", strategy="ensemble_moa")
    secret = suite.key.split("_", 3)[3]
    for log in (suite.state / "logs").iterdir():
        text = log.read_text()
        assert "canary" not in text, log.name
        assert secret not in text, log.name
        assert "Paris" not in text, log.name


def test_status_tells_who_serves(suite: Suite) -> None:
    got = run("status", OPENPRYSM_STATE=str(suite.state))
    assert got.returncode == 0
    assert got.stdout.split() == ["planner", "serving", "executor", "serving", "proof", "serving"]


def test_status_asks_over_the_health_contract_and_tells_the_three_states_apart() -> None:
    service = health_pb2.DESCRIPTOR.services_by_name["Health"]
    check = service.methods_by_name["Check"]

    def answer(code: grpc.StatusCode, state: int) -> str:
        channel = grpc_testing.channel([service], grpc_testing.strict_real_time())
        with ThreadPoolExecutor(1) as thread:
            asked = thread.submit(status.health, channel)
            _, request, rpc = channel.take_unary_unary(check)
            assert request == health_pb2.HealthCheckRequest()
            rpc.send_initial_metadata(())
            rpc.terminate(health_pb2.HealthCheckResponse(status=state), (), code, "")
            return asked.result(5)

    kinds = health_pb2.HealthCheckResponse
    assert answer(grpc.StatusCode.OK, kinds.SERVING) == "serving"
    assert answer(grpc.StatusCode.OK, kinds.NOT_SERVING) == "not serving"
    assert answer(grpc.StatusCode.UNAVAILABLE, kinds.UNKNOWN) == "unreachable"


def test_models_lists_the_catalog_with_the_source_of_each_price() -> None:
    got = run("models", COLUMNS="200")
    assert got.returncode == 0
    for model in ("gpt-5.2", "claude-sonnet-4.5", "claude-haiku-4.5", "deepseek-v3.2", "mistral-large-3"):
        (line,) = [line for line in got.stdout.splitlines() if line.split()[:1] == [model]]
        assert "genai-prices" in line
