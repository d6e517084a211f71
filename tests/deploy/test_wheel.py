"""What the image's build makes of the files that reach it: no engine is needed for that."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from deploy.image import DOCKERFILE
from deploy.manifests import ROOT


def _context(folder: Path) -> Path:
    """Copy what Dockerfile.dockerignore lets through: a list of what is allowed, less what Python leaves behind."""
    lines = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().split()
    assert (lines[0], lines[-1]) == ("*", "**/__pycache__")
    for name in (line.removeprefix("!") for line in lines[1:-1]):
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """The names in the wheel, built as the Dockerfile says and without a network."""
    folder = _context(tmp_path_factory.mktemp("context"))
    uv = str(Path(sys.executable).with_name("uv"))
    build = [uv, "build", "--python", sys.executable, "--no-cache", "--offline"]
    subprocess.run([*build, "--no-build-isolation", "--wheel", "--out-dir", "dist", "."], cwd=folder, check=True)
    (made,) = (folder / "dist").glob("*.whl")  # beside a .gitignore
    with zipfile.ZipFile(made) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_module_and_every_file_that_they_read(wheel: set[str]) -> None:
    wanted = {
        str(path.relative_to(ROOT / room))
        for room in ("services", "gen")
        for path in (ROOT / room).rglob("*")
        if path.is_file()
        and "__pycache__" not in path.parts
        and path.suffix in {".py", ".json", ".toml", ".ini", ".mako", ".sql"}
    }
    assert wanted <= wheel
    assert "openprysm/orchestration/v2/orchestration_pb2.py" in wheel


def test_nothing_else_reaches_the_image(wheel: set[str]) -> None:
    rooms = {"chassis", "cli", "evaluation", "executor", "local", "openprysm", "planner", "proof"}
    assert {name.partition("/")[0] for name in wheel if ".dist-info" not in name} == rooms
    assert not [name for name in wheel if name.endswith((".pem", ".key", ".gguf", ".safetensors", ".db", ".env"))]
