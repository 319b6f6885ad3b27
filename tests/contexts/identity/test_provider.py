"""What other contexts are told."""

from uuid import uuid4

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext

from contexts.identity.interface import (
    Address,
    AddressNotFound,
    Customer,
    IdentityInterface,
    SavedCard,
)
from ecommerce.calls import connect
from tests.contexts.identity.factories import AddressFactory, SavedCardFactory, UserFactory

pytestmark = pytest.mark.django_db(databases=["identity"])

identity = connect(IdentityInterface)


@pytest.fixture(autouse=True)
def _over_the_wire(settings: object) -> None:
    settings.CALLS_ROUND_TRIP = True  # type: ignore[attr-defined]


def test_customers_come_in_one_statement_without_closed_ones() -> None:
    ana = UserFactory(full_name="Ana", phone="+5511987654321", locale="en")
    bia = UserFactory(full_name="Bia", verified=False)
    gone = UserFactory(is_active=False)
    with CaptureQueriesContext(connections["identity"]) as queries:
        found = identity.get_customers(ids=[ana.id, bia.id, gone.id, uuid4()])
    assert len(queries) == 1
    assert sorted(found, key=lambda customer: customer.name) == [
        Customer(id=ana.id, email=ana.email, name="Ana", locale="en", email_verified=True, phone="+5511987654321"),
        Customer(id=bia.id, email=bia.email, name="Bia", locale="pt-BR", email_verified=False),
    ]


def test_an_email_counts_as_verified_only_while_it_is_the_account_s() -> None:
    ana = UserFactory()
    ana.email = "new@example.com"
    ana.save()
    assert not identity.get_customers(ids=[ana.id])[0].email_verified


def test_an_address_is_given_to_its_customer_only() -> None:
    address = AddressFactory(complement="ap. 42", ibge_code="3550308")
    assert identity.get_address(customer_id=address.user_id, address_id=address.id) == Address(
        recipient="Ana Souza",
        cep="01310100",
        street="Avenida Paulista",
        number="1578",
        complement="ap. 42",
        district="Bela Vista",
        city="São Paulo",
        state="SP",
        ibge_code="3550308",
    )
    with pytest.raises(AddressNotFound):
        identity.get_address(customer_id=UserFactory().id, address_id=address.id)


def test_cards_are_given_to_their_customer_only() -> None:
    card, foreign = SavedCardFactory(), SavedCardFactory()
    ids = [card.id, foreign.id, uuid4()]
    assert identity.get_saved_cards(customer_id=card.user_id, card_ids=ids) == [
        SavedCard(id=card.id, token=card.token, brand="visa", last4="4242", expiry_month=12, expiry_year=2030)
    ]
    assert identity.get_saved_cards(customer_id=UserFactory().id, card_ids=ids) == []
