"""What kubectl renders is what Kubernetes takes, as far as schemas can tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from deploy import manifests
from deploy.manifests import OVERLAYS

if TYPE_CHECKING:
    from pathlib import Path

    from deploy.pods import Overlay


def test_every_object_holds_on_the_oldest_and_the_newest_kubernetes(overlay: Overlay) -> None:
    assert manifests.mistakes(overlay.objects) == []


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {port: 1}", "port"),
        ("apiVersion: v1\nkind: Service\nmetadata: {name: x}\nspec: {ports: [{port: many}]}", "many"),
        ("apiVersion: cert-manager.io/v1\nkind: Issuer\nmetadata: {name: x}\nspec: {vault: {}}", "vault"),
        ("apiVersion: gateway.networking.k8s.io/v1\nkind: HTTPRoute\nmetadata: {name: x}\nspec: {rules: []}", "rules"),
        ("apiVersion: example.com/v1\nkind: Whatever\nmetadata: {name: x}", "schema"),
    ],
    ids=[
        "a field that nobody knows",
        "a value of another type",
        "a foreign field",
        "a foreign value",
        "a kind without a schema",
    ],
)
def test_a_mistake_is_found_on_both_versions(text: str, complaint: str) -> None:
    found = manifests.mistakes(manifests.parse(text))
    assert len(found) == len(manifests.VERSIONS)
    assert all(complaint in line for line in found)


@pytest.mark.parametrize(("field", "code"), [("", None), ("bad: 1", "local: Pod x on ")])
def test_the_command_writes_every_overlay_and_fails_when_one_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, code: str | None
) -> None:
    text = f"apiVersion: v1\nkind: Pod\nmetadata: {{name: x}}\n{field}"
    monkeypatch.setattr(manifests, "render", lambda _: text)
    with pytest.raises(SystemExit) as ended:
        manifests.main(tmp_path / "new")
    assert {path.stem: path.read_text() for path in (tmp_path / "new").iterdir()} == dict.fromkeys(OVERLAYS, text)
    assert str(ended.value.code).startswith(str(code))


def test_the_gateway_gets_its_own_files_and_no_copy_of_them(overlay: Overlay) -> None:
    (files,) = [one for one in overlay.of("ConfigMap") if one["metadata"]["name"].startswith("gateway-")]
    gateway = manifests.ROOT / "gateway"
    names = ("authority.yaml", "certificate.yaml", "envoy.yaml", "errors.lua")
    assert files["data"] == {name: (gateway / name).read_text() for name in names}
    assert overlay.pods["gateway"].mounts["/etc/openprysm/gateway"]["configMap"]["name"] == files["metadata"]["name"]
    # The hash in the name makes new pods whenever a file changes.


def test_everything_is_in_one_namespace_that_enforces_the_restricted_standard(overlay: Overlay) -> None:
    (namespace,) = overlay.of("Namespace")
    assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    inside = {one["metadata"].get("namespace") for one in overlay.objects if one is not namespace}
    assert inside == {namespace["metadata"]["name"]}
