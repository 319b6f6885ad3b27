"""Any rounding of discount and freight over lines and pieces adds up, in any sequence of refunds."""

from __future__ import annotations

from decimal import Decimal
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from contexts.order.domain.money_flow import (
    Balance,
    NothingToRefund,
    Portion,
    RefundableLine,
    RefundTooLarge,
    WorthNothing,
    price_refund,
    share_out,
)
from ecommerce.money import Money, total

CENTS = st.integers(min_value=0, max_value=500_000).map(lambda cents: Money(Decimal(cents) / 100))


def brl(amount: str) -> Money:
    return Money(Decimal(amount))


def line(number: int, quantity: int, paid: Money, refunded: int = 0) -> RefundableLine:
    return RefundableLine(id=UUID(int=number), quantity=quantity, total=paid, refunded=refunded)


@given(st.lists(st.tuples(st.integers(1, 12), CENTS), min_size=1, max_size=6), CENTS, st.randoms())
def test_every_sequence_of_refunds_gives_back_all_that_was_paid(bought, freight, chance):
    left = {number: quantity for number, (quantity, _) in enumerate(bought)}
    paid = freight + total(amount for _, amount in bought)
    given_back = total([])
    while any(left.values()):
        chosen = [number for number, pieces in left.items() if pieces and chance.random() < 0.7]
        wanted = {UUID(int=number): chance.randint(1, left[number]) for number in chosen}
        lines = [
            line(number, quantity, amount, quantity - left[number]) for number, (quantity, amount) in enumerate(bought)
        ]
        try:
            priced = price_refund(lines, freight, wanted, with_freight=True)
        except NothingToRefund:
            assert not wanted or worthless(lines, freight, wanted)
            priced = []
        for one in priced:
            assert one.amount.amount >= 0 <= one.freight.amount
            given_back += one.amount + one.freight
        for number in chosen:
            left[number] -= wanted[UUID(int=number)]
        assert given_back <= paid
    assert given_back == paid


def worthless(lines, freight, wanted):
    """Tell whether these pieces have not a cent: giving them back one with everything left would change nothing."""
    rest = {one.id: one.quantity - one.refunded for one in lines if one.quantity > one.refunded}
    for each in wanted:
        rest[each] -= wanted[each]
    after = [line(one.id.int, one.quantity, one.total, one.quantity - rest.get(one.id, 0)) for one in lines]
    everything = {one.id: one.quantity - one.refunded for one in lines if one.quantity > one.refunded}

    def worth(lines, wanted):
        wanted = {each: count for each, count in wanted.items() if count}
        try:
            return total(one.amount + one.freight for one in price_refund(lines, freight, wanted, with_freight=True))
        except NothingToRefund:
            return total([])

    return worth(lines, everything) == worth(after, rest)


def test_the_pieces_of_a_line_differ_by_a_cent_and_the_first_ones_are_dearer():
    lines = [line(1, 3, brl("10.00")), line(2, 1, brl("0.00"))]
    [first] = price_refund(lines, brl("5.00"), {UUID(int=1): 1}, with_freight=True)
    assert (first.amount, first.freight) == (brl("3.34"), brl("1.67"))
    [rest] = price_refund([line(1, 3, brl("10.00"), 1), lines[1]], brl("5.00"), {UUID(int=1): 2}, with_freight=True)
    assert (rest.amount, rest.freight) == (brl("6.66"), brl("3.33"))


def test_freight_may_be_kept():
    [one] = price_refund([line(1, 1, brl("10.00"))], brl("5.00"), {UUID(int=1): 1}, with_freight=False)
    assert (one.amount, one.freight) == (brl("10.00"), brl("0.00"))


@pytest.mark.parametrize("pieces", [{}, {1: 0}, {1: 3}, {1: -1}, {9: 1}, {2: 1}])
def test_what_is_not_there_or_worth_nothing_is_not_given_back(pieces):
    lines = [line(1, 3, brl("10.00"), refunded=1), line(2, 1, brl("0.00"))]
    with pytest.raises(NothingToRefund) as refused:
        price_refund(lines, brl("0.00"), {UUID(int=number): n for number, n in pieces.items()}, with_freight=True)
    assert refused.value.params["lines"] == {str(UUID(int=1)): 2, str(UUID(int=2)): 1}
    assert isinstance(refused.value, WorthNothing) == (pieces == {2: 1})


def test_what_costs_nothing_now_costs_nothing_later():
    for refunded in (1, 2):
        with pytest.raises(WorthNothing):
            price_refund(
                [line(1, 3, brl("0.01"), refunded)], brl("0.01"), {UUID(int=1): 3 - refunded}, with_freight=True
            )


@given(st.lists(CENTS, min_size=1, max_size=5), CENTS)
def test_payments_give_what_they_have_the_last_one_first(left, amount):
    known = [(UUID(int=number), Portion(part=money)) for number, money in enumerate(left)]
    if amount > total(left):
        with pytest.raises(RefundTooLarge) as refused:
            share_out(amount, known)
        assert refused.value.params["refundable"] == total(left)
        return
    shares = share_out(amount, known)
    assert total(share.whole for _, share in shares) == amount
    assert all(brl("0.00") < share.part <= left[payment.int] for payment, share in shares)
    emptied = [payment.int for payment, _ in shares]
    assert emptied == sorted(emptied, reverse=True)
    assert all(left[number] == share.part for (_, share), number in zip(shares[:-1], emptied[:-1], strict=True))


# --- interest --------------------------------------------------------------------------------------------------------
PORTIONS = st.builds(lambda part, interest: Portion(part=part, interest=interest), CENTS, CENTS)
TEN_TIMES = Portion(part=brl("110.00"), interest=brl("12.40"))


def test_interest_goes_with_its_part():
    assert TEN_TIMES.paying(brl("55.00")) == Portion(part=brl("55.00"), interest=brl("6.20"))
    assert TEN_TIMES.paying(brl("0.01")).interest == brl("0.01")
    assert TEN_TIMES.out_of(brl("61.20")) == Portion(part=brl("55.00"), interest=brl("6.20"))
    assert TEN_TIMES.out_of(brl("0.01")) == Portion(interest=brl("0.01"))
    assert TEN_TIMES.out_of(brl("122.39")).part == brl("109.99")


def test_what_is_beyond_a_portion_bears_no_interest():
    assert TEN_TIMES.out_of(brl("130.00")) == Portion(part=brl("117.60"), interest=brl("12.40"))
    assert TEN_TIMES.paying(brl("117.60")).whole == brl("130.00")


@given(PORTIONS, CENTS)
def test_what_pays_a_part_is_told_to_pay_that_part(portion, part):
    paying = portion.paying(part)
    assert paying.part == part
    assert brl("0.00") <= paying.interest <= portion.interest
    if part:
        assert portion.out_of(paying.whole).part == part


@given(PORTIONS, st.lists(CENTS, max_size=6), st.booleans())
def test_however_a_portion_is_divided_it_adds_up(portion, pieces, by_hand):
    left, gone = portion, Portion()
    for piece in pieces:
        if piece > (left.whole if by_hand else left.part):
            continue
        taken = left.out_of(piece) if by_hand else left.paying(piece)
        assert (taken.whole if by_hand else taken.part) == piece
        left, gone = left - taken, gone + taken
        assert left.part >= brl("0.00")
        assert left.interest >= brl("0.00")
    assert gone + left.paying(left.part) == portion


@given(PORTIONS, CENTS, CENTS)
def test_more_money_is_never_less_of_anything(portion, some, more):
    less, all_ = portion.out_of(some), portion.out_of(some + more)
    assert less.part <= all_.part
    assert less.interest <= all_.interest


def test_a_balance_tells_what_of_the_order_is_paid():
    balance = Balance(captured=brl("122.40"), refunded=brl("61.20"), price=TEN_TIMES)
    assert (balance.paid, balance.secured) == (TEN_TIMES, brl("55.00"))
    assert Balance(authorized=brl("122.40"), price=TEN_TIMES).secured == brl("110.00")
    assert Balance(captured=brl("122.39"), price=TEN_TIMES).secured < brl("110.00")


def test_what_was_given_back_by_hand_is_not_left():
    balance = Balance(captured=brl("122.40"), refunded=brl("61.20"), price=TEN_TIMES)
    half = Portion(part=brl("55.00"), interest=brl("6.20"))
    assert balance.left(Portion()) == balance.left(half) == half
    assert balance.left(TEN_TIMES) == Portion()


def test_a_balance_tells_what_is_there():
    one = Balance(authorized=brl("5.00"), captured=brl("10.00"), refunded=brl("3.00"))
    assert (one.kept, one.secured) == (brl("7.00"), brl("12.00"))
