"""Every address there is, taken from the URL conf: the API's are all described and so in the table of who may do what
(``test_ownership.py``), those of the back office are closed, and no other stands open unnoticed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver

from contexts.identity.models import User
from ecommerce.http import schema
from ecommerce.topology import local_aliases
from tests.contexts.identity.factories import UserFactory

UNKNOWN = "01900000-0000-7000-8000-00000000dead"
PUBLIC = {
    "", "status.json", "api/schema/", "api/docs/", "^api/(?P<path>.*)$", "health", "ready", "live", "metrics",
    ".well-known/jwks.json", "admin",
}  # fmt: skip
"""Nothing of a customer's is there. ``metrics`` asks for a token when there is one, ``status.json`` is off at first."""
FOR_ANY_STAFF = {
    "admin/", "admin/search/", "admin/password_change/", "admin/password_change/done/", "admin/jsi18n/",
}  # fmt: skip
"""They show what the person may open, words, or the person's own password."""
DOORS = {"admin/login/", "admin/logout/"}
NOTHING_THERE = re.compile(r"admin/(\^|\(\?P<url>|r/)|/<path:object_id>/(history/)?$")
"""404; or, as there is no such object, a way back; or from the old form of an object's address a way to the new one."""


def addresses(resolver: URLResolver | None = None, prefix: str = "") -> Iterator[str]:
    for entry in (resolver or get_resolver()).url_patterns:
        if isinstance(entry, URLPattern):
            yield f"{prefix}{entry.pattern}"
        else:
            yield from addresses(entry, f"{prefix}{entry.pattern}")


def below(prefix: str) -> set[str]:
    return {address for address in addresses() if address.startswith(prefix)}


def test_every_address_of_the_api_is_described_and_so_has_an_entry_in_the_table() -> None:
    described = {re.sub("[{}]", "", path).strip("/") for path in json.loads(schema.document())["paths"]}
    routed = {re.sub(r"<(?:\w+:)?(\w+)>", r"\1", address) for address in below("api/v1/")}

    assert routed == described


def test_no_address_stands_outside_of_what_is_tried() -> None:
    tried = below("api/v1/") | below("admin/") | below("_allauth/") | below("accounts/")

    assert set(addresses()) - tried == PUBLIC


def answers(client: Client, address: str) -> dict[str, tuple[int, str]]:
    """Return what each method gets: the status, and where it leads."""
    path = "/" + re.sub(r"<path:\w+>", UNKNOWN, address)
    path = re.sub(r"\^?\(\?P<\w+>(\w+)[^)]*\)/?\$", r"\1/", path)
    given = {"GET": client.get(path), "POST": client.post(path, {"action": "x", "_selected_action": UNKNOWN})}
    return {method: (answer.status_code, answer.headers.get("Location", "")) for method, answer in given.items()}


@pytest.mark.django_db(databases=list(local_aliases()))
@pytest.mark.parametrize("who", ["nobody", "customer", "former colleague"])
def test_the_back_office_sends_everybody_else_to_its_door(who: str) -> None:
    client = Client()
    if who != "nobody":
        user: User = UserFactory(is_staff=who != "customer", is_superuser=who != "customer")
        client.force_login(user)
        User.objects.filter(pk=user.pk).update(is_active=who == "customer")
    opened = {
        (address, method): answer
        for address in below("admin/") - DOORS
        for method, answer in answers(client, address).items()
        if not (answer[0] == 302 and answer[1].startswith("/admin/login/"))
    }

    assert {key: answer for key, answer in opened.items() if answer[0] != 404} == {}
    assert {address for address, _ in opened if not NOTHING_THERE.search(address)} == set()


@pytest.mark.django_db(databases=list(local_aliases()))
def test_a_colleague_without_permissions_gets_into_no_page() -> None:
    client = Client()
    client.force_login(UserFactory(is_staff=True))
    opened = {
        (address, method): answer
        for address in below("admin/") - DOORS - FOR_ANY_STAFF
        for method, answer in answers(client, address).items()
        if answer[0] not in (403, 405) and not (NOTHING_THERE.search(address) and answer[0] in (301, 302, 404))
    }

    assert opened == {}


@pytest.mark.django_db(databases=list(local_aliases()))
def test_the_history_of_what_exists_is_closed_too() -> None:
    client, somebody = Client(), UserFactory()
    client.force_login(UserFactory(is_staff=True))

    assert client.get(f"/admin/identity/user/{somebody.pk}/history/").status_code == 403
