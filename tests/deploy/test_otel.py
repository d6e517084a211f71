"""Dashboard, alerts and collector speak of metrics, labels and components that there are."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from chassis.metrics import prometheus, table

OTEL: Final = Path(__file__).parents[2] / "deploy" / "otel"
OPERATING: Final = Path(__file__).parents[2] / "docs" / "operating.md"
ALERTS: Final = [
    rule for group in yaml.safe_load((OTEL / "alerts.yaml").read_text())["groups"] for rule in group["rules"]
]
PANELS: Final = [
    panel for panel in json.loads((OTEL / "dashboard.json").read_text())["panels"] if panel["type"] != "row"
]
TARGETS: Final = [target for panel in PANELS for target in panel["targets"]]
EXPRESSIONS: Final = [rule["expr"] for rule in ALERTS] + [target["expr"] for target in TARGETS]

#: What of PromQL is neither a metric nor a label.
WORDS: Final = frozenset(["sum", "rate", "max", "min", "by", "histogram_quantile", "absent", "delta", "and"])
#: Labels that Prometheus itself adds.
OWN_LABELS: Final = frozenset({"le", "job", "instance"})
_NAME: Final = re.compile(r"[A-Za-z_:][A-Za-z0-9_:]*")


def exported() -> dict[str, set[str]]:
    """Return every name under which Prometheus finds a metric, and its labels."""
    suffixes = {"counter": ("_total",), "histogram": ("_bucket", "_sum", "_count"), "gauge": ("",)}
    return {
        prometheus.metric_name(one) + suffix: {*prometheus.label_names(one), *(["le"] if suffix == "_bucket" else [])}
        for one in table.TABLE
        for suffix in suffixes[one.kind]
    }


KNOWN: Final = exported()


def without_strings(expression: str) -> str:
    without = re.sub(r"#.*", "", expression)
    return re.sub(r"\[[^]]*\]", "", re.sub(r'"[^"]*"', '""', without))


def metrics_of(expression: str) -> set[str]:
    """Return the names in an expression that stand where a metric does."""
    bare = re.sub(r"\bby \([^)]*\)|\{[^}]*\}", "", without_strings(expression))
    return set(_NAME.findall(bare)) - WORDS


def labels_of(expression: str) -> set[str]:
    """Return the labels that an expression selects by or groups by."""
    text = without_strings(expression)
    found = set()
    for selector in re.findall(r"\{([^}]*)\}", text):
        found.update(re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector))
    for grouping in re.findall(r"\bby \(([^)]*)\)", text):
        found.update(_NAME.findall(grouping))
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_an_expression_names_metrics_and_labels_that_are_exported(expression: str) -> None:
    metrics = metrics_of(expression)
    assert metrics
    assert metrics <= set(KNOWN), expression
    assert labels_of(expression) <= OWN_LABELS.union(*(KNOWN[name] for name in metrics)), expression


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target["expr"])
def test_a_legend_names_labels_that_its_query_keeps(target: dict[str, Any]) -> None:
    kept = set(_NAME.findall(" ".join(re.findall(r"\bby \(([^)]*)\)", target["expr"]))))
    assert set(re.findall(r"\{\{(\w+)\}\}", target["legendFormat"])) <= kept


def test_the_check_finds_a_name_that_nobody_exports() -> None:
    assert not metrics_of('sum by (x) (rate(prysm_request_total{a="b"}[5m]))') <= set(KNOWN)
    assert labels_of('sum by (x) (rate(prysm_requests_total{a!="b"}[5m]))') == {"x", "a"}


def test_every_metric_is_on_the_dashboard() -> None:
    shown = {name for target in TARGETS for name in metrics_of(target["expr"])}
    for one in table.TABLE:
        assert any(name.startswith(prometheus.metric_name(one)) for name in shown), one.name


def test_the_dashboards_panels_do_not_overlap_and_have_ids_of_their_own() -> None:
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
    taken: set[tuple[int, int]] = set()
    for place in (panel["gridPos"] for panel in PANELS):
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken
        assert place["x"] + place["w"] <= 24
        taken |= cells


def test_every_alert_is_explained_and_no_other_one() -> None:
    names = [rule["alert"] for rule in ALERTS]
    assert len(set(names)) == len(names)
    assert set(re.findall(r"`(Openprysm\w+)`", OPERATING.read_text())) == set(names)
    for rule in ALERTS:
        assert rule["labels"]["severity"] in {"warning", "critical"}
        for label in re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]):
            assert label in OWN_LABELS | labels_of(rule["expr"])


def test_outcomes_in_alerts_are_codes_of_the_contract() -> None:
    codes = set(re.findall(r'(\w+) = "\d{3}"', (OTEL.parents[1] / "gateway" / "errors.lua").read_text()))
    words = {"ok", "replayed", "cancelled", "failed"}
    for rule in ALERTS:
        for values in re.findall(r'prysm_outcome=~?"([^"]*)"', rule["expr"]):
            assert set(values.split("|")) <= codes | words, rule["alert"]


def test_the_collectors_pipelines_are_made_of_known_and_defined_parts() -> None:
    config = yaml.safe_load((OTEL / "collector.yaml").read_text())
    known = {
        "receivers": {"otlp"},
        "processors": {"memory_limiter", "batch"},
        "exporters": {"otlp_grpc", "prometheus"},
        "extensions": {"health_check"},
    }
    used: dict[str, set[str]] = {"extensions": set(config["service"]["extensions"])}
    assert set(config["service"]["pipelines"]) == {"traces", "metrics"}
    for pipeline in config["service"]["pipelines"].values():
        assert set(pipeline) == {"receivers", "processors", "exporters"}
        assert pipeline["processors"][0] == "memory_limiter"  # it must be first to protect anything
        for kind, names in pipeline.items():
            used.setdefault(kind, set()).update(names)
    for kind, names in known.items():
        assert set(config[kind]) == names == used[kind]
    assert set(config) == {*known, "service"}


def test_prometheus_reads_the_collectors_port_and_these_rules() -> None:
    read = yaml.safe_load((OTEL / "prometheus.yaml").read_text())
    collector = yaml.safe_load((OTEL / "collector.yaml").read_text())
    (job,) = read["scrape_configs"]
    port = collector["exporters"]["prometheus"]["endpoint"].rpartition(":")[2]
    assert job["static_configs"][0]["targets"] == [f"collector:{port}"]
    assert read["rule_files"] == ["alerts.yaml"]
