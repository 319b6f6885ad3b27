"""What identity knows, read in one statement each."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

from allauth.account.models import EmailAddress

from contexts.identity.models import Address, SavedCard, Session, User

ADDRESS_COLUMNS = (
    "id", "label", "recipient", "cep", "street", "number", "complement", "district", "city", "state", "ibge_code",
    "country", "is_default", "created_at",
)  # fmt: skip
CARD_COLUMNS = ("id", "brand", "last4", "expiry_month", "expiry_year", "is_default", "created_at")

Row = dict[str, Any]


def profile(user_id: UUID) -> Row | None:
    """Return a customer's own profile, or None if the account is gone or closed."""
    row: Row | None = (
        User.objects.filter(pk=user_id, is_active=True)
        .with_email_verified()
        .values(
            "id",
            "email",
            "email_verified",
            "full_name",
            "phone",
            "locale",
            "tax_id",
            "newsletter_since",
            "marketing_since",
            "created_at",
        )  # fmt: skip
        .first()
    )
    if row:
        row["newsletter"] = row.pop("newsletter_since") is not None
        row["marketing"] = row.pop("marketing_since") is not None
    return row


def addresses(user_id: UUID) -> list[Row]:
    """Return a customer's addresses (at most 50), the default first, then the newest."""
    return list(Address.objects.filter(user=user_id).order_by("-is_default", "-created_at").values(*ADDRESS_COLUMNS))


def address(user_id: UUID, address_id: UUID) -> Row | None:
    row: Row | None = Address.objects.filter(user=user_id, pk=address_id).values(*ADDRESS_COLUMNS).first()
    return row


def cards(user_id: UUID) -> list[Row]:
    """Return a customer's saved cards (at most 20) without their tokens, the default first, then the newest."""
    return list(SavedCard.objects.filter(user=user_id).order_by("-is_default", "-created_at").values(*CARD_COLUMNS))


def card(user_id: UUID, card_id: UUID) -> Row | None:
    """Return one saved card as ``cards`` does."""
    row: Row | None = SavedCard.objects.filter(user=user_id, pk=card_id).values(*CARD_COLUMNS).first()
    return row


def sessions(user_id: UUID, *, now: datetime) -> Iterable[Mapping[str, Any]]:
    """Return the newest 100 open sessions of an account. ``session_key`` is a secret: take it off before answering."""
    rows = Session.objects.filter(user=user_id, expire_date__gt=now).order_by("-created_at")
    return rows.values("id", "ip", "user_agent", "created_at", "expire_date", "session_key")[:100]


def customers(ids: Sequence[UUID]) -> Iterable[User]:
    """Return accounts with ``email_verified``, those that are closed left out."""
    found: Iterable[User] = User.objects.filter(pk__in=ids, is_active=True).with_email_verified()
    return found


def saved_cards(user_id: UUID, card_ids: Sequence[UUID]) -> Iterable[SavedCard]:
    """Return those of a customer's saved cards with their tokens, for the gateway."""
    return SavedCard.objects.filter(user=user_id, pk__in=card_ids)


def is_email_verified(user: User) -> bool:
    """Tell whether an account has confirmed its e-mail; asked once per instance."""
    if not hasattr(user, "email_verified"):
        known = getattr(user, "_emailaddress_cache", None)  # allauth's, filled at signup
        if known is None:
            known = EmailAddress.objects.filter(user=user, email=user.email)
        user.email_verified = any(address.verified for address in known if address.email == user.email)
    return bool(user.email_verified)


def display_name(user: User) -> str:
    """Return what to call somebody in a mail; named by ``ACCOUNT_USER_DISPLAY``."""
    return user.full_name or user.email


def scopes(user: User) -> list[str]:
    """Return what an account may do in the back office: Django permissions, ``*`` for everything."""
    if not user.is_active or not user.is_staff:
        return []
    return ["*"] if user.is_superuser else sorted(user.get_all_permissions())
