import hmac
from typing import Any

import pytest

from contexts.cart.domain.access import Caller, digest_of
from contexts.cart.domain.state import CartState
from ecommerce.ids import new_id
from tests.contexts.cart.factories import NOON

ANA, BIA = new_id(), new_id()


def cart(**attributes: Any) -> CartState:
    return CartState(id=new_id(), currency="BRL", created_at=NOON, last_activity_at=NOON, **attributes)


@pytest.mark.parametrize(
    ("owner", "caller", "allowed"),
    [
        (None, Caller(token="right"), True),
        (None, Caller(token="link"), True),
        (None, Caller(token="wrong"), False),
        (None, Caller(), False),
        (None, Caller(customer_id=ANA, token="right"), True),
        (None, Caller(customer_id=ANA), False),
        (ANA, Caller(customer_id=ANA), True),
        (ANA, Caller(customer_id=ANA, token="wrong"), True),
        (ANA, Caller(customer_id=BIA), False),
        (ANA, Caller(customer_id=BIA, token="right"), False),
        (ANA, Caller(token="right"), True),
        (ANA, Caller(token="wrong"), False),
    ],
)
def test_a_cart_opens_to_its_customer_and_to_a_guest_with_a_token(owner, caller, allowed):
    state = cart(customer_id=owner, token_hash=digest_of("right"), recovery_token_hash=digest_of("link"))
    assert caller.may_use(state) is allowed


def test_a_void_token_opens_nothing():
    assert not Caller(token="").may_use(cart(token_hash="", recovery_token_hash=""))


def test_tokens_are_compared_by_digest_in_constant_time(monkeypatch):
    compared = []
    real = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", lambda a, b: compared.append((a, b)) or real(a, b))
    state = cart(token_hash=digest_of("right"), recovery_token_hash=digest_of("link"))
    for token in ("right", "link", "wrong"):
        compared.clear()
        Caller(token=token).may_use(state)
        assert compared == [(digest_of(token), state.token_hash), (digest_of(token), state.recovery_token_hash)]
