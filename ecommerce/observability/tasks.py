"""Celery tasks as part of the request that asked for them: what is logged, published and traced in a task says so."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

from celery.signals import before_task_publish, task_postrun, task_prerun

from ecommerce.observability import context, tracing

CORRELATION = "x_correlation_id"
ACTOR = "x_actor"


def connect() -> None:
    """Follow every task that this process sends or runs. Idempotent."""
    before_task_publish.connect(_name_the_request, dispatch_uid="observability")
    task_prerun.connect(_begin, dispatch_uid="observability")
    task_postrun.connect(_end, dispatch_uid="observability")


def _name_the_request(headers: dict[str, Any], **_: Any) -> None:
    """Nothing is named outside of any request, as by the scheduler: such a task begins a trace of its own."""
    if bound := context.bound_or_none():
        headers.update({CORRELATION: bound.correlation_id, ACTOR: bound.actor, **tracing.carrier()})


def _begin(task: Any, task_id: str, **_: Any) -> None:
    request, entered = task.request, ExitStack()
    named = {name: _header(request, name) for name in ("traceparent", CORRELATION, ACTOR)}
    entered.enter_context(
        context.bound(correlation_id=named[CORRELATION], traceparent=named["traceparent"], actor=named[ACTOR])
    )
    attributes = {
        "messaging.system": "celery",
        "messaging.operation.type": "process",
        "messaging.operation.name": "process",
        "messaging.destination.name": (request.delivery_info or {}).get("routing_key") or "tasks",
        "messaging.message.id": task_id,
    }
    span = tracing.span(f"process {task.name}", attributes, kind="consumer", parent=tracing.remote(named))
    entered.enter_context(span)
    request.observed = entered, span


def _header(request: Any, name: str) -> str:
    """Return a header of a task's message; a worker makes attributes of them."""
    return str(getattr(request, name, None) or (request.headers or {}).get(name) or "")


def _end(task: Any, retval: Any, state: str | None, **_: Any) -> None:
    """Celery's own line about a task that failed was written before, so that it names the request, too."""
    observed = getattr(task.request, "observed", None)
    if observed is None:
        return
    entered, span = observed
    if state == "FAILURE":
        span.fail(type(retval).__qualname__)
    entered.close()
