"""What `make proto`, `make proto-check` and `make proto-lint` do: protos/ → gen/, and the checks of both.

gen/openprysm is the Python code; gen/openprysm.binpb is the descriptor set from which the gateway transcodes.
"""

from __future__ import annotations

import argparse
import filecmp
import subprocess
import sys
import tempfile
from pathlib import Path

import google.api
import grpc_tools
from grpc_tools import protoc

ROOT = Path(__file__).resolve().parent
BIN = Path(sys.executable).parent
#: The contract of the last release; `buf breaking` holds today's against it. Replaced when a release is cut.
RELEASED = ROOT / "released.binpb"


def _protoc(*options: str) -> None:
    google_protos = [Path(grpc_tools.__file__).parent / "_proto", Path(google.api.__path__[0]).parents[1]]
    includes = [f"-I{path}" for path in (ROOT, *google_protos)]
    plugins = [f"--plugin={BIN / name}" for name in ("protoc-gen-mypy", "protoc-gen-mypy_grpc")]
    sources = sorted(str(path.relative_to(ROOT)) for path in ROOT.rglob("*.proto"))
    if protoc.main(["protoc", *includes, *plugins, *options, *sources]):
        sys.exit("protoc failed")


def generate(out: Path) -> None:
    """Write the Python code and the descriptor set below `out`."""
    out.mkdir(parents=True, exist_ok=True)
    _protoc(
        f"--python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--grpc_python_out={out}",
        f"--mypy_grpc_out=quiet,only_async:{out}",
    )
    # The gateway reads ErrorInfo out of failures, so the set has to hold it although no message names it.
    _protoc("--include_imports", f"--descriptor_set_out={out / 'openprysm.binpb'}", "google/rpc/error_details.proto")
    for folder in [out / "openprysm", *(path for path in (out / "openprysm").rglob("*") if path.is_dir())]:
        if folder.name != "__pycache__":
            (folder / "__init__.py").touch()


def stale(out: Path) -> list[str]:
    """Name the files below `out` that differ from what protos/ says, are missing there, or are left over."""
    with tempfile.TemporaryDirectory() as fresh_name:
        fresh = Path(fresh_name)
        generate(fresh)
        names = {path.relative_to(top) for top in (fresh, out) for path in top.rglob("*") if path.is_file()}
        return sorted(
            str(name)
            for name in names
            if name.suffix != ".pyc"
            and not (
                (fresh / name).exists()
                and (out / name).exists()
                and filecmp.cmp(fresh / name, out / name, shallow=False)
            )
        )


def lint() -> int:
    """Run buf lint, then buf breaking against the released contract. Both read images, so neither needs a network."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "image.binpb"
        _protoc("--include_imports", "--include_source_info", f"--descriptor_set_out={image}")
        buf = str(BIN / "buf")
        config = ["--config", str(ROOT.parent / "buf.yaml")]
        commands = [[buf, "lint", str(image), *config]]
        if RELEASED.exists():
            commands.append([buf, "breaking", str(image), "--against", str(RELEASED), *config])
        return max(subprocess.run(command, check=False).returncode for command in commands)  # noqa: S603 - our own words


def main() -> None:
    """Parse the command line and do what it says."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path)
    parser.add_argument("--check", action="store_true")
    parser.add_argument("--lint", action="store_true")
    parser.add_argument("--release", action="store_true")
    arguments = parser.parse_args()
    if arguments.lint:
        sys.exit(lint())
    if arguments.release:
        _protoc("--include_imports", f"--descriptor_set_out={RELEASED}")
        return
    if not arguments.check:
        generate(arguments.out)
    elif differing := stale(arguments.out):
        sys.exit("gen/ is not what protos/ says; run `make proto`: " + ", ".join(differing))


if __name__ == "__main__":
    main()
