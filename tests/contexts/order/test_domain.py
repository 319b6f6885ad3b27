from decimal import Decimal

import pytest

from contexts.order.domain import (
    TRANSITIONS,
    IllegalTransition,
    Method,
    PayerTaxIdInvalid,
    PayerTaxIdRequired,
    PaymentIntent,
    PaymentsMismatch,
    Status,
    Totals,
    check_payer,
    check_transition,
    is_tax_id,
    normalized_tax_id,
    settle_amounts,
)
from ecommerce.money import Money

ALLOWED = [
    ("pending", "awaiting_payment"), ("pending", "confirmed"), ("pending", "failed"), ("pending", "cancelled"),
    ("awaiting_payment", "confirmed"), ("awaiting_payment", "cancelled"),
    ("confirmed", "partially_shipped"), ("confirmed", "shipped"), ("confirmed", "cancelled"),
    ("partially_shipped", "partially_shipped"), ("partially_shipped", "shipped"), ("shipped", "delivered"),
]  # fmt: skip


def brl(amount: str) -> Money:
    return Money(Decimal(amount))


def pays(amount: str | None = None, method: Method = Method.CARD, **values) -> PaymentIntent:
    return PaymentIntent(method=method, amount=None if amount is None else brl(amount), **values)


@pytest.mark.parametrize("old", Status)
@pytest.mark.parametrize("new", Status)
def test_the_states_of_an_order(old, new):
    if (old, new) in ALLOWED:
        check_transition(old, new)
    else:
        with pytest.raises(IllegalTransition) as refused:
            check_transition(old, new)
        assert refused.value.params == {"status": old.value}


def test_every_state_can_be_reached_and_what_ends_stays():
    reached = {new for states in TRANSITIONS.values() for new in states}
    assert reached | {Status.PENDING} == set(Status)
    assert {old for old, new in TRANSITIONS.items() if not new} == {
        Status.DELIVERED, Status.CANCELLED, Status.FAILED,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("intents", "amounts"),
    [
        ([pays()], ["60.00"]),
        ([pays("60.00")], ["60.00"]),
        ([pays("20.00"), pays("40.00")], ["20.00", "40.00"]),
        ([pays("0.01"), pays("59.98"), pays("0.01")], ["0.01", "59.98", "0.01"]),
    ],
)
def test_payments_that_add_up(intents, amounts):
    assert settle_amounts(intents, brl("60.00")) == [brl(amount) for amount in amounts]


@pytest.mark.parametrize(
    "intents",
    [
        [],
        [pays("59.99")],
        [pays("60.01")],
        [pays("60.00"), pays()],
        [pays("60.00"), pays("0.00")],
        [pays("61.00"), pays("-1.00")],
        [PaymentIntent(method=Method.CARD, amount=Money(Decimal("60.00"), "USD"))],
        [pays("20.00"), PaymentIntent(method=Method.CARD, amount=Money(Decimal("40.00"), "USD"))],
    ],
)
def test_payments_that_do_not_add_up(intents):
    with pytest.raises(PaymentsMismatch) as refused:
        settle_amounts(intents, brl("60.00"))
    assert refused.value.params == {"total": brl("60.00")}


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("39053344705", True),
        ("11144477735", True),
        ("11144477745", False),
        ("11144477736", False),
        ("11111111111", False),
        ("1114447773", False),
        ("1114447773५", False),
        ("11222333000181", True),
        ("11222333000182", False),
        ("11222333000191", False),
        ("00000000000000", False),
        ("12ABC34501DE35", True),
        ("12ABC34501DE36", False),
        ("12ABC34501DE3A", False),
        ("12abc34501de35", False),
        ("", False),
    ],
)
def test_cpf_and_cnpj(text, valid):
    assert is_tax_id(text) is valid


def test_punctuation_does_not_count():
    assert normalized_tax_id(" 12.abc.345/01de-35") == "12ABC34501DE35"


def test_only_a_boleto_demands_a_tax_id_and_none_may_be_wrong():
    check_payer([pays(), pays(method=Method.PIX)], "")
    check_payer([pays(method=Method.BOLETO)], "39053344705")
    with pytest.raises(PayerTaxIdRequired):
        check_payer([pays(), pays(method=Method.BOLETO)], "")
    with pytest.raises(PayerTaxIdInvalid):
        check_payer([pays()], "39053344706")


def test_what_is_due():
    assert Totals(items=brl("100.00"), shipping=brl("15.90"), discount=brl("25.90")).due == brl("90.00")
