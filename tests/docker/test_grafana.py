"""The dashboard asks for metrics that exist, by labels that they have."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.conf import settings
from prometheus_client import Counter, Gauge, Histogram

from ecommerce.observability import metrics

FILE = settings.BASE_DIR / "docker" / "grafana" / "dashboards" / "events.json"
DASHBOARD = json.loads(FILE.read_text())
QUERIES = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
SELECTOR = re.compile(r"([a-z_]+)(?:\{([^}]*)\})?(?=[\[)])")
SUFFIXES: dict[type[Any], tuple[str, ...]] = {
    Counter: ("_total",),
    Gauge: ("",),
    Histogram: ("_bucket", "_count", "_sum"),
}


def series() -> dict[str, set[str]]:
    """Return the name of every series that we expose, with its labels."""
    ours = [each for each in vars(metrics).values() if isinstance(each, Counter | Gauge | Histogram)]
    return {
        f"{each._name}{suffix}": {*each._labelnames, *(["le"] if suffix == "_bucket" else [])}
        for each in ours
        for suffix in SUFFIXES[type(each)]
    }


def unknown(query: str) -> list[str]:
    """Return the series and labels of a query that do not exist."""
    known, faults = series(), []
    for name, labels in SELECTOR.findall(query):
        if "_" not in name or name in ("histogram_quantile",):
            continue
        if name not in known:
            faults.append(name)
            continue
        asked = set(re.findall(r"(\w+)\s*=~?", labels))
        faults += [f"{name}{{{label}}}" for label in sorted(asked - known[name])]
    return faults


@pytest.mark.parametrize("query", QUERIES)
def test_a_panel_asks_for_what_exists(query: str) -> None:
    assert unknown(query) == []
    assert SELECTOR.findall(query)


def test_what_does_not_exist_is_noticed() -> None:
    assert unknown('sum(rate(outbox_events_gone_total{status="x"}[1m]))') == ["outbox_events_gone_total"]
    assert unknown('sum(outbox_events{colour="x"})') == ["outbox_events{colour}"]


def test_every_series_about_events_is_on_the_dashboard() -> None:
    asked = {name for query in QUERIES for name, _ in SELECTOR.findall(query)}
    events = {name for name in series() if name.startswith(("outbox", "inbox", "event_effect_seconds_bucket"))}
    assert events - asked == set()


def test_panels_do_not_overlap() -> None:
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for place in [panel["gridPos"]]
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
