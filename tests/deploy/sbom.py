"""Bills of materials: of every image what its lock names, with hashes and licences, as CycloneDX.

`python tests/deploy/sbom.py FOLDER` writes one file an image. The tool is cyclonedx-bom; what it can't know from a
lock, the wheels' hashes, is in requirements/run.txt, and the licences are in what is installed here.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, metadata, version
from pathlib import Path
from typing import Any, Final

from deploy.image import LOCKS, pins
from deploy.manifests import ROOT

_LINE: Final = re.compile(r"^([a-z0-9][a-z0-9._-]*)==([^\s;\\]+)((?:.*\\\n)*.*)", re.MULTILINE)
_HASH: Final = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def hashes() -> dict[tuple[str, str], list[str]]:
    """Return the SHA-256 of every file that an image may be made of, by package and version."""
    return {(name, pin): _HASH.findall(rest) for name, pin, rest in _LINE.findall((LOCKS / "run.txt").read_text())}


def _licence(name: str) -> list[dict[str, Any]]:
    """Return what a package says of its licence: an expression of SPDX, or its own words."""
    try:
        said = metadata(name)
    except PackageNotFoundError:  # for another platform
        return []
    if "License-Expression" in said:
        return [{"expression": said["License-Expression"]}]
    classified = [
        line.rpartition(" :: ")[2] for line in said.get_all("Classifier", []) if line.startswith("License ::")
    ]
    own = said["License"].splitlines()[:1] if "License" in said else []
    words = classified or own
    return [{"license": {"name": word}} for word in words]


def bill(image: str) -> dict[str, Any]:
    """Return the bill of materials of an image, as CycloneDX 1.6. The same lock gives the same bill."""
    tool = Path(sys.executable).with_name("cyclonedx-py")
    lock = LOCKS / "images" / f"{image}.txt"
    options = ("--output-reproducible", "--of", "JSON", "--sv", "1.6", "--validate")
    made = subprocess.run([tool, "requirements", lock, *options], check=True, capture_output=True, text=True, cwd=ROOT)
    found: dict[str, Any] = json.loads(made.stdout)
    known = hashes()
    for component in found["components"]:
        component.pop("description", None)
        component["hashes"] = [
            {"alg": "SHA-256", "content": content} for content in known[component["name"], component["version"]]
        ]
        component["licenses"] = _licence(component["name"])
    found["metadata"] |= {
        "component": {
            "type": "container",
            "bom-ref": f"openprysm-{image}",
            "name": f"openprysm-{image}",
            "version": version("openprysm"),
            "licenses": [{"expression": "Apache-2.0"}],
        }
    }
    return found


def main(folder: Path) -> None:
    """Write every image's bill to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for lock in sorted((LOCKS / "images").iterdir()):
        path = folder / f"{lock.stem}.cdx.json"
        path.write_text(json.dumps(bill(lock.stem), indent=1) + "\n")
        sys.stdout.write(f"{path}: {len(pins(f'images/{lock.name}'))} packages\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
