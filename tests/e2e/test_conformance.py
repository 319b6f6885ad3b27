"""The API against its own description, by generated requests: whatever is sent, nothing fails and every answer is one
that OpenAPI names.

The requests follow from a fixed seed. ``FUZZ_EXAMPLES`` says how many there are of each kind for each operation.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any

import jwt
import pytest
import schemathesis
from django.conf import settings as configured
from django.core.signals import request_finished, request_started
from django.core.wsgi import get_wsgi_application
from django.db import close_old_connections
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from pytest_django import Settings
from schemathesis import GenerationMode
from schemathesis.checks import CheckFunction
from schemathesis.schemas import APIOperation
from schemathesis.specs.openapi import checks

from ecommerce.http import keys, schema
from ecommerce.topology import local_aliases
from tests.e2e.test_ownership import TABLE, World, world  # noqa: F401 - a fixture

pytestmark = pytest.mark.django_db(databases=list(local_aliases()))
EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "2"))
CHECKS: list[CheckFunction] = [
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
PROBLEMS = frozenset({400, 401, 402, 403, 404, 405, 406, 409, 410, 412, 413, 415, 422, 428, 429, 502, 503, 504})
"""What ``default`` stands for in the description of every operation."""
NOWHERE = "http://127.0.0.1:9"


@pytest.fixture(autouse=True)
def one_transaction() -> Iterator[None]:
    """Keep the connections with the test's transactions from one request to the next, as Django's own client does."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@cache
def described() -> Any:
    document = schemathesis.openapi.from_dict(json.loads(schema.document()))
    document.app = get_wsgi_application()
    return document


def operation(name: str) -> APIOperation[Any, Any, Any, Any]:
    method, path = name.split(" ")
    return described()[f"/api/v1{path}"][method]


def bearer(user_id: str, **claims: Any) -> dict[str, str]:
    now, key = int(time.time()), configured.JWT_PRIVATE_KEY
    payload = {"sub": user_id, "iat": now, "exp": now + 300, "token_use": "access", **claims}
    token = jwt.encode(payload, key, algorithm="RS256", headers={"kid": keys.thumbprint(keys.public_pem(key))})
    return {"Authorization": f"Bearer {token}"}


def callers(world: World) -> dict[str, tuple[dict[str, str], dict[str, str]]]:  # noqa: F811
    """Return the headers that each kind of caller sends, and what it knows of the world."""
    mine, guests = {**world.carts[0].ids, **world.orders[0].ids}, {**world.carts[1].ids, **world.orders[1].ids}
    return {
        "anybody": ({}, {}),
        "guest": ({**world.carts[1].headers, **world.orders[1].headers}, guests),
        "customer": (bearer(world.owner_id, email="ana@example.com", email_verified=True), mine),
        "staff": (bearer(world.owner_id, email="ana@example.com", staff=True, scope="*"), mine),
    }


@pytest.mark.parametrize("name", TABLE)
def test_nothing_fails_and_every_answer_is_described(name: str, world: World, settings: Settings) -> None:  # noqa: F811
    settings.SANDBOX_PSP_URL = settings.CEP_LOOKUP_URL = NOWHERE
    for mode in GenerationMode:
        send(operation(name), mode, callers(world).values())


def send(
    called: APIOperation[Any, Any, Any, Any],
    mode: GenerationMode,
    senders: Collection[tuple[dict[str, str], dict[str, str]]],
) -> None:
    """Send generated requests, each by all: with the headers of the sender, and to what it knows."""
    answers = {int(status) for status in called.definition.raw["responses"] if status.isdigit()} | PROBLEMS
    in_path = {parameter.name for parameter in called.path_parameters}

    @settings(
        max_examples=EXAMPLES, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    @given(case=called.as_strategy(generation_mode=mode))
    def one_request(case: Any) -> None:
        generated = case.path_parameters
        for headers, known in senders:
            case.path_parameters = {**generated, **{name: known[name] for name in in_path & known.keys()}}
            answer = case.call(headers=headers)
            assert answer.status_code in answers, (answer.status_code, case.as_curl_command())
            case.validate_response(answer, checks=CHECKS)

    try:
        one_request()
    except Unsatisfiable:
        assert mode is GenerationMode.NEGATIVE, "nothing can be sent to this operation"
