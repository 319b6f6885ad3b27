"""The arithmetic of an order's money: what its ledger comes to, what a part of it is worth, where it goes back to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from uuid import UUID

from ecommerce.errors import Invalid
from ecommerce.money import Money, quantum, total

NOTHING = Money(Decimal(0))


class NothingToRefund(Invalid):
    """A line is not part of the order, or fewer pieces of it are left; ``lines`` maps line ids to those."""

    code = "nothing_to_refund"


class WorthNothing(NothingToRefund):
    """The pieces are left, but nothing was paid for them. That stays so: the odd cents of a line go back first."""


class RefundTooLarge(Invalid):
    """More than the order's payments have left; ``refundable`` is what they have, without interest."""

    code = "refund_too_large"


@dataclass(frozen=True, kw_only=True)
class Portion:
    """Money of one payment: ``part`` is of the order, ``interest`` is what the buyer pays with it for paying later.

    A portion divides in proportion. Fractions of a cent count as interest, and the last money of a portion has the
    rest of both: however it is divided, it adds up, and only all of the money pays all of the part.
    """

    part: Money = NOTHING
    interest: Money = NOTHING

    @property
    def whole(self) -> Money:
        return self.part + self.interest

    def paying(self, part: Money) -> Portion:
        """Return the money of this that pays ``part`` of the order; what is beyond bears no more interest."""
        if part >= self.part:
            return Portion(part=part, interest=self.interest)
        share = self.interest.amount * part.amount / self.part.amount
        return Portion(part=part, interest=_in_cents(share, part.currency, ROUND_CEILING))

    def out_of(self, money: Money) -> Portion:
        """Return what ``money`` of this is made of; what is beyond it is no interest."""
        if money >= self.whole:
            return Portion(part=money - self.interest, interest=self.interest)
        part = _in_cents(self.part.amount * money.amount / self.whole.amount, money.currency, ROUND_FLOOR)
        return Portion(part=part, interest=money - part)

    def __add__(self, other: Portion) -> Portion:
        return Portion(part=self.part + other.part, interest=self.interest + other.interest)

    def __sub__(self, other: Portion) -> Portion:
        return Portion(part=self.part - other.part, interest=self.interest - other.interest)


@dataclass(frozen=True, kw_only=True)
class Balance:
    """What the ledger of one payment comes to."""

    authorized: Money = NOTHING
    """Held at the bank now: neither captured nor let go."""
    captured: Money = NOTHING
    refunded: Money = NOTHING
    price: Portion = Portion()
    """What the whole payment is for."""

    @property
    def paid(self) -> Portion:
        """What has come in, whether or not it went back."""
        return self.price.out_of(self.captured)

    @property
    def kept(self) -> Money:
        return self.captured - self.refunded

    @property
    def has_money(self) -> bool:
        """Whether anything of the buyer's is with us, or held for us."""
        return bool(self.kept or self.authorized)

    @property
    def secured(self) -> Money:
        """What of the order is paid by what we have, or can take whenever we want."""
        return self.price.out_of(self.kept + self.authorized).part

    @property
    def covered(self) -> Money:
        """What of the order was ever paid by it, or can be: what went back since had been paid."""
        return self.price.out_of(self.captured + self.authorized).part

    def left(self, asked: Portion) -> Portion:
        """Return what has come in and not gone back, where ``asked`` was asked back: by that, or otherwise."""
        left = self.paid - asked
        otherwise = self.refunded - asked.whole
        return left - left.out_of(otherwise) if otherwise > NOTHING else left


@dataclass(frozen=True, kw_only=True)
class RefundableLine:
    """A line of an order: ``total`` is what was paid for its pieces, ``refunded`` how many of them were given back.

    ``spoken_for`` is how many others are on their way back, for somebody else's refund.
    """

    id: UUID
    quantity: int
    total: Money
    refunded: int
    spoken_for: int = 0


@dataclass(frozen=True, kw_only=True)
class PricedReturn:
    """Pieces of a line and what they are worth; ``freight`` is their share of the freight."""

    line_id: UUID
    quantity: int
    amount: Money
    freight: Money


def price_refund(
    lines: Sequence[RefundableLine], freight: Money, pieces: Mapping[UUID, int], *, with_freight: bool
) -> list[PricedReturn]:
    """Return what ``pieces`` (by line id) are worth, in the order of ``lines``.

    The freight belongs to the lines in proportion to what was paid for them, and what belongs to a line to its pieces,
    each with its own cents. So every sequence of refunds adds up: whoever gives back the last piece gives the rest.

    Raises:
        NothingToRefund, WorthNothing
    """
    left = {line.id: line.quantity - line.refunded - line.spoken_for for line in lines}
    if not pieces or any(not 0 < count <= left.get(line, 0) for line, count in pieces.items()):
        raise NothingToRefund("Não há o que devolver dessas peças.", lines=_by_line(left))
    shares = freight.allocate([line.total.amount for line in lines])
    priced = [
        PricedReturn(
            line_id=line.id,
            quantity=pieces[line.id],
            amount=_worth(line.total, line, pieces[line.id]),
            freight=_worth(share, line, pieces[line.id]) if with_freight else freight - freight,
        )
        for line, share in zip(lines, shares, strict=True)
        if line.id in pieces
    ]
    if not any(one.amount or one.freight for one in priced):
        raise WorthNothing("Nada foi pago por essas peças.", lines=_by_line(left))
    return priced


def share_out(amount: Money, left: Sequence[tuple[UUID, Portion]]) -> list[tuple[UUID, Portion]]:
    """Return which payments give back how much of ``amount``; ``left`` is what each has, in the order of payment.

    The last payment gives first: a voucher is the last to be filled up again. Interest goes back in proportion, on top.

    Raises:
        RefundTooLarge
    """
    shares, missing = [], amount
    for payment, available in reversed(left):
        part = min(available.part, missing)
        if part.amount > 0:
            shares.append((payment, available.paying(part)))
            missing -= part
    if missing:
        refundable = total((available.part for _, available in left), amount.currency)
        raise RefundTooLarge("É mais do que os pagamentos deste pedido ainda têm.", refundable=refundable)
    return shares


def _in_cents(amount: Decimal, currency: str, rounding: str) -> Money:
    return Money(amount.quantize(quantum(currency), rounding), currency)


def _worth(whole: Money, line: RefundableLine, count: int) -> Money:
    """Return what the next ``count`` pieces of a line have of ``whole``."""
    pieces = whole.allocate([1] * line.quantity)
    return total(pieces[line.refunded : line.refunded + count], whole.currency)


def _by_line(left: Mapping[UUID, int]) -> dict[str, int]:
    return {str(line): count for line, count in left.items()}
