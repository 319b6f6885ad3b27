from __future__ import annotations

from typing import Any

import pytest
import yaml

from config.gateways.kubernetes import manifests
from config.landscape import Landscape
from ecommerce.topology import current
from tests.config.addresses import CLOSED, owners

Document = dict[str, Any]
FILES = {name: list(yaml.safe_load_all(text)) for name, text in manifests(Landscape(current())).items()}


def chosen(name: str, path: str) -> str | None:
    """Return the namespace that an Ingress leads to: an exact path first, then the longest prefix by segments."""
    fitting = []
    for ingress in FILES[name]:
        for each in ingress["spec"]["rules"][0]["http"]["paths"]:
            exact = each["pathType"] == "Exact"
            below = f"{path}/".startswith(each["path"].rstrip("/") + "/")
            if path == each["path"] if exact else below:
                fitting.append((exact, len(each["path"]), ingress["metadata"]["namespace"]))
    return max(fitting)[2] if fitting else None


def policies(namespace: str) -> dict[str, Document]:
    return {
        each["metadata"]["name"]: each["spec"]
        for each in FILES["services/network-policies.yaml"]
        if each["metadata"]["namespace"] == namespace
    }


def namespaces(peers: list[Document]) -> set[str]:
    return {each["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"] for each in peers}


def test_every_address_reaches_its_owner() -> None:
    assert {path: chosen("services/ingress.yaml", path) for path in owners()} == {
        path: f"loja-{owner}" for path, owner in owners().items()
    }


def test_every_address_reaches_the_monolith() -> None:
    assert {chosen("monolith/ingress.yaml", path) for path in owners()} == {"loja-shop"}


@pytest.mark.parametrize("path", CLOSED)
@pytest.mark.parametrize("name", ["services/ingress.yaml", "monolith/ingress.yaml"])
def test_nothing_inside_is_reached(name: str, path: str) -> None:
    assert chosen(name, path) is None


@pytest.mark.parametrize("namespace", [*(f"loja-{context.name}" for context in current().contexts), "loja-back-office"])
def test_everything_is_denied_first(namespace: str) -> None:
    assert policies(namespace)["deny-all"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_a_service_is_reached_by_its_callers_only() -> None:
    [catalog] = policies("loja-catalog")["web"]["ingress"]
    [order] = policies("loja-order")["web"]["ingress"]

    assert namespaces(catalog["from"]) == {"ingress", "loja-cart", "loja-order"}
    assert namespaces(order["from"]) == {"ingress", "loja-notification"}


def test_a_service_asks_whom_it_calls_and_its_own_database() -> None:
    reached = [peer for rule in policies("loja-cart")["outgoing"]["egress"] for peer in rule["to"]]
    services = namespaces([peer for peer in reached if "podSelector" in peer])
    databases = {peer["podSelector"]["matchLabels"].get("context") for peer in reached if "podSelector" in peer} - {
        None
    }

    assert services == {"loja-data", "loja-catalog", "loja-promotion"}
    assert databases == {"cart"}


def test_only_who_calls_the_outside_gets_there() -> None:
    def outside(context: str) -> list[Document]:
        return [rule for rule in policies(f"loja-{context}")["outgoing"]["egress"] if "ipBlock" in rule["to"][0]]

    assert outside("order")
    assert not outside("cart")


def test_a_database_is_reached_by_its_service_and_the_back_office() -> None:
    [catalog] = policies("loja-data")["postgres-catalog"]["ingress"]
    [broker] = policies("loja-data")["rabbitmq"]["ingress"]

    assert namespaces(catalog["from"]) == {"loja-catalog", "loja-back-office"}
    assert namespaces(broker["from"]) >= {"loja-catalog", "loja-notification", "keda"}


def test_workers_are_made_more_by_the_queue_of_their_tasks() -> None:
    [catalog] = [each for each in FILES["services/scaling.yaml"] if each["metadata"]["namespace"] == "loja-catalog"]
    [monolith] = FILES["monolith/scaling.yaml"]

    def queues(scaling: Document) -> list[str]:
        triggers = scaling["spec"]["triggers"]
        return [each["metadata"]["queueName"] for each in triggers if each["type"] == "rabbitmq"]

    assert queues(catalog) == ["catalog_tasks"]
    assert queues(monolith) == [context.task_queue for context in current().contexts]
