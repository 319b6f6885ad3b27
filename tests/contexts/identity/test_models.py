"""Rules that the database keeps, whatever the code does."""

from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from contexts.identity.models import Address, SavedCard, User
from tests.contexts.identity.factories import AddressFactory, SavedCardFactory, UserFactory

pytestmark = pytest.mark.django_db(databases=["identity"])


def refused(constraint: str, change: Any) -> None:
    with pytest.raises(IntegrityError, match=constraint), transaction.atomic(using="identity"):
        change()


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("users_email_unique", {"email": "ana@example.com"}),
        ("users_email_lower_case", {"email": "Bia@example.com"}),
        ("users_phone_digits", {"phone": "123"}),
        ("users_tax_id_shape", {"tax_id": "5299822472"}),
    ],
)
def test_a_user_that_breaks_a_rule_is_refused(constraint: str, fields: dict[str, str]) -> None:
    UserFactory(email="ana@example.com")
    bia = UserFactory()
    refused(constraint, lambda: User.objects.filter(pk=bia.pk).update(**fields))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("addresses_cep", {"cep": "1310100"}),
        ("addresses_cep", {"cep": "0131010a"}),
        ("addresses_state", {"state": "XX"}),
        ("addresses_ibge_code", {"ibge_code": "355030"}),
    ],
)
def test_an_address_that_breaks_a_rule_is_refused(constraint: str, fields: dict[str, str]) -> None:
    address = AddressFactory()
    refused(constraint, lambda: Address.objects.filter(pk=address.pk).update(**fields))


@pytest.mark.parametrize(
    ("constraint", "fields"),
    [
        ("saved_cards_last4", {"last4": "424"}),
        ("saved_cards_expiry", {"expiry_month": 13}),
        ("saved_cards_expiry", {"expiry_year": 26}),
        ("saved_cards_no_card_number", {"token": "4242424242424242"}),
        ("saved_cards_no_card_number", {"token": "4242 4242 4242 4242"}),
    ],
)
def test_a_card_that_breaks_a_rule_is_refused(constraint: str, fields: dict[str, Any]) -> None:
    card = SavedCardFactory()
    refused(constraint, lambda: SavedCard.objects.filter(pk=card.pk).update(**fields))


def test_a_customer_has_one_default_of_each() -> None:
    ana = UserFactory()
    AddressFactory(user=ana, is_default=True)
    SavedCardFactory(user=ana, is_default=True)
    refused("addresses_one_default", lambda: AddressFactory(user=ana, is_default=True))
    refused("saved_cards_one_default", lambda: SavedCardFactory(user=ana, is_default=True))
    AddressFactory(is_default=True)


def test_a_consent_keeps_the_moment_it_was_given() -> None:
    first, later = datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 2, 1, tzinfo=UTC)
    ana = UserFactory()
    for changes in ({"newsletter": True}, {"newsletter": True, "marketing": True}):
        ana.change_profile(changes, now=later if ana.newsletter_since else first)
    ana.refresh_from_db()
    assert (ana.newsletter_since, ana.marketing_since, ana.version) == (first, later, 3)
    ana.change_profile({"newsletter": False}, now=later)
    ana.refresh_from_db()
    assert (ana.newsletter_since, ana.marketing_since) == (None, later)
