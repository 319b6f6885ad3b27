from __future__ import annotations

import pytest
from django.contrib.admin.models import LogEntry
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Permission
from django.core.exceptions import ImproperlyConfigured

from ecommerce.db.router import ContextRouter, alias_of
from ecommerce.outbox.models import OutboxEvent

CONTEXTS = ["identity", "catalog", "cart", "order", "promotion", "notification"]
router = ContextRouter()


@pytest.mark.parametrize(
    ("label", "alias"),
    [
        *((context, context) for context in CONTEXTS),
        *((label, "identity") for label in ("admin", "auth", "contenttypes", "sessions", "account", "mfa", "sites")),
        *((label, None) for label in ("outbox", "inbox", "saga", "http")),
    ],
)
def test_the_label_decides_the_alias(label: str, alias: str | None) -> None:
    assert alias_of(label) == alias


def test_models_are_read_and_written_where_their_label_says() -> None:
    assert router.db_for_read(LogEntry) == router.db_for_write(LogEntry) == "identity"
    assert router.db_for_read(OutboxEvent) is router.db_for_write(OutboxEvent) is None


@pytest.mark.parametrize("context", CONTEXTS)
def test_each_context_migrates_itself_and_the_platform(context: str) -> None:
    others = [other for other in CONTEXTS if other != context]

    assert router.allow_migrate(context, context)
    assert router.allow_migrate(context, "outbox")
    assert not any(router.allow_migrate(context, other) for other in others)
    assert router.allow_migrate(context, "auth") is (context == "identity")


def test_nothing_is_migrated_into_default() -> None:
    assert not any(router.allow_migrate("default", label) for label in (*CONTEXTS, "auth", "outbox"))


def test_relations_stay_within_an_alias() -> None:
    user, permission, event = get_user_model()(), Permission(), OutboxEvent()
    mine, theirs = OutboxEvent(), OutboxEvent()
    mine._state.db, theirs._state.db, event._state.db = "cart", "order", "cart"

    assert router.allow_relation(user, permission)
    assert router.allow_relation(event, mine)
    assert not router.allow_relation(mine, theirs)
    assert not router.allow_relation(user, mine)


def test_a_query_on_a_table_of_the_platform_must_name_its_alias() -> None:
    with pytest.raises(ImproperlyConfigured):
        OutboxEvent.objects.first()
