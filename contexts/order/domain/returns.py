"""Giving pieces back after they arrived: why, until when, and what becomes of it. Pure.

The right of withdrawal: whoever bought at a distance may send back what arrived within seven days, without a reason,
and gets back all that was paid, the freight included (Código de Defesa do Consumidor, Lei 8.078/1990, art. 49). The day
of arrival does not count, and a term that ends on a holiday is over with the next working day (Código Civil, art. 132).
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum

from contexts.order.domain.banking_days import day_of, on_or_after
from ecommerce.errors import Conflict

WITHDRAWAL = timedelta(days=7)


class Reason(StrEnum):
    WITHDRAWAL = "withdrawal"
    """The buyer thought better of it; needs no other reason."""
    DEFECT = "defect"
    DAMAGED = "damaged"
    WRONG_ITEM = "wrong_item"
    OTHER = "other"


REASON_LABELS = {
    Reason.WITHDRAWAL: "arrependimento",
    Reason.DEFECT: "defeito",
    Reason.DAMAGED: "chegou danificado",
    Reason.WRONG_ITEM: "item errado",
    Reason.OTHER: "outro motivo",
}


class ReturnStatus(StrEnum):
    REQUESTED = "requested"
    APPROVED = "approved"
    """The buyer may send the pieces."""
    REFUSED = "refused"
    RECEIVED = "received"
    """The pieces are here."""
    REFUNDED = "refunded"
    CLOSED = "closed"
    """Nothing had been paid for the pieces, so nothing goes back."""


RETURN_LABELS = {
    ReturnStatus.REQUESTED: "pedida",
    ReturnStatus.APPROVED: "aceita",
    ReturnStatus.REFUSED: "recusada",
    ReturnStatus.RECEIVED: "recebida",
    ReturnStatus.REFUNDED: "paga",
    ReturnStatus.CLOSED: "encerrada",
}
ENDS = frozenset({ReturnStatus.REFUSED, ReturnStatus.REFUNDED, ReturnStatus.CLOSED})
TRANSITIONS: dict[ReturnStatus, frozenset[ReturnStatus]] = {
    ReturnStatus.REQUESTED: frozenset({ReturnStatus.APPROVED, *ENDS}),
    ReturnStatus.APPROVED: frozenset({ReturnStatus.APPROVED, ReturnStatus.RECEIVED, *ENDS}),
    ReturnStatus.RECEIVED: ENDS,
    **dict.fromkeys(ENDS, frozenset()),
}
"""Whoever waives the pieces refunds at once. What is approved, as a withdrawal is from the beginning, may be approved
again with an answer: how to send the pieces."""


class IllegalReturn(Conflict):
    """The state of the return does not allow this; ``status`` is what it is."""

    code = "illegal_return"


class WithdrawalTooLate(Conflict):
    """The seven days are over; ``until`` was the last day. There may be another reason to return the pieces."""

    code = "withdrawal_too_late"


def check_return(old: ReturnStatus, new: ReturnStatus) -> None:
    """Check a change of state against the declared machine.

    Raises:
        IllegalReturn
    """
    if new not in TRANSITIONS[old]:
        raise IllegalReturn("A situação da devolução não permite isso.", status=old.value)


def first_status(reason: Reason) -> ReturnStatus:
    """Return the state in which a return begins: a withdrawal asks nobody."""
    return ReturnStatus.APPROVED if reason == Reason.WITHDRAWAL else ReturnStatus.REQUESTED


def gives_freight_back(reason: Reason) -> bool:
    """Tell whether the freight of the pieces goes back, too: by law, or because it is the shop's fault."""
    return reason != Reason.OTHER


def withdrawal_until(delivered_at: datetime) -> date:
    """Return the last day, in Brasília, on which one may withdraw from what arrived completely at ``delivered_at``."""
    return on_or_after(day_of(delivered_at) + WITHDRAWAL)


def check_withdrawal(delivered_at: datetime | None, *, now: datetime) -> None:
    """Check that one may still withdraw from an order. As long as not all of it is there, the time has not begun.

    Raises:
        WithdrawalTooLate
    """
    if delivered_at is not None and day_of(now) > (last := withdrawal_until(delivered_at)):
        raise WithdrawalTooLate("O prazo de sete dias para desistir da compra acabou.", until=last.isoformat())
