"""The overlays of deploy/, rendered by kubectl and held against the schemas of the oldest and the newest Kubernetes.

`python tests/deploy/manifests.py FOLDER` writes one file an overlay; exit status 1 when one does not hold.
"""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any, Final

import kubernetes_validate  # type: ignore[import-untyped]
import yaml
from jsonschema import Draft202012Validator  # type: ignore[import-untyped]
from kubernetes_validate.utils import all_versions  # type: ignore[import-untyped]

ROOT: Final = Path(__file__).parents[2]
OVERLAYS: Final = ("local", "production")
#: Those whose schemas kubernetes-validate brings.
VERSIONS: Final = (all_versions()[0], all_versions()[-1])


def render(overlay: str) -> str:
    """Return the YAML of an overlay."""
    kubectl = Path(sys.executable).with_name("kubectl")
    folder = ROOT / "deploy" / "overlays" / overlay
    return subprocess.run([kubectl, "kustomize", folder], check=True, stdout=subprocess.PIPE, text=True).stdout


def parse(text: str) -> list[dict[str, Any]]:
    """Return the objects of a YAML stream."""
    return [document for document in yaml.safe_load_all(text) if document]


@cache
def foreign() -> dict[str, dict[str, Any]]:
    """Return the schemas of kinds that Kubernetes itself does not have, by `apiVersion kind`: of their `spec`."""
    return dict(yaml.safe_load(Path(__file__).with_name("foreign.yaml").read_text()))


def _strange(one: dict[str, Any], spec: dict[str, Any]) -> list[str]:
    """Return a line for everything of an object that its foreign schema does not allow."""
    whole = {
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
        "properties": {
            "apiVersion": {},
            "kind": {},
            "metadata": {"type": "object"},
            "spec": {"type": "object", **spec},
        },
    }
    return [f"{error.json_path}: {error.message}" for error in Draft202012Validator(whole).iter_errors(one)]


def mistakes(objects: list[dict[str, Any]]) -> list[str]:
    """Return a line for everything that a schema forbids or does not know, kinds without a schema included."""
    found = []
    for one in objects:
        for version in VERSIONS:
            what = f"{one['kind']} {one['metadata']['name']} on {version}"
            try:
                kubernetes_validate.validate(one, version, strict=True)
            except kubernetes_validate.ValidationError as error:
                found.append(f"{what}: {'.'.join(map(str, error.path))}: {error.message}")
            except kubernetes_validate.SchemaNotFoundError as error:
                # A warning to the tool's own command line: here a kind is known, or wrong.
                schema = foreign().get(f"{one['apiVersion']} {one['kind']}")
                wrong = _strange(one, schema) if schema else [error.message]
                found += [f"{what}: {line}" for line in wrong]
    return found


def main(folder: Path) -> None:
    """Write every overlay to `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    wrong = []
    for overlay in OVERLAYS:
        text = render(overlay)
        (folder / f"{overlay}.yaml").write_text(text)
        objects = parse(text)
        wrong += [f"{overlay}: {line}" for line in mistakes(objects)]
        sys.stdout.write(f"{folder / overlay}.yaml: {len(objects)} objects, Kubernetes {' and '.join(VERSIONS)}\n")
    sys.exit("\n".join(wrong) or None)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
