"""A customer's saved cards, by the payment gateway's tokens."""

from datetime import datetime
from typing import Any
from uuid import UUID

from django.db import IntegrityError

from contexts.identity.interface import SavedCardNotFound
from contexts.identity.models import SavedCard, make_default, pass_default_on
from contexts.identity.usecases.accounts import lock_user
from ecommerce.cards import holds_card_number
from ecommerce.clock import BRASILIA
from ecommerce.errors import Conflict, Invalid
from ecommerce.unit_of_work import unit_of_work

MAXIMUM = 20
NO_NUMBERS = "Números de cartão não são aceitos: envie o token do provedor de pagamento."


class TooManyCards(Conflict):
    """``maximum`` tells how many a customer may keep."""

    code = "too_many_cards"


class CardAlreadySaved(Conflict):
    code = "card_already_saved"


class CardNumberRefused(Invalid):
    """A card number was sent; it is not stored, not logged and not echoed."""

    code = "card_number_refused"


class CardExpired(Invalid):
    code = "card_expired"


def refuse_card_numbers(value: Any) -> None:
    """Stop at a card number anywhere in ``value``, which is what a client sent, before anybody looks at it.

    Raises:
        CardNumberRefused: there is one.
    """
    if holds_card_number(value):
        raise CardNumberRefused(NO_NUMBERS)


def save_card(
    *,
    user_id: UUID,
    token: str,
    brand: str,
    last4: str,
    expiry_month: int,
    expiry_year: int,
    now: datetime,
    default: bool = False,
) -> SavedCard:
    """Keep a card that the gateway already keeps; the first one, or one saved with ``default``, becomes the default.

    Raises:
        CardNumberRefused: the token or the brand holds one.
        UserNotFound: the account is gone or closed.
        CardExpired: its last month is over, in Brasília.
        CardAlreadySaved: the customer saved this token before.
        TooManyCards: the customer keeps 20 already.
    """
    refuse_card_numbers([token, brand])
    today = now.astimezone(BRASILIA)
    if (expiry_year, expiry_month) < (today.year, today.month):
        raise CardExpired("Este cartão está vencido.")
    card = SavedCard(
        user_id=user_id, token=token, brand=brand, last4=last4, expiry_month=expiry_month, expiry_year=expiry_year
    )
    try:
        with unit_of_work("identity"):
            lock_user(user_id)
            count = SavedCard.objects.filter(user=user_id).count()
            if count >= MAXIMUM:
                raise TooManyCards("Você já guardou o máximo de cartões.", maximum=MAXIMUM)
            card.save(force_insert=True)
            if default or not count:
                make_default(card)
    except IntegrityError as error:
        if "saved_cards_no_card_number" in str(error):
            raise CardNumberRefused(NO_NUMBERS) from error
        if "saved_cards_token_once" in str(error):
            raise CardAlreadySaved("Este cartão já está salvo.") from error
        raise
    return card


def make_card_default(*, user_id: UUID, card_id: UUID) -> SavedCard:
    """Make a card the one that is offered first.

    Raises:
        SavedCardNotFound: no such card, or it is another customer's.
    """
    with unit_of_work("identity"):
        lock_user(user_id)
        card = _own(user_id, card_id)
        make_default(card)
    return card


def remove_card(*, user_id: UUID, card_id: UUID) -> None:
    """Forget a card; if it was the default, the newest of the others takes its place.

    Raises:
        SavedCardNotFound: no such card, or it is another customer's.
    """
    with unit_of_work("identity"):
        lock_user(user_id)
        card = _own(user_id, card_id)
        card.delete()
        pass_default_on(card)


def _own(user_id: UUID, card_id: UUID) -> SavedCard:
    card = SavedCard.objects.filter(user=user_id, pk=card_id).first()
    if card is None:
        raise SavedCardNotFound("Cartão não encontrado.")
    return card
