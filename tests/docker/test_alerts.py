"""Alerts ask for metrics that exist, in expressions that Prometheus reads, and send people to a page that helps."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import promql_parser
import pytest
import yaml
from django.conf import settings

from tests.docker.test_grafana import QUERIES, series

FOLDER = settings.BASE_DIR / "docker" / "prometheus"
GROUPS = yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"]
ALERTS = {rule["alert"]: rule for group in GROUPS for rule in group["rules"]}
OWN = {"up": {"job", "instance"}}
"""What Prometheus itself knows of every target."""
WANTED = {
    "OutboxBacklog", "EventsParked", "SagasParked", "MoneyStuck", "BreakerOpen", "RequestsFail", "RequestsSlow",
    "PoolExhausted", "RelayLosesLeases", "ProcessDown",
}  # fmt: skip
CONTEXT_PORTS = {context.name: context.port for context in settings.TOPOLOGY.contexts}


def selectors(expression: Any) -> Iterator[Any]:
    """Yield every selector of a series in a parsed expression."""
    if isinstance(expression, promql_parser.VectorSelector):
        yield expression
    elif isinstance(expression, promql_parser.MatrixSelector):
        yield expression.vector_selector
    for name in ("expr", "lhs", "rhs", "param"):
        if (part := getattr(expression, name, None)) is not None:
            yield from selectors(part)
    for argument in getattr(expression, "args", None) or []:
        yield from selectors(argument)


def faults(query: str) -> list[str]:
    """Return the series and labels of a query that do not exist."""
    known, found = series() | OWN, []
    asked = list(selectors(promql_parser.parse(query)))
    assert asked, f"no series in {query}"
    for selector in asked:
        if selector.name not in known:
            found.append(selector.name)
            continue
        labels = {matcher.name for matcher in selector.matchers.matchers}
        found += [f"{selector.name}{{{label}}}" for label in sorted(labels - known[selector.name])]
    return found


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_asks_for_what_exists(name: str) -> None:
    assert faults(ALERTS[name]["expr"]) == []


@pytest.mark.parametrize("query", QUERIES)
def test_a_panel_is_read_by_prometheus_and_asks_for_what_exists(query: str) -> None:
    assert faults(query) == []


def test_what_does_not_exist_or_cannot_be_read_is_noticed() -> None:
    assert faults('sum(rate(outbox_gone_total{x="y"}[1m])) / up > 1') == ["outbox_gone_total"]
    assert faults('outbox_events{colour="x"} or up') == ["outbox_events{colour}"]
    with pytest.raises(ValueError, match="unclosed"):
        promql_parser.parse("sum(rate(outbox_events[1m])")


def test_whatever_stops_the_shop_has_an_alert() -> None:
    assert ALERTS.keys() >= WANTED


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_sends_people_to_a_page_that_helps(name: str) -> None:
    rule = ALERTS[name]
    page = (settings.BASE_DIR / rule["annotations"]["runbook_url"]).read_text()

    assert rule["labels"]["severity"] in ("page", "ticket")
    assert rule["annotations"]["summary"]
    for part in ("**Sign.**", "**Look.**", "**Escalate**", "```"):
        assert part in page, f"{rule['annotations']['runbook_url']} lacks {part}"


def test_labels_in_summaries_are_those_that_the_expression_keeps() -> None:
    for name, rule in ALERTS.items():
        kept = {label for group in re.findall(r"by \(([^)]*)\)", rule["expr"]) for label in group.split(", ")}
        kept |= OWN["up"] if "up{" in rule["expr"] else set()
        told = set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"]))
        assert told <= kept, name


@pytest.mark.parametrize("file", ["prometheus.yml", "prometheus.services.yml"])
def test_prometheus_reads_the_alerts_and_looks_for_web_and_workers(file: str) -> None:
    configuration = yaml.safe_load((FOLDER / file).read_text())

    assert all((FOLDER / rules).is_file() for rules in configuration["rule_files"])
    assert {job["job_name"] for job in configuration["scrape_configs"]} == {"web", "worker"}


def test_each_service_is_scraped_on_the_port_of_its_context() -> None:
    configuration = yaml.safe_load((FOLDER / "prometheus.services.yml").read_text())
    web, worker = configuration["scrape_configs"]

    assert {each["names"][0]: each["port"] for each in web["dns_sd_configs"]} == CONTEXT_PORTS
    assert {name.removesuffix("-worker") for each in worker["dns_sd_configs"] for name in each["names"]} == set(
        CONTEXT_PORTS
    )
