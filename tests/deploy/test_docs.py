"""The commands of docs/deploying.md run: for real where this machine can, and else as far as it can."""

from __future__ import annotations

import asyncio
import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml

from chassis.metrics import prometheus, table
from deploy.manifests import OVERLAYS, ROOT, mistakes, parse, render
from deploy.pods import Overlay
from drill.crowd import Balancer, Crowd
from drill.database import BIN as BIN_POSTGRES
from drill.town import Town

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = ROOT / "docs" / "deploying.md"
BIN: Final = Path(sys.executable).parent
#: Stands before the real one on the PATH: notes each call, and runs what needs no API server.
_KUBECTL: Final = f"""#!{sys.executable}
import json, os, subprocess, sys
words = sys.argv[1:]
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(["kubectl", *words]) + "\\n")
if "create" in words:
    dry = [] if "--dry-run=client" in words else ["--dry-run=client", "-o", "yaml"]
    made = subprocess.run(["{BIN}/kubectl", *words, *dry], check=True, capture_output=True, text=True).stdout
    with open(os.environ["MADE"], "a") as kept:
        kept.write("---\\n" + made)
    sys.stdout.write(made)
elif "-k" in words:
    subprocess.run(["{BIN}/kubectl", "kustomize", words[-1]], check=True, stdout=subprocess.DEVNULL)
elif "-f" in words:
    assert "kind:" in sys.stdin.read()
"""
_DOCKER: Final = f"""#!{sys.executable}
import json, os, sys
with open(os.environ["CALLS"], "a") as calls:
    calls.write(json.dumps(["docker", *sys.argv[1:]]) + "\\n")
"""


def blocks(title: str) -> list[list[str]]:
    """Return the commands of each block of shell under a heading."""
    (section,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    return [block.strip().splitlines() for block in re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL)]


class Shell:
    """A checkout to run commands in, and what became of those that were not run for real."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "bin").mkdir()
        for name, program in (("kubectl", _KUBECTL), ("docker", _DOCKER)):
            (folder / "bin" / name).write_text(program)
            (folder / "bin" / name).chmod(0o755)
        for name in ("deploy", "gateway"):
            (folder / name).symlink_to(ROOT / name)
        self.variables = {
            "PATH": f"{folder}/bin:{BIN}:{os.environ['PATH']}",
            "CALLS": str(folder / "calls"),
            "MADE": str(folder / "made"),
            **{name: os.environ[name] for name in ("PYTHONPATH", "HOME") if name in os.environ},
        }

    def run(self, command: str, **variables: str) -> str:
        environment = {**self.variables, **variables}
        done = subprocess.run(
            ["sh", "-euc", command], cwd=self.folder, env=environment, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{command}\n{done.stdout}{done.stderr}"
        return done.stdout

    @property
    def calls(self) -> list[list[str]]:
        return [json.loads(line) for line in (self.folder / "calls").read_text().splitlines()]

    @property
    def made(self) -> list[dict[str, Any]]:
        return [document for document in yaml.safe_load_all((self.folder / "made").read_text()) if document]


@pytest.mark.system
async def test_a_back_up_that_is_taken_under_load_is_restored_and_holds(shell: Shell) -> None:
    (dump,), (restore, audit) = blocks("Back-up of the log, and restoring it")
    async with Town() as town:
        crowd = Crowd(Balancer(town.urls), town.keys.key)
        async with crowd:
            await crowd.until(20)
            path = f"{BIN_POSTGRES}:{shell.variables['PATH']}"
            connection = {"PATH": path, "PGPASSWORD": town.database.owner_password}
            await asyncio.to_thread(shell.run, dump, OWNER_URL=town.database.owner_url(), **connection)
            acknowledged = sum(not told.failure for told in crowd.told)
            await crowd.until(20)
        assert not [told for told in crowd.told if told.failure]
        await town.database.say("CREATE DATABASE restored")
        connection["RESTORED_URL"] = town.database.owner_url("restored")
        await asyncio.to_thread(shell.run, restore, **connection)
        (shell.folder / "password").write_text(town.database.owner_password)
        (shell.folder / "password").chmod(0o600)
        said = await asyncio.to_thread(shell.run, audit, **connection)
    assert "the log holds" in said
    assert int(said.split()[0]) >= 20
    assert int(said.split()[0]) <= acknowledged + 20


@pytest.fixture
def shell(tmp_path: Path) -> Shell:
    return Shell(tmp_path)


def _secrets_of(overlay: Overlay) -> Iterator[tuple[str, str]]:
    """Yield the name and a key of every Secret that has to be there."""
    issued = {one["spec"]["secretName"] for one in overlay.of("Certificate")}
    for pod in overlay.workloads.values():
        for volume in pod.mounts.values():
            if "secret" in volume and volume["secret"]["secretName"] not in issued:
                for item in volume["secret"].get("items", []):
                    yield volume["secret"]["secretName"], item["key"]
                folder = next(path for path, other in pod.mounts.items() if other == volume)
                for value in pod.env.values():
                    if value.startswith(f"{folder}/"):
                        yield volume["secret"]["secretName"], value.removeprefix(f"{folder}/")
        for entry in pod.container.get("env", []):
            reference = entry.get("valueFrom", {}).get("secretKeyRef", {})
            if reference and not reference.get("optional"):
                yield reference["name"], reference["key"]


def test_ten_commands_make_every_secret_that_production_names_and_apply_it(shell: Shell) -> None:
    ten, _ = blocks("In ten commands")
    assert len(ten) == 10
    for role in ("postgres", "postgres-owner"):
        folder = shell.folder / "secrets" / role
        folder.mkdir(parents=True)
        (folder / "OPENPRYSM_PROOF_POSTGRES").write_text("postgresql://openprysm@db.example.org/openprysm")
        (folder / "password").write_text("x")
    (shell.folder / "secrets").chmod(0o700)
    said = [shell.run(command) for command in ten]
    assert said[1].startswith("prysm_sk_")
    namespace, *made = shell.made
    assert (namespace["kind"], namespace["metadata"]["name"]) == ("Namespace", "openprysm")
    keys = {(one["metadata"]["name"], key) for one in made for key in one["data"]}
    assert set(_secrets_of(Overlay("production"))) <= keys
    assert {one["metadata"]["namespace"] for one in made} == {"openprysm"}
    assert mistakes([namespace, *made]) == []
    built = [call[call.index("--build-arg") + 1] for call in shell.calls if call[:2] == ["docker", "build"]]
    assert built == [f"SERVICE={name}" for name in ("planner", "executor", "proof", "gateway")]
    assert shell.calls[-1] == ["kubectl", "apply", "-k", "deploy/overlays/production"]
    assert mistakes(parse(render("production"))) == []  # instead of the server's own look at it


def test_the_keys_that_openssl_makes_are_those_that_the_proof_service_takes(shell: Shell) -> None:
    from proof.keys import FileSigner, LogSigner  # noqa: PLC0415 - here alone

    (shell.folder / "secrets").mkdir(mode=0o700)
    for command in blocks("In ten commands")[0]:
        if command.startswith("openssl"):
            shell.run(command)
    keys = shell.folder / "secrets"
    assert stat.S_IMODE((keys / "log-key.pem").stat().st_mode) == 0o600
    assert FileSigner(keys / "proof-key.pem").keyid.startswith("SHA256:")
    assert LogSigner(keys / "log-key.pem", "proofs.example.org").key.origin == "proofs.example.org"


def test_a_small_cluster_gets_every_secret_that_it_names(shell: Shell) -> None:
    (commands,) = blocks("A small cluster")
    for command in commands:
        shell.run(command)
    keys = {(one["metadata"]["name"], key) for one in shell.made for key in one.get("data", {})}
    assert set(_secrets_of(Overlay("local"))) <= keys
    assert ["kubectl", "apply", "-k", "deploy/overlays/local"] in shell.calls
    name, port = shell.calls[-1][-2:]
    services = {f"service/{one['metadata']['name']}": one["spec"]["ports"] for one in Overlay("local").of("Service")}
    assert str(services[name][0]["port"]) == port


def test_what_is_asked_of_a_running_cluster_is_there(shell: Shell) -> None:
    (shell.folder / "secrets").mkdir(mode=0o700)
    for title in ("In ten commands", "Upgrade", "Rotation"):
        for block in blocks(title):
            for command in block:
                if command.startswith(
                    ("kubectl -n openprysm rollout", "kubectl -n openprysm delete", "kubectl -n openprysm get")
                ):
                    shell.run(command)
    known = {f"{one['kind'].lower()}/{one['metadata']['name']}" for one in Overlay("production").objects}
    named = {word for call in shell.calls for word in call if re.fullmatch(r"[a-z]+/[a-z]+", word)}
    named |= {f"job/{call[call.index('job') + 1]}" for call in shell.calls if "job" in call}
    assert {"deployment/executor", "deployment/proof", "deployment/gateway", "job/migrate"} == named
    assert named <= known


def test_a_new_api_key_is_in_the_secret_that_is_applied(shell: Shell) -> None:
    (shell.folder / "secrets").mkdir(mode=0o700)
    create, apply, _ = blocks("Rotation")[0]
    shell.run("OPENPRYSM_STATE=secrets openprysm keys create me")
    shell.run(create)
    shell.run(apply)
    (made,) = shell.made
    assert made["data"].keys() == {"key-pepper", "keys.json"}
    assert shell.calls[-1][:2] == ["kubectl", "apply"] or shell.calls[-2][:2] == ["kubectl", "apply"]


def test_every_command_of_the_page_is_run_by_a_test_here() -> None:
    tested = {"In ten commands", "Upgrade", "Back-up of the log, and restoring it", "Rotation", "A small cluster"}
    titles = re.findall(r"^## (.*)$", PAGE.read_text(), re.MULTILINE)
    assert {title for title in titles if blocks(title)} == tested


def test_what_prometheus_is_told_fits_the_pods_and_what_they_are_scaled_by() -> None:
    scrape, adapter = map(
        yaml.safe_load, re.findall(r"^```yaml\n(.*?)^```", PAGE.read_text(), re.MULTILINE | re.DOTALL)
    )
    (job,) = scrape["scrape_configs"]
    kept = next(rule["regex"] for rule in job["relabel_configs"] if rule.get("action") == "keep")
    production = Overlay("production")
    assert {name for name, pod in production.pods.items() if kept in pod.ports} == {"planner", "executor", "proof"}
    assert job["kubernetes_sd_configs"][0]["namespaces"]["names"] == [production.of("Namespace")[0]["metadata"]["name"]]
    metrics = [
        metric["pods"]["metric"]["name"]
        for scaler in production.of("HorizontalPodAutoscaler")
        for metric in scaler["spec"]["metrics"]
        if metric["type"] == "Pods"
    ]
    assert metrics == [rule["seriesQuery"].partition("{")[0] for rule in adapter["rules"]]
    assert metrics == [prometheus.metric_name(table.RPC_ACTIVE)]


def test_the_overlays_that_the_page_names_are_those_that_there_are() -> None:
    assert set(re.findall(r"deploy/overlays/([a-z]+)", PAGE.read_text())) == set(OVERLAYS)
