import pytest
from django.db import connections

from ecommerce import clock
from ecommerce.ids import new_id
from ecommerce.inbox.figures import figures
from ecommerce.inbox.models import InboxMessage

pytestmark = pytest.mark.django_db(transaction=True, databases=["order"])


def test_handled_messages_are_counted_by_the_estimate_of_postgresql() -> None:
    for _ in range(3):
        InboxMessage.objects.using("order").create(
            consumer="order.test", message_id=new_id(), event_type="t", outcome="HANDLED", handled_at=clock.now()
        )
    with connections["order"].cursor() as cursor:
        cursor.execute("ANALYZE inbox_message")

    assert figures("order") == (3, 0, 0)
