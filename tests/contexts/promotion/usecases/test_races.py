"""Limits under real parallel checkouts: threads, connections and commits of their own."""

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from decimal import Decimal
from threading import Barrier
from typing import Any

import pytest
from django.db import connections

from contexts.promotion.domain import customer_keys
from contexts.promotion.interface import CouponRefused, RedemptionClosed
from contexts.promotion.models import Campaign, Coupon, CouponCustomerUse, Redemption
from contexts.promotion.usecases import redeem as redeem_module
from contexts.promotion.usecases.quote import quote_basket
from contexts.promotion.usecases.redeem import redeem
from contexts.promotion.usecases.settle import confirm, release
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.unit_of_work import UnitOfWork, unit_of_work
from tests.contexts.promotion.factories import NOW, CampaignFactory, CouponFactory, DiscountFactory, basket, brl

pytestmark = pytest.mark.django_db(transaction=True, databases=["promotion"])


def in_parallel(actions: Sequence[Callable[[], Any]]) -> Counter[str]:
    """Run all ``actions`` at once, each in a thread of its own, and count how they ended: "done" or a reason."""
    start = Barrier(len(actions))

    def run(action: Callable[[], Any]) -> str:
        try:
            start.wait(timeout=60)
            action()
        except CouponRefused as refused:
            return str(refused.params["reason"])
        except RedemptionClosed:
            return "closed"
        finally:
            connections["promotion"].close()
        return "done"

    with ThreadPoolExecutor(len(actions)) as threads:
        return Counter(threads.map(run, actions))


@pytest.fixture
def all_quoted_first(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Let nobody reserve before that many have been quoted, so that every one of them believes in a free use."""

    def arrange(number: int) -> None:
        quoted = Barrier(number)

        def wait_for_all(context: str) -> AbstractContextManager[UnitOfWork]:
            connections["promotion"].close()
            quoted.wait(timeout=60)
            return unit_of_work(context)

        monkeypatch.setattr(redeem_module, "unit_of_work", wait_for_all)

    return arrange


def redemption(expected: Money, **values: Any) -> Callable[[], None]:
    redemption_id = values.pop("redemption_id", None) or new_id()
    bought = basket(**values)
    return lambda: redeem(redemption_id=redemption_id, basket=bought, expected_discount=expected, now=NOW)


@pytest.mark.parametrize("blind", [False, True])
def test_100_checkouts_at_coupon_limit_10_are_exactly_10(blind: bool, all_quoted_first: Callable[[int], None]) -> None:
    if blind:
        all_quoted_first(100)
    coupon = CouponFactory(usage_limit=10, per_customer_limit=1, discount__campaign__budget=Decimal(5000))
    ends = in_parallel([redemption(brl("10.00"), coupon_code=coupon.code, email=f"{n}@x.org") for n in range(100)])
    assert ends == {"done": 10, "exhausted": 90}
    coupon.refresh_from_db()
    campaign = Campaign.objects.get()
    assert coupon.usage_count == 10
    assert (campaign.usage_count, campaign.budget_used) == (10, Decimal("100.00"))
    assert Redemption.objects.count() == CouponCustomerUse.objects.count() == 10


def test_one_customer_in_parallel_stays_within_the_limit(all_quoted_first: Callable[[int], None]) -> None:
    all_quoted_first(24)
    coupon = CouponFactory(per_customer_limit=2)
    customer_id = new_id()
    buyers: list[dict[str, Any]] = [
        {"customer_id": customer_id, "email": "ana@example.com"},
        {"customer_id": new_id(), "email": "Ana@example.com"},
        {"email": "ana@example.com "},
    ]
    ends = in_parallel(
        [redemption(brl("10.00"), coupon_code=coupon.code, **buyers[n % len(buyers)]) for n in range(24)]
    )
    assert ends == {"done": 2, "customer_limit": 22}
    key = customer_keys(customer_id=None, email="ana@example.com")[0]
    assert CouponCustomerUse.objects.get(customer_key=key).uses == 2
    coupon.refresh_from_db()
    assert coupon.usage_count == Redemption.objects.count() == 2


def test_a_budget_is_never_exceeded(all_quoted_first: Callable[[int], None]) -> None:
    all_quoted_first(24)
    campaign = CampaignFactory(budget=Decimal("55.00"))
    DiscountFactory(campaign=campaign)
    ends = in_parallel([redemption(brl("10.00")) for _ in range(24)])
    assert ends == {"done": 5, "budget": 19}
    campaign.refresh_from_db()
    assert (campaign.usage_count, campaign.budget_used) == (5, Decimal("50.00"))


def test_baskets_with_the_same_campaigns_never_lock_each_other_out() -> None:
    for percent in (1, 2, 3, 4):
        DiscountFactory(campaign__usage_limit=1000, percent=Decimal(percent))
    coupons = CouponFactory.create_batch(3, discount__campaign__usage_limit=1000, usage_limit=1000)
    ids = [new_id() for _ in range(24)]
    bought = basket(coupon_code=coupons[0].code, email="ana@example.com")
    total = quote_basket(basket=bought, now=NOW).total_discount
    redemptions = [
        redemption(total, redemption_id=id_, coupon_code=coupons[n % 3].code, email="ana@example.com")
        for n, id_ in enumerate(ids)
    ]
    assert in_parallel(redemptions) == {"done": 24}
    releases = [lambda id_=id_: release(redemption_id=id_, now=NOW) for id_ in ids]  # type: ignore[misc]
    more = [redemption(total, coupon_code=coupons[n % 3].code, email="ana@example.com") for n in range(24)]
    assert in_parallel([*releases, *more]) == {"done": 48}
    assert set(Campaign.objects.values_list("usage_count", flat=True)) == {8, 24}
    assert sum(Coupon.objects.values_list("usage_count", flat=True)) == 24


def test_one_redemption_asked_for_many_times_takes_one_use(all_quoted_first: Callable[[int], None]) -> None:
    all_quoted_first(20)
    coupon = CouponFactory(usage_limit=10)
    redemption_id = new_id()
    actions = [redemption(brl("10.00"), redemption_id=redemption_id, coupon_code=coupon.code) for _ in range(20)]
    assert in_parallel(actions) == {"done": 20}
    coupon.refresh_from_db()
    assert coupon.usage_count == 1


def test_redeem_against_release_never_leaves_a_use_behind() -> None:
    coupon = CouponFactory(usage_limit=1000)
    ids = [new_id() for _ in range(20)]
    actions: list[Callable[[], Any]] = []
    for id_ in ids:
        actions.append(redemption(brl("10.00"), redemption_id=id_, coupon_code=coupon.code))
        actions.append(lambda id_=id_: release(redemption_id=id_, now=NOW))  # type: ignore[misc]
    in_parallel(actions)
    coupon.refresh_from_db()
    assert coupon.usage_count == 0
    assert set(Redemption.objects.values_list("status", flat=True)) == {"released"}


def test_parallel_confirmations_and_releases_of_one_order_count_once() -> None:
    coupon = CouponFactory(usage_limit=10)
    redemption_id = new_id()
    redemption(brl("10.00"), redemption_id=redemption_id, coupon_code=coupon.code)()
    actions: list[Callable[[], Any]] = []
    for _ in range(8):
        actions.append(lambda: confirm(redemption_id=redemption_id, customer_id=None, now=NOW))
        actions.append(lambda: release(redemption_id=redemption_id, now=NOW))
    in_parallel(actions)
    coupon.refresh_from_db()
    assert (coupon.usage_count, coupon.confirmed_count) == (0, 0)


def test_a_first_purchase_is_one_of_many_parallel_orders(all_quoted_first: Callable[[int], None]) -> None:
    DiscountFactory(first_purchase_only=True)
    buyer: dict[str, Any] = {"customer_id": new_id(), "email": "ana@example.com"}
    expected = quote_basket(basket=basket(**buyer), now=NOW).total_discount
    all_quoted_first(6)
    ended = in_parallel([redemption(expected, **buyer) for _ in range(6)])
    assert ended == {"done": 1, "first_purchase_only": 5}
    assert Redemption.objects.count() == 1


def test_one_customer_by_two_addresses_buys_for_the_first_time_once(all_quoted_first: Callable[[int], None]) -> None:
    DiscountFactory(first_purchase_only=True)
    customer = new_id()
    expected = quote_basket(basket=basket(customer_id=customer), now=NOW).total_discount
    all_quoted_first(2)
    buyers = [{"customer_id": customer, "email": f"{name}@example.com"} for name in ("ana", "bia")]
    ended = in_parallel([redemption(expected, **buyer) for buyer in buyers])
    assert ended == {"done": 1, "first_purchase_only": 1}
