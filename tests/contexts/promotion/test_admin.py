from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils.html import strip_tags

from contexts.promotion.models import Campaign, Coupon, CouponBatch, Discount, Redemption
from ecommerce.ids import new_id
from tests.contexts.promotion.factories import (
    NOW,
    CampaignFactory,
    CouponBatchFactory,
    CouponFactory,
    DiscountFactory,
)

pytestmark = pytest.mark.django_db(databases=["promotion", "identity"])


@pytest.fixture
def staff(client: Client) -> Client:
    client.force_login(get_user_model().objects.create_superuser(email="chefe@example.com", password="x"))
    return client


def url(page: str, *args: Any) -> str:
    return reverse(f"admin:promotion_{page}", args=args)


def text_of(answer: Any) -> str:
    """Return the words of a page without its markup, short enough for pytest to compare."""
    return " ".join(strip_tags(answer.content.decode()).split())


def campaign_form(**values: Any) -> dict[str, Any]:
    return {
        "name": "Natal",
        "active": "on",
        "starts_at_0": "01/12/2030",
        "starts_at_1": "00:00",
        "priority": "0",
        "discounts-TOTAL_FORMS": "0",
        "discounts-INITIAL_FORMS": "0",
        **values,
    }


def discount_form(**values: Any) -> dict[str, Any]:
    fields = {
        "label": "Desconto",
        "kind": "percentage",
        "percent": "10",
        "minimum_subtotal": "0",
        "priority": "0",
        "stackable": "on",
        **values,
    }
    return {"discounts-TOTAL_FORMS": "1", **{f"discounts-0-{name}": value for name, value in fields.items()}}


def test_a_campaign_is_added_with_its_discounts(staff: Client) -> None:
    category = new_id()
    answer = staff.post(url("campaign_add"), campaign_form(**discount_form(category_ids=str(category))))
    assert answer.status_code == 302, answer.context["errors"]
    discount = Discount.objects.select_related("campaign").get()
    assert (discount.campaign.name, discount.percent, discount.category_ids) == ("Natal", Decimal(10), [category])


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (discount_form(kind="fixed"), "Os valores não combinam"),
        ({"ends_at_0": "30/11/2030", "ends_at_1": "00:00"}, "depois do início"),
    ],
)
def test_what_makes_no_sense_is_an_error_of_the_form(staff: Client, values: dict[str, Any], message: str) -> None:
    answer = staff.post(url("campaign_add"), campaign_form(**values))
    assert answer.status_code == 200
    assert message in text_of(answer)
    assert not Campaign.objects.exists()


def test_saving_a_campaign_never_writes_old_counters_back(staff: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = CampaignFactory(usage_limit=10, usage_count=1)
    save_changed = Campaign.save_changed

    def use_meanwhile(self: Campaign, *args: Any) -> None:
        Campaign.objects.filter(id=self.id).update(usage_count=7)
        save_changed(self, *args)

    monkeypatch.setattr(Campaign, "save_changed", use_meanwhile)
    form = campaign_form(usage_limit="20", name="Outro nome")
    assert staff.post(url("campaign_change", campaign.id), form).status_code == 302
    campaign.refresh_from_db()
    assert (campaign.name, campaign.usage_limit, campaign.usage_count, campaign.version) == ("Outro nome", 20, 7, 2)


def test_a_limit_below_what_was_used_is_an_error_of_the_form(staff: Client) -> None:
    campaign = CampaignFactory(usage_limit=10, usage_count=5)
    answer = staff.post(url("campaign_change", campaign.id), campaign_form(usage_limit="4"))
    assert "menor que os usos" in text_of(answer)
    coupon = CouponFactory(usage_limit=10, usage_count=5)
    answer = staff.post(url("coupon_change", coupon.id), {"active": "on", "usage_limit": "4"})
    assert "menor que os usos" in text_of(answer)


def test_a_coupon_is_added_in_capitals_and_changed(staff: Client) -> None:
    discount = DiscountFactory(requires_coupon=True)
    form = {"code": "natal10", "discount": str(discount.id), "active": "on"}
    assert staff.post(url("coupon_add"), form).status_code == 302
    coupon = Coupon.objects.get(code="NATAL10")
    assert staff.post(url("coupon_change", coupon.id), {"usage_limit": "3"}).status_code == 302
    coupon.refresh_from_db()
    assert (coupon.active, coupon.usage_limit, coupon.version) == (False, 3, 2)


def test_coupons_are_offered_only_for_discounts_that_require_them(staff: Client) -> None:
    automatic = DiscountFactory()
    form = {"code": "NATAL10", "discount": str(automatic.id), "active": "on"}
    assert staff.post(url("coupon_add"), form).status_code == 200
    assert not Coupon.objects.exists()


def test_adding_a_batch_generates_its_coupons(staff: Client) -> None:
    discount = DiscountFactory(requires_coupon=True)
    form = {"discount": str(discount.id), "prefix": "NATAL-", "size": "25", "usage_limit": "1"}
    assert staff.post(url("couponbatch_add"), form).status_code == 302
    batch = CouponBatch.objects.get()
    codes = list(Coupon.objects.order_by("code").values_list("code", flat=True))
    assert len(codes) == 25

    answer = staff.get(reverse("admin:promotion_couponbatch_download_codes", args=[batch.id]))
    assert answer.headers["Content-Type"].startswith("text/csv")
    assert answer.content.decode().split() == ["codigo,usos", *(f"{code},0" for code in codes)]


@pytest.mark.parametrize("page", ["campaign", "coupon", "couponbatch", "redemption"])
def test_statement_counts_of_lists_do_not_depend_on_rows(staff: Client, page: str) -> None:
    def add(number: int) -> None:
        DiscountFactory.create_batch(number)
        CouponBatchFactory.create_batch(number)
        for coupon in CouponFactory.create_batch(number):
            Redemption.objects.create(id=new_id(), coupon=coupon, status="reserved", reserved_at=NOW)
        Redemption.objects.create(id=new_id(), status="released", released_at=NOW)

    add(2)
    staff.get(url(f"{page}_changelist"))
    with CaptureQueriesContext(connections["promotion"]) as few:
        assert staff.get(url(f"{page}_changelist")).status_code == 200
    add(15)
    with CaptureQueriesContext(connections["promotion"]) as many:
        assert staff.get(url(f"{page}_changelist")).status_code == 200
    assert len(few) == len(many) <= 5


def test_redemptions_are_read_only(staff: Client) -> None:
    coupon = CouponFactory()
    redemption = Redemption.objects.create(id=new_id(), coupon=coupon, status="reserved", reserved_at=NOW)
    assert staff.get(url("redemption_change", redemption.id)).status_code == 200
    assert staff.post(url("redemption_change", redemption.id), {"status": "released"}).status_code == 403
    assert staff.get(url("redemption_add")).status_code == 403
    assert staff.post(url("redemption_delete", redemption.id), {"post": "yes"}).status_code == 403
    linked = staff.get(url("redemption_changelist") + f"?coupon__id__exact={coupon.id}")
    assert str(redemption.id) in text_of(linked)


@pytest.mark.parametrize("page", ["campaign", "coupon", "couponbatch"])
def test_forms_open(staff: Client, page: str) -> None:
    rows = {
        "campaign": lambda: DiscountFactory().campaign,
        "coupon": CouponFactory,
        "couponbatch": CouponBatchFactory,
    }
    assert staff.get(url(f"{page}_add")).status_code == 200
    assert staff.get(url(f"{page}_change", rows[page]().id)).status_code == 200


@pytest.mark.parametrize(
    ("page", "typed", "found"),
    [("coupon", "natal", 1), ("coupon", "x", 0), ("redemption", "natal", 1), ("redemption", "x", 0)],
)
def test_codes_are_found_in_any_case(staff: Client, page: str, typed: str, found: int) -> None:
    coupon = CouponFactory(code="NATAL10")
    Redemption.objects.create(id=new_id(), coupon=coupon, status="reserved", reserved_at=NOW)
    answer = staff.get(url(f"{page}_changelist"), {"q": typed})
    assert len(answer.context["cl"].result_list) == found


def test_redemptions_are_found_by_order(staff: Client) -> None:
    redemptions = [Redemption.objects.create(id=new_id(), status="released", released_at=NOW) for _ in range(2)]
    answer = staff.get(url("redemption_changelist"), {"q": str(redemptions[0].id)})
    assert list(answer.context["cl"].result_list) == redemptions[:1]
