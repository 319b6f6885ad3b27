"""A person's address taken out of everything that this context keeps."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from django.db.models import Q

from contexts.cart.domain.access import digest_of
from contexts.cart.domain.events import ContactLeft
from contexts.cart.models import Cart, Reminder
from contexts.cart.queries import blank_emails
from ecommerce.unit_of_work import unit_of_work


def erase_contact(*, customer_id: UUID, email: str, now: datetime) -> int:
    """Blank the e-mail in every cart of a customer or with that address, in rows and events alike, and return how many
    carts held it. An address that a cart had before another one goes from its events. What was bought and when stays;
    it names nobody. Idempotent.

    A cart that has an address loses it by an event: then whoever has read the cart before cannot write it back.
    """
    address, gone = email.strip().lower(), ContactLeft(email="", marketing_consent=False)
    with unit_of_work("cart"):
        found = Cart.objects.select_for_update().filter(Q(customer_id=customer_id) | Q(email=address, email__gt=""))
        carts = list(found.order_by("pk"))
        Cart.record_all([(cart, [gone]) for cart in carts if cart.email], actor="erasure", now=now)
        ids = [cart.pk for cart in carts]
        blank_emails(ids, address=address)
        contacts = [digest_of(f"email:{address}"), digest_of(f"customer:{customer_id}")]
        Reminder.objects.filter(contact__in=contacts).delete()
    return len(ids)
