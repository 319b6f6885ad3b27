"""Where a page of the back office runs. Its views are stand-ins; the transactions and the outbox are real."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any
from uuid import UUID

import pytest
from django.contrib.admin import AdminSite
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory
from unfold.admin import ModelAdmin

from contexts.cart.events import CartAbandoned
from contexts.cart.models import Cart
from ecommerce.admin import ContextAdmin
from ecommerce.clock import now
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.testing import published
from ecommerce.unit_of_work import UnitOfWork, unit_of_work

pytestmark = pytest.mark.django_db(databases=["cart"])

Look = Callable[[HttpRequest], None]


@pytest.fixture
def page() -> ContextAdmin:
    return ContextAdmin(Cart, AdminSite())


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[Look]:
    """What the stand-ins of Django's views do with the request, in order."""
    planned: list[Look] = []

    def view(self: ModelAdmin, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        for look in planned:
            look(request)
        return HttpResponse("seen")

    for name in ("changeform_view", "delete_view", "changelist_view"):
        monkeypatch.setattr(ModelAdmin, name, view)
    return planned


def abandon(work: UnitOfWork) -> UUID:
    cart = new_id()
    event = CartAbandoned(
        cart_id=cart, last_activity_at=now(), subtotal=Money(Decimal("1.00")), pieces=1, recovery_path="/x"
    )
    work.publish(event, subject=cart, version=1)
    return cart


def opens_its_own(request: HttpRequest) -> None:
    with unit_of_work("cart"):
        pass


@pytest.mark.parametrize("view", ["changeform_view", "delete_view"])
def test_saving_and_deleting_publish_in_the_unit_of_work(page: ContextAdmin, looks: list[Look], view: str) -> None:
    looks.append(lambda request: abandon(page.work(request)) and None)

    response = getattr(page, view)(RequestFactory().post("/"), "1")

    assert response.content == b"seen"
    assert [type(event) for event in published("cart")] == [CartAbandoned]


def test_what_fails_publishes_nothing(page: ContextAdmin, looks: list[Look]) -> None:
    def fail(request: HttpRequest) -> None:
        raise ValueError("refused")

    looks.extend([lambda request: abandon(page.work(request)) and None, fail])

    with pytest.raises(ValueError, match="refused"):
        page.changeform_view(RequestFactory().post("/"), "1")

    assert published("cart") == []


@pytest.mark.parametrize("data", [{"_save": "1"}, {"action": "delete_selected"}])
def test_edits_in_a_list_are_one_unit_of_work(page: ContextAdmin, looks: list[Look], data: dict[str, str]) -> None:
    looks.append(lambda request: abandon(page.work(request)) and None)

    page.changelist_view(RequestFactory().post("/", data))

    assert len(published("cart")) == 1


def test_a_list_action_may_call_a_use_case(page: ContextAdmin, looks: list[Look]) -> None:
    looks.append(opens_its_own)

    assert page.changelist_view(RequestFactory().post("/", {"action": "expire"})).status_code == 200


def test_a_form_that_calls_a_use_case_is_refused(page: ContextAdmin, looks: list[Look]) -> None:
    looks.append(opens_its_own)

    with pytest.raises(RuntimeError):
        page.changeform_view(RequestFactory().post("/"), "1")


@pytest.mark.parametrize("view", ["changeform_view", "delete_view", "changelist_view"])
def test_looking_needs_no_unit_of_work(page: ContextAdmin, looks: list[Look], view: str) -> None:
    looks.append(opens_its_own)

    request = RequestFactory().get("/")

    assert getattr(page, view)(request).status_code == 200
    with pytest.raises(RuntimeError, match="outside a unit of work"):
        page.work(request)


def test_the_unit_of_work_ends_with_the_page(page: ContextAdmin, looks: list[Look]) -> None:
    request = RequestFactory().post("/")

    page.changeform_view(request, "1")

    with pytest.raises(RuntimeError, match="outside a unit of work"):
        page.work(request)


def test_lists_do_not_count_the_whole_table(page: ContextAdmin) -> None:
    assert page.show_full_result_count is False
