"""The audit sees each kind of breach, in evidence that was falsified."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from copy import deepcopy
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.races.audit import breaches
from tests.races.evidence import Coupon, Evidence, Order, Payment, Stock

PAID, LOST = "0001", "0002"
TWO = Decimal("20.00")
GOOD = Evidence(
    orders={
        PAID: Order(
            status="confirmed", total=TWO, coupon="DEZ", pieces=Counter(v=2), sold=Counter(v=1), restocked=Counter(v=1),
            refunded=Decimal("10.00"), refunded_interest=Decimal("0.50"), redemption="confirmed",
            confirmations=["<1@x>"],
        ),
        LOST: Order(status="failed", total=TWO, coupon="DEZ", pieces=Counter(v=2), redemption="released"),
    },
    payments={
        "a": Payment(
            order=PAID, interest=Decimal("1.00"), captured=Decimal("21.00"), refunded=Decimal("10.50"),
            captured_by_bank=Decimal("21.00"), refunded_by_bank=Decimal("10.50"), charges=1,
        ),
        "b": Payment(order=LOST),
    },
    stock={"v": Stock(on_hand=4, reserved=0, received=5, sold=1, reserved_by_ledger=0)},
    coupons={
        "DEZ": Coupon(
            limit=1, per_customer=1, used=1, confirmed=1, redemptions=1, confirmed_redemptions=1, most_by_one=1
        )
    },
    mails=Counter({"<1@x>": 1}),
)  # fmt: skip


def order(id_: str, **facts: object) -> Callable[[Evidence], None]:
    return lambda evidence: vars(evidence.orders[id_]).update(facts)


def payment(id_: str, **facts: object) -> Callable[[Evidence], None]:
    return lambda evidence: vars(evidence.payments[id_]).update(facts)


def stock(**facts: int) -> Callable[[Evidence], None]:
    return lambda evidence: vars(evidence).update(stock={"v": replace(evidence.stock["v"], **facts)})


def coupon(**facts: int) -> Callable[[Evidence], None]:
    return lambda evidence: vars(evidence).update(coupons={"DEZ": replace(evidence.coupons["DEZ"], **facts)})


def whole(**facts: object) -> Callable[[Evidence], None]:
    return lambda evidence: vars(evidence).update(facts)


FALSIFIED = {
    "a saga that has not ended": (whole(sagas=[("CREATE_ORDER", PAID, "PARKED")]), "is PARKED"),
    "a parked event": (whole(parked=1), "1 events are parked"),
    "an order without an end": (order(LOST, status="pending"), "is still pending"),
    "money without an order": (payment("b", captured=TWO, captured_by_bank=TWO), "keeps 20.00 where 0 is due"),
    "goods without money": (payment("a", refunded=Decimal("21.00")), "keeps 0.00 where 10.50 is due"),
    "an open refund": (order(PAID, refunds_open=1), "1 refunds under way"),
    "money that only the bank knows of": (payment("b", captured_by_bank=TWO), "by the bank"),
    "two charges": (payment("a", charges=2), "charged 2 times"),
    "a charge of nobody": (whole(charges_of_nobody=["c"]), "no payment of ours"),
    "pieces of an order that failed": (order(LOST, sold=Counter(v=2)), "took {'v': 2} from stock"),
    "pieces that were not booked out": (order(PAID, sold=Counter()), "took {} from stock"),
    "pieces held for ever": (order(LOST, held=Counter(v=2)), "still holds"),
    "a piece too many": (stock(on_hand=5), "5 on hand and 1 sold of 5 received"),
    "pieces reserved for nobody": (stock(reserved=1), "1 reserved, 0 by the ledger"),
    "pieces sold to nobody": (stock(sold=2, on_hand=3), "2 sold, 1 to orders"),
    "more reserved than there are": (stock(reserved=9, reserved_by_ledger=9), "9 reserved of 4"),
    "a coupon counted twice": (coupon(used=2), "counters 2/1"),
    "a coupon beyond its limit": (coupon(used=2, redemptions=2), "used 2 times, 1 allowed"),
    "a coupon used twice by one": (coupon(most_by_one=2), "used 2 times by one"),
    "a discount for nothing": (order(PAID, redemption=""), "is missing"),
    "a use that was not given back": (order(LOST, redemption="reserved"), "is reserved"),
    "no confirmation": (order(PAID, confirmations=[]), "confirmed by 0 mails"),
    "two confirmations": (order(PAID, confirmations=["<1@x>", "<2@x>"]), "confirmed by 2 mails"),
    "a confirmation of what failed": (order(LOST, confirmations=["<1@x>"]), "failed, was confirmed by 1 mails"),
    "a mail that arrived twice": (whole(mails=Counter({"<1@x>": 2})), "arrived 2 times"),
    "a mail that was never sent": (order(PAID, confirmations=[""]), "arrived 0 times"),
}


def test_good_books_are_in_order() -> None:
    assert breaches(GOOD) == []


@pytest.mark.parametrize("what", FALSIFIED)
def test_a_breach_is_seen(what: str) -> None:
    falsify, said = FALSIFIED[what]
    evidence = deepcopy(GOOD)
    falsify(evidence)
    assert any(said in breach for breach in breaches(evidence)), breaches(evidence)
