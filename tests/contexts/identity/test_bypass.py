"""Accounts that are made without the application are announced once, like all others."""

import pytest
from django.db import connections

from contexts.identity.events import UserRegistered
from contexts.identity.models import User
from contexts.identity.usecases import register_user
from ecommerce.clock import now
from ecommerce.outbox.models import OutboxEvent
from ecommerce.testing import published
from tests.contexts.identity.factories import PASSWORD

pytestmark = pytest.mark.django_db(databases=["identity"], transaction=True)


def test_accounts_from_a_bulk_insert_are_announced_one_by_one() -> None:
    accounts = [User(email=f"{locale.lower()}@example.com", locale=locale) for locale in ("pt-BR", "en")]
    users = User.objects.bulk_create(accounts)
    announced = published("identity", UserRegistered)
    assert announced == [UserRegistered(user_id=user.id, locale=user.locale) for user in users]
    assert {row.origin for row in OutboxEvent.objects.using("identity")} == {"trigger"}


def test_who_registers_is_announced_once() -> None:
    user = register_user(email="ana@example.com", password=PASSWORD, now=now())
    assert published("identity", UserRegistered) == [UserRegistered(user_id=user.id, locale=user.locale)]
    assert OutboxEvent.objects.using("identity").get().origin == "app"


def test_a_change_of_an_account_announces_nothing() -> None:
    register_user(email="ana@example.com", password=PASSWORD, now=now())
    with connections["identity"].cursor() as cursor:
        cursor.execute("UPDATE users SET full_name = 'Ana'")
    assert OutboxEvent.objects.using("identity").count() == 1
