"""The session engine."""

from datetime import timedelta

import pytest
from django.contrib.auth import SESSION_KEY

from contexts.identity.adapters.sessions import SessionStore, name_device
from contexts.identity.models import Session
from contexts.identity.tasks import clear_sessions
from ecommerce.clock import now
from tests.contexts.identity.factories import UserFactory

pytestmark = pytest.mark.django_db(databases=["identity"])


def test_a_session_knows_its_owner_and_device() -> None:
    ana = UserFactory()
    store = SessionStore()
    store[SESSION_KEY] = str(ana.id)
    name_device(store, ip="192.0.2.7", user_agent="x" * 300)
    store.create()
    row = Session.objects.get()
    assert (row.user, row.ip, row.user_agent) == (ana, "192.0.2.7", "x" * 200)
    assert Session.objects.get_queryset().get().get_decoded()[SESSION_KEY] == str(ana.id)


def test_saving_again_keeps_the_public_id() -> None:
    store = SessionStore()
    store.create()
    before = Session.objects.get()
    again = SessionStore(before.session_key)
    again["seen"] = True
    again.save()
    after = Session.objects.get()
    assert (after.id, after.created_at) == (before.id, before.created_at)


def test_a_new_key_takes_the_data_along_and_leaves_no_old_row() -> None:
    store = SessionStore()
    name_device(store, ip="192.0.2.7", user_agent="Loja")
    store.create()
    old = store.session_key
    store.cycle_key()
    row = Session.objects.get()
    assert row.session_key != old
    assert (row.ip, row.user_agent) == ("192.0.2.7", "Loja")


def test_expired_sessions_are_cleared_and_live_ones_stay() -> None:
    for seconds in (-60, 60):
        store = SessionStore()
        store.create()
        Session.objects.filter(session_key=store.session_key).update(expire_date=now() + timedelta(seconds=seconds))
    clear_sessions()
    assert Session.objects.get().expire_date > now()
