"""A customer's own data, over HTTP; a stranger's is not found."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from contexts.identity import usecases
from contexts.identity.models import Address, SavedCard, Session
from ecommerce.clock import now
from tests.contexts.identity.factories import PASSWORD, AddressFactory, SavedCardFactory, UserFactory

pytestmark = pytest.mark.django_db(databases=["identity"])

Api = Callable[..., Any]
HOME = {
    "recipient": "Ana Souza",
    "cep": "01310-100",
    "street": "Avenida Paulista",
    "number": "1578",
    "district": "Bela Vista",
    "city": "São Paulo",
    "state": "SP",
}
CARD = {"token": "tok_abc", "brand": "visa", "last4": "4242", "expiry_month": 12, "expiry_year": 2035}


@pytest.mark.parametrize("path", ["me", "me/addresses", "me/cards", "me/sessions"])
def test_a_guest_is_asked_to_log_in(api: Api, path: str) -> None:
    assert api(path).status_code == 401


def test_the_profile_is_read_in_one_statement(api: Api) -> None:
    ana = UserFactory()
    with CaptureQueriesContext(connections["identity"]) as queries:
        answer = api("me", user=ana)
    assert answer.json() == {
        "id": str(ana.id),
        "email": ana.email,
        "email_verified": True,
        "full_name": "Ana Souza",
        "phone": "",
        "locale": "pt-BR",
        "tax_id": "",
        "newsletter": False,
        "marketing": False,
        "created_at": answer.json()["created_at"],
    }
    assert len(queries) == 2  # one of them is the token that the test makes


def test_the_profile_changes_in_part(api: Api) -> None:
    ana = UserFactory(full_name="Ana", phone="11987654321")
    body = {"phone": "+55 11 90000-0000", "tax_id": "12.abc.345/01de-35", "newsletter": True}
    answer = api("me", body, method="patch", user=ana).json()
    assert (answer["full_name"], answer["phone"], answer["tax_id"]) == ("Ana", "+5511900000000", "12ABC34501DE35")
    assert (answer["newsletter"], answer["marketing"]) == (True, False)


@pytest.mark.parametrize(
    ("body", "pointer", "code"),
    [
        ({"tax_id": "111.111.111-11"}, "/tax_id", "tax_id_invalid"),
        ({"phone": "abc"}, "/phone", "phone_invalid"),
        ({"locale": "xx"}, "/locale", "invalid_choice"),
    ],
)
def test_a_bad_profile_is_refused(api: Api, body: dict[str, str], pointer: str, code: str) -> None:
    answer = api("me", body, method="patch", user=UserFactory())
    assert answer.status_code == 400
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]


@pytest.mark.parametrize("body", [{"email": "x@example.com"}, {"is_staff": True}, {"is_superuser": True}])
def test_what_is_not_the_customer_s_to_change_stays(api: Api, body: dict[str, Any]) -> None:
    ana = UserFactory()
    assert api("me", body, method="patch", user=ana).status_code == 200
    before = ana.email
    ana.refresh_from_db()
    assert (ana.email, ana.is_staff, ana.is_superuser) == (before, False, False)


def test_a_closed_account_is_not_found(api: Api) -> None:
    ana = UserFactory(is_active=False)
    assert api("me", user=ana).json()["code"] == "user_not_found"
    assert api("me/addresses", HOME, method="post", user=ana).json()["code"] == "user_not_found"


def test_the_first_address_is_the_default_until_another_is_chosen(api: Api) -> None:
    ana = UserFactory()
    first = api("me/addresses", HOME, method="post", user=ana)
    assert first.status_code == 201
    assert (first.json()["cep"], first.json()["is_default"], first.json()["country"]) == ("01310100", True, "BR")
    second = api("me/addresses", {**HOME, "label": "Trabalho"}, method="post", user=ana).json()
    assert not second["is_default"]
    chosen = api(f"me/addresses/{second['id']}", {"is_default": True}, method="patch", user=ana).json()
    assert chosen["is_default"]
    listed = api("me/addresses", user=ana).json()
    assert [(row["id"], row["is_default"]) for row in listed] == [(second["id"], True), (first.json()["id"], False)]


def test_the_newest_address_inherits_the_default(api: Api) -> None:
    ana = UserFactory()
    default = AddressFactory(user=ana, is_default=True)
    AddressFactory(user=ana)
    newest = AddressFactory(user=ana)
    assert api(f"me/addresses/{default.id}", method="delete", user=ana).status_code == 204
    assert Address.objects.get(is_default=True) == newest


def test_an_address_changes_in_part(api: Api) -> None:
    address = AddressFactory()
    answer = api(f"me/addresses/{address.id}", {"number": "99", "cep": "04538133"}, method="patch", user=address.user)
    assert (answer.json()["number"], answer.json()["cep"], answer.json()["street"]) == (
        "99",
        "04538133",
        "Avenida Paulista",
    )


@pytest.mark.parametrize(
    ("change", "pointer", "code"),
    [
        ({"cep": "1234"}, "/cep", "cep_invalid"),
        ({"state": "XX"}, "/state", "invalid_choice"),
        ({"number": ""}, "/number", "blank"),
        ({"ibge_code": "12"}, "/ibge_code", "invalid"),
    ],
)
def test_a_bad_address_is_refused(api: Api, change: dict[str, str], pointer: str, code: str) -> None:
    answer = api("me/addresses", {**HOME, **change}, method="post", user=UserFactory())
    assert [(error["pointer"], error["code"]) for error in answer.json()["errors"]] == [(pointer, code)]


@pytest.mark.parametrize(("method", "body"), [("get", None), ("patch", {"number": "1"}), ("delete", None)])
def test_a_stranger_s_address_is_not_found(api: Api, method: str, body: Any) -> None:
    address = AddressFactory()
    answer = api(f"me/addresses/{address.id}", body, method=method, user=UserFactory())
    assert (answer.status_code, answer.json()["code"]) == (404, "address_not_found")
    unknown = api(f"me/addresses/{uuid4()}", body, method=method, user=UserFactory())
    assert unknown.json()["code"] == "address_not_found"
    assert Address.objects.get().number == "1578"


def test_there_is_an_end_to_addresses(api: Api) -> None:
    ana = UserFactory()
    AddressFactory.create_batch(50, user=ana)
    answer = api("me/addresses", HOME, method="post", user=ana)
    assert (answer.status_code, answer.json()["code"], answer.json()["maximum"]) == (409, "too_many_addresses", 50)


@pytest.mark.django_db(databases=["identity"], transaction=True)
def test_parallel_choices_of_a_default_leave_one() -> None:
    ana = UserFactory()
    rows = AddressFactory.create_batch(4, user=ana)

    def choose(address: Address) -> None:
        try:
            for _ in range(5):
                usecases.change_address(user_id=ana.id, address_id=address.id, changes={}, default=True)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(choose, rows))
    assert Address.objects.filter(user=ana, is_default=True).count() == 1


def test_a_card_is_kept_by_token_and_never_shows_it(api: Api) -> None:
    ana = UserFactory()
    answer = api("me/cards", CARD, method="post", user=ana)
    assert answer.status_code == 201
    assert SavedCard.objects.get().token == "tok_abc"
    assert set(answer.json()) == {"id", "brand", "last4", "expiry_month", "expiry_year", "is_default", "created_at"}
    assert answer.json()["is_default"]
    assert api("me/cards", user=ana).json() == [answer.json()]


@pytest.mark.parametrize(
    "change",
    [
        {"token": "4242424242424242"},
        {"token": "tok_4242 4242 4242 4242"},
        {"brand": "visa 4242424242424242"},
        {"number": 4242424242424242},
        {"extra": {"deep": ["5555-5555-5555-4444"]}},
    ],
)
def test_a_card_number_is_refused_anywhere_and_not_echoed(api: Api, change: dict[str, Any]) -> None:
    answer = api("me/cards", {**CARD, **change}, method="post", user=UserFactory())
    assert (answer.status_code, answer.json()["code"]) == (422, "card_number_refused")
    assert "4242" not in answer.content.decode()
    assert not SavedCard.objects.exists()


def test_a_token_is_saved_once(api: Api) -> None:
    ana = UserFactory()
    api("me/cards", CARD, method="post", user=ana)
    answer = api("me/cards", CARD, method="post", user=ana)
    assert (answer.status_code, answer.json()["code"]) == (409, "card_already_saved")


@pytest.mark.parametrize(("months_ago", "status"), [(0, 201), (1, 422)])
def test_a_card_is_good_to_the_end_of_its_last_month(api: Api, months_ago: int, status: int) -> None:
    today = now()
    year, month = divmod(today.year * 12 + today.month - 1 - months_ago, 12)
    body = {**CARD, "expiry_year": year, "expiry_month": month + 1}
    assert api("me/cards", body, method="post", user=UserFactory()).status_code == status


def test_the_default_card_moves_and_is_inherited(api: Api) -> None:
    ana = UserFactory()
    first = SavedCardFactory(user=ana, is_default=True)
    second = SavedCardFactory(user=ana)
    assert api(f"me/cards/{second.id}/default", method="post", user=ana).json()["is_default"]
    assert api(f"me/cards/{second.id}", method="delete", user=ana).status_code == 204
    assert SavedCard.objects.get(is_default=True) == first


@pytest.mark.parametrize(("suffix", "method"), [("", "delete"), ("/default", "post")])
def test_a_stranger_s_card_is_not_found(api: Api, suffix: str, method: str) -> None:
    card = SavedCardFactory()
    answer = api(f"me/cards/{card.id}{suffix}", method=method, user=UserFactory())
    assert (answer.status_code, answer.json()["code"]) == (404, "saved_card_not_found")
    assert SavedCard.objects.filter(pk=card.pk, is_default=False).exists()


def test_devices_are_listed_and_logged_out(api: Api, auth: Api) -> None:
    ana = UserFactory()
    body = {"email": ana.email, "password": PASSWORD}
    phone = auth("auth/login", body, **{"User-Agent": "Phone"}).json()["meta"]
    laptop = auth("auth/login", body, **{"User-Agent": "Laptop"}).json()["meta"]
    rows = api("me/sessions", token=laptop["access_token"]).json()
    assert [(row["user_agent"], row["ip"], row["is_current"]) for row in rows] == [
        ("Laptop", "127.0.0.1", True),
        ("Phone", "127.0.0.1", False),
    ]
    assert set(rows[0]) == {"id", "ip", "user_agent", "created_at", "expires_at", "is_current"}
    assert api(f"me/sessions/{rows[1]['id']}", method="delete", token=laptop["access_token"]).status_code == 204
    assert auth("tokens/refresh", {"refresh_token": phone["refresh_token"]}).status_code == 400
    assert auth("tokens/refresh", {"refresh_token": laptop["refresh_token"]}).status_code == 200


def test_a_stranger_s_device_is_not_found(api: Api, auth: Api) -> None:
    ana = UserFactory()
    auth("auth/login", {"email": ana.email, "password": PASSWORD})
    session = Session.objects.get()
    answer = api(f"me/sessions/{session.id}", method="delete", user=UserFactory())
    assert (answer.status_code, answer.json()["code"]) == (404, "session_not_found")
    assert Session.objects.exists()


def test_a_megabyte_of_digits_is_refused_before_card_numbers_are_looked_for_in_it(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def look(value: Any) -> None:
        raise AssertionError("this takes a second of a web process")

    monkeypatch.setattr("contexts.identity.serializers.refuse_card_numbers", look)
    answer = api("me/cards", {**CARD, "note": "2 " * 500_000}, method="post", user=UserFactory())
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (400, "too_long")


def test_the_last_month_of_a_card_ends_in_brasilia() -> None:
    late = datetime(2026, 12, 1, 2, 30, tzinfo=UTC)  # still 30 November there
    card: dict[str, Any] = {**CARD, "expiry_year": 2026, "expiry_month": 11}
    usecases.save_card(user_id=UserFactory().id, **card, now=late)
    with pytest.raises(usecases.CardExpired):
        usecases.save_card(user_id=UserFactory().id, **card, now=late + timedelta(hours=1))
