"""What of Kubernetes follows from the code: which paths come in, who may talk to whom, what makes workers more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from config.documents_format import Document, yaml_text
from config.landscape import Landscape
from config.routes import BACK_OFFICE, Owner, Route, offered, routes, table
from ecommerce.topology import Context

PART_OF = "loja"
"""Each process group has a namespace of its own, named after it: its Secrets are nobody else's."""
DATA = f"{PART_OF}-data"
"""The namespace of databases, broker and cache."""
WATCHING = f"{PART_OF}-watching"
"""That of Prometheus and of what collects traces."""
INGRESS = "ingress"
"""That of the ingress controller."""
SCALER = "keda"
"""That of what makes workers more; it asks the broker how much waits."""
SHOP = "shop"
"""The process group that holds everything."""
HOST = "loja.example"

WEB_PORT = 8000
DATABASE_PORT, BROKER_PORT, CACHE_PORT, TRACES_PORT = 5432, 5672, 6379, 4318
HTTPS_PORT, SUBMISSION_PORT, DNS_PORT = 443, 587, 53
CALL_THE_OUTSIDE = {
    "identity": (HTTPS_PORT, SUBMISSION_PORT),
    "order": (HTTPS_PORT,),
    "notification": (HTTPS_PORT, SUBMISSION_PORT),
}
"""Social login, postal codes and account mails; payment gateways; mail, SMS and push."""
TASKS_FOR_ONE_WORKER, EVENTS_FOR_ONE_WORKER = 100, 2000
"""How much may wait, per worker, before there is one more: background tasks, and events in an outbox."""
MOST_WORKERS = 4


def manifests(landscape: Landscape) -> dict[str, str]:
    """Return file name, below ``docker/kubernetes/``, → content."""
    contexts = landscape.contexts
    names = [context.name for context in contexts]
    callers = {name: sorted(_callers_of(name, landscape)) for name in names}
    whole = table([replace(each, owner=Owner(SHOP, limited=False)) for each in offered()])
    return {
        "monolith/ingress.yaml": yaml_text([_ingress(SHOP, whole)]),
        "monolith/network-policies.yaml": yaml_text(
            [*_policies_of(SHOP, names, callers=(), called=()), *_policies_of_data({name: [SHOP] for name in names})]
        ),
        "monolith/scaling.yaml": yaml_text([_scaling(SHOP, contexts)]),
        "services/ingress.yaml": yaml_text(_ingresses(routes())),
        "services/network-policies.yaml": yaml_text(
            [*_policies(callers), *_policies_of_data({name: [name, BACK_OFFICE] for name in names})]
        ),
        "services/scaling.yaml": yaml_text(_scaling(context.name, [context]) for context in contexts),
    }


def _callers_of(context: str, landscape: Landscape) -> set[str]:
    methods = [method for method in landscape.methods if method.context == context]
    return {module.partition(".")[0] for method in methods for module in method.callers} - {context}


def _ingresses(rows: Sequence[Route]) -> Iterator[Document]:
    """An Ingress leads into its own namespace only; the controller joins those of one host, the longest path first."""
    for name in sorted({row.owner.name for row in rows}):
        yield _ingress(name, [row for row in rows if row.owner.name == name])


def _ingress(name: str, rows: Iterable[Route]) -> Document:
    paths = [
        {
            "path": row.path,
            "pathType": "Exact" if row.exact else "Prefix",
            "backend": {"service": {"name": "web", "port": {"name": "http"}}},
        }
        for row in rows
    ]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "Ingress",
        "metadata": {"name": "web", "namespace": f"{PART_OF}-{name}"},
        "spec": {"rules": [{"host": HOST, "http": {"paths": paths}}], "tls": [{"hosts": [HOST], "secretName": "tls"}]},
    }


def _policies(callers: Mapping[str, Sequence[str]]) -> Iterator[Document]:
    for context, its_callers in callers.items():
        called = [owner for owner, those in callers.items() if context in those]
        yield from _policies_of(context, [context], callers=its_callers, called=called)
    yield from _policies_of(BACK_OFFICE, list(callers), callers=(), called=())


def _policies_of(
    name: str, databases: Sequence[str], *, callers: Sequence[str], called: Sequence[str]
) -> Iterator[Document]:
    """Deny everything, then allow what the code does. ``databases`` are those of contexts."""
    namespace = f"{PART_OF}-{name}"
    yield _policy(namespace, "deny-all", {}, {"policyTypes": ["Ingress", "Egress"]})
    web = {"app.kubernetes.io/component": "web"}
    asking = [_namespace(INGRESS), *(_namespace(f"{PART_OF}-{caller}") for caller in callers)]
    incoming = {"from": asking, "ports": [_port("http")]}
    yield _policy(namespace, "web", web, {"policyTypes": ["Ingress"], "ingress": [incoming]})
    scraped = {"from": [_namespace(WATCHING)], "ports": [_port("http"), _port("metrics")]}
    yield _policy(namespace, "metrics", {}, {"policyTypes": ["Ingress"], "ingress": [scraped]})
    outgoing = [
        {"to": [_namespace("kube-system")], "ports": [_port(DNS_PORT, "UDP"), _port(DNS_PORT)]},
        *(_data("postgres", DATABASE_PORT, context) for context in databases),
        _data("rabbitmq", BROKER_PORT),
        _data("redis", CACHE_PORT),
        {"to": [_namespace(WATCHING)], "ports": [_port(TRACES_PORT)]},
        *({"to": [_namespace(f"{PART_OF}-{owner}", web)], "ports": [_port(WEB_PORT)]} for owner in called),
        *_outside(databases),
    ]
    yield _policy(namespace, "outgoing", {}, {"policyTypes": ["Egress"], "egress": outgoing})


def _policies_of_data(users: Mapping[str, Sequence[str]]) -> Iterator[Document]:
    """Let nobody to a database but those who use it. ``users`` are process groups by context."""
    everybody = sorted({f"{PART_OF}-{user}" for those in users.values() for user in those})
    for context, those in users.items():
        labels = {"app.kubernetes.io/name": "postgres", "context": context}
        yield _reached_by(f"postgres-{context}", labels, [f"{PART_OF}-{user}" for user in those], DATABASE_PORT)
    yield _reached_by("rabbitmq", {"app.kubernetes.io/name": "rabbitmq"}, [*everybody, SCALER], BROKER_PORT)
    yield _reached_by("redis", {"app.kubernetes.io/name": "redis"}, everybody, CACHE_PORT)


def _reached_by(name: str, pods: dict[str, str], users: Sequence[str], port: int) -> Document:
    incoming = {"from": [_namespace(user) for user in users], "ports": [_port(port)]}
    return _policy(DATA, name, pods, {"policyTypes": ["Ingress"], "ingress": [incoming]})


def _scaling(name: str, contexts: Sequence[Context]) -> Document:
    """Make workers more by what waits for them: tasks, and events for the relays. Consumers are one for each queue."""
    services = "|".join(context.name for context in contexts)
    return {
        "apiVersion": "keda.sh/v1alpha1",
        "kind": "ScaledObject",
        "metadata": {"name": "worker", "namespace": f"{PART_OF}-{name}"},
        "spec": {
            "scaleTargetRef": {"name": "worker"},
            "minReplicaCount": 1,
            "maxReplicaCount": MOST_WORKERS,
            "cooldownPeriod": 300,
            "triggers": [
                *(_queue(context.task_queue) for context in contexts),
                {
                    "type": "prometheus",
                    "metadata": {
                        "serverAddress": f"http://prometheus.{WATCHING}:9090",
                        "query": f'sum(outbox_events{{service=~"{services}", status="pending"}})',
                        "threshold": str(EVENTS_FOR_ONE_WORKER),
                    },
                },
            ],
        },
    }


def _queue(name: str) -> Document:
    metadata = {
        "hostFromEnv": "BROKER_URL",
        "queueName": name,
        "mode": "QueueLength",
        "value": str(TASKS_FOR_ONE_WORKER),
    }
    return {"type": "rabbitmq", "metadata": metadata}


def _outside(contexts: Sequence[str]) -> Iterator[Document]:
    ports = sorted({port for context in contexts for port in CALL_THE_OUTSIDE.get(context, ())})
    if ports:
        private = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16"]
        yield {
            "to": [{"ipBlock": {"cidr": "0.0.0.0/0", "except": private}}],
            "ports": [_port(port) for port in ports],
        }


def _policy(namespace: str, name: str, pods: dict[str, str], rules: Document) -> Document:
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"podSelector": {"matchLabels": pods} if pods else {}, **rules},
    }


def _namespace(name: str, pods: dict[str, str] | None = None) -> Document:
    selector = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}
    return {**selector, "podSelector": {"matchLabels": pods}} if pods else selector


def _data(engine: str, port: int, context: str | None = None) -> Document:
    labels = {"app.kubernetes.io/name": engine, **({"context": context} if context else {})}
    return {"to": [_namespace(DATA, labels)], "ports": [_port(port)]}


def _port(port: int | str, protocol: str = "TCP") -> Document:
    return {"protocol": protocol, "port": port}
