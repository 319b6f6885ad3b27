from datetime import timedelta
from typing import Any

import pytest
from django.db import connections
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from contexts.promotion.models import Campaign, Coupon, CouponBatch, Discount, Redemption
from contexts.promotion.usecases.redeem import redeem
from ecommerce.http.authentication import Principal
from ecommerce.ids import new_id
from tests.contexts.promotion.factories import (
    NOW,
    CampaignFactory,
    CouponBatchFactory,
    CouponFactory,
    DiscountFactory,
    basket,
    brl,
)

pytestmark = pytest.mark.django_db(databases=["promotion"])
SCOPES = frozenset(
    f"promotion.{action}_{model}" for action in ("view", "add", "change", "delete") for model in ("campaign", "coupon")
)
CAMPAIGN = {"name": "Natal", "starts_at": "2030-12-01T03:00:00Z"}


def client(*scopes: str) -> APIClient:
    api = APIClient()
    api.force_authenticate(Principal(id=new_id(), is_staff=True, scopes=frozenset(scopes)))  # type: ignore[arg-type]
    return api


@pytest.fixture
def staff() -> APIClient:
    return client(*SCOPES)


def money(amount: str, currency: str = "BRL") -> dict[str, str]:
    return {"amount": amount, "currency": currency}


@pytest.mark.parametrize(
    ("method", "path", "scope"),
    [
        ("get", "campaigns", "promotion.view_campaign"),
        ("post", "campaigns", "promotion.add_campaign"),
        ("get", "campaigns/{id}", "promotion.view_campaign"),
        ("patch", "campaigns/{id}", "promotion.change_campaign"),
        ("delete", "campaigns/{id}", "promotion.delete_campaign"),
        ("post", "campaigns/{id}/discounts", "promotion.change_campaign"),
        ("patch", "campaigns/{id}/discounts/{id}", "promotion.change_campaign"),
        ("delete", "campaigns/{id}/discounts/{id}", "promotion.change_campaign"),
        ("post", "campaigns/{id}/coupons/bulk", "promotion.add_coupon"),
        ("get", "coupons", "promotion.view_coupon"),
        ("post", "coupons", "promotion.add_coupon"),
        ("get", "coupons/X", "promotion.view_coupon"),
        ("patch", "coupons/X", "promotion.change_coupon"),
        ("get", "coupons/X/usage", "promotion.view_coupon"),
    ],
)
def test_every_method_needs_its_scope(method: str, path: str, scope: str) -> None:
    url = "/api/v1/" + path.replace("{id}", str(new_id()))
    assert getattr(APIClient(), method)(url, {}, format="json").status_code == 401
    assert getattr(client(*(SCOPES - {scope})), method)(url, {}, format="json").status_code == 403
    assert getattr(client(scope), method)(url, {}, format="json").status_code not in {401, 403, 405}


def test_a_campaign_is_created_changed_and_deleted(staff: APIClient) -> None:
    created = staff.post("/api/v1/campaigns", {**CAMPAIGN, "budget": money("500.00")}, format="json")
    assert created.status_code == 201
    body = created.json()
    assert body["budget"] == money("500.00")
    assert body["budget_used"] == money("0.00")
    assert body["active"] is False
    url = f"/api/v1/campaigns/{body['id']}"

    changed = staff.patch(
        url, {"active": True, "budget": None}, format="json", headers={"if-match": created.headers["ETag"]}
    )
    assert changed.status_code == 200
    assert (changed.json()["active"], changed.json()["budget"], changed.json()["name"]) == (True, None, "Natal")

    assert staff.delete(url).status_code == 428
    assert staff.delete(url, headers={"if-match": created.headers["ETag"]}).status_code == 412
    assert staff.delete(url, headers={"if-match": changed.headers["ETag"]}).status_code == 204
    assert staff.get(url).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "X"}, 400, "validation_error"),
        ({**CAMPAIGN, "ends_at": CAMPAIGN["starts_at"]}, 422, "period_invalid"),
        ({**CAMPAIGN, "budget": money("1.00", "USD")}, 422, "currency_mismatch"),
        ({**CAMPAIGN, "budget": money("-1.00")}, 400, "validation_error"),
        ({**CAMPAIGN, "usage_limit": -1}, 400, "validation_error"),
        ({**CAMPAIGN, "priority": 40_000}, 400, "validation_error"),
    ],
)
def test_a_campaign_that_makes_no_sense_is_refused(
    staff: APIClient, body: dict[str, Any], status: int, code: str
) -> None:
    answer = staff.post("/api/v1/campaigns", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert not Campaign.objects.exists()


def test_a_limit_cannot_go_below_what_was_used(staff: APIClient) -> None:
    campaign = CampaignFactory(usage_limit=9, usage_count=5, budget=100, budget_used=50)
    coupon = CouponFactory(usage_limit=9, usage_count=5)
    for url, body in (
        (f"/api/v1/campaigns/{campaign.id}", {"usage_limit": 4}),
        (f"/api/v1/campaigns/{campaign.id}", {"budget": money("49.99")}),
        (f"/api/v1/coupons/{coupon.code}", {"usage_limit": 4}),
    ):
        answer = staff.patch(url, body, format="json", headers={"if-match": "*"})
        assert (answer.status_code, answer.json()["code"]) == (409, "limit_below_use")
    allowed = staff.patch(
        f"/api/v1/campaigns/{campaign.id}",
        {"usage_limit": 5, "budget": money("50.00")},
        format="json",
        headers={"if-match": "*"},
    )
    assert allowed.status_code == 200


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"kind": "percentage", "percent": "12.5"}, 201),
        ({"kind": "fixed", "amount": money("50.00"), "minimum_subtotal": money("300.00")}, 201),
        ({"kind": "buy_x_get_y", "percent": "100", "buy_quantity": 2, "get_quantity": 1}, 201),
        ({"kind": "free_shipping", "requires_coupon": True}, 201),
        ({"kind": "percentage"}, 422),
        ({"kind": "percentage", "percent": "10", "amount": money("1.00")}, 422),
        ({"kind": "percentage", "percent": "100.01"}, 400),
        ({"kind": "fixed", "amount": money("0.00")}, 422),
        ({"kind": "fixed", "amount": money("5.00", "USD")}, 422),
        ({"kind": "buy_x_get_y", "percent": "100", "buy_quantity": 2}, 422),
        ({"kind": "free_shipping", "percent": "10"}, 422),
        ({"kind": "gift"}, 400),
    ],
)
def test_a_discount_has_the_values_of_its_kind(staff: APIClient, values: dict[str, Any], status: int) -> None:
    campaign = CampaignFactory()
    url = f"/api/v1/campaigns/{campaign.id}/discounts"
    answer = staff.post(url, {"label": "Desconto", **values}, format="json")
    assert answer.status_code == status, answer.content
    assert Discount.objects.count() == (status == 201)
    if status == 201:
        shown = answer.json()["discounts"][0]
        assert {name: shown[name] for name in values if name != "percent"} == {
            name: value for name, value in values.items() if name != "percent"
        }


def test_a_discount_is_changed_and_deleted_as_part_of_its_campaign(staff: APIClient) -> None:
    discount = DiscountFactory()
    url = f"/api/v1/campaigns/{discount.campaign_id}/discounts/{discount.id}"
    fixed = {"kind": "fixed", "percent": None, "amount": money("7.00")}
    changed = staff.patch(url, fixed, format="json", headers={"if-match": '"1"'})
    assert changed.status_code == 200
    assert changed.headers["ETag"] == '"2"'
    assert staff.patch(url, {"percent": "5"}, format="json", headers={"if-match": '"2"'}).status_code == 422
    assert staff.delete(url, headers={"if-match": '"1"'}).status_code == 412
    assert staff.delete(url, headers={"if-match": '"2"'}).status_code == 204
    assert not Discount.objects.exists()
    other = DiscountFactory()
    wrong = f"/api/v1/campaigns/{discount.campaign_id}/discounts/{other.id}"
    assert staff.delete(wrong, headers={"if-match": "*"}).status_code == 404


def test_a_campaign_has_at_most_fifty_discounts(staff: APIClient) -> None:
    campaign = CampaignFactory()
    DiscountFactory.create_batch(50, campaign=campaign)
    url = f"/api/v1/campaigns/{campaign.id}/discounts"
    answer = staff.post(url, {"label": "A mais", "kind": "free_shipping"}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (409, "too_many_discounts")


def test_what_has_coupons_is_not_deleted(staff: APIClient) -> None:
    coupon = CouponFactory()
    campaign_url = f"/api/v1/campaigns/{coupon.discount.campaign_id}"
    for url in (campaign_url, f"{campaign_url}/discounts/{coupon.discount_id}"):
        answer = staff.delete(url, headers={"if-match": "*"})
        assert (answer.status_code, answer.json()["code"]) == (409, "campaign_in_use")
    assert Coupon.objects.exists()


def test_a_coupon_is_created_in_capitals_once(staff: APIClient) -> None:
    discount = DiscountFactory(requires_coupon=True)
    body = {"code": "natal10", "discount_id": str(discount.id), "usage_limit": 3}
    created = staff.post("/api/v1/coupons", body, format="json")
    assert created.status_code == 201
    assert (created.json()["code"], created.json()["uses_left"]) == ("NATAL10", 3)
    again = staff.post("/api/v1/coupons", {**body, "code": "Natal10"}, format="json")
    assert (again.status_code, again.json()["code"]) == (409, "coupon_code_taken")
    for code in ("a", "com espaço", "x" * 41, "-ABC"):
        assert staff.post("/api/v1/coupons", {**body, "code": code}, format="json").status_code == 400


def test_a_coupon_needs_a_discount_that_requires_it(staff: APIClient) -> None:
    automatic = DiscountFactory()
    body = {"code": "NATAL", "discount_id": str(automatic.id)}
    answer = staff.post("/api/v1/coupons", body, format="json")
    assert (answer.status_code, answer.json()["code"]) == (422, "coupon_not_wanted")
    answer = staff.post("/api/v1/coupons", {**body, "discount_id": str(new_id())}, format="json")
    assert (answer.status_code, answer.json()["code"]) == (404, "discount_not_found")


def test_a_coupon_is_changed(staff: APIClient) -> None:
    coupon = CouponFactory(usage_limit=5)
    url = f"/api/v1/coupons/{coupon.code.lower()}"
    changed = staff.patch(url, {"active": False}, format="json", headers={"if-match": '"1"'})
    assert (changed.json()["active"], changed.json()["usage_limit"]) == (False, 5)
    assert staff.patch(url, {"active": True}, format="json", headers={"if-match": '"1"'}).status_code == 412
    assert staff.patch(url, {"active": True}, format="json").status_code == 428
    assert staff.get("/api/v1/coupons/nada").status_code == 404


def test_a_batch_of_ten_thousand_codes_is_unpredictable_and_unique(staff: APIClient) -> None:
    discount = DiscountFactory(requires_coupon=True)
    body = {"discount_id": str(discount.id), "prefix": "natal-", "size": 10_000, "per_customer_limit": 1}
    with CaptureQueriesContext(connections["promotion"]) as captured:
        answer = staff.post(f"/api/v1/campaigns/{discount.campaign_id}/coupons/bulk", body, format="json")
    assert answer.status_code == 201
    codes = answer.json()["codes"]
    assert len(set(codes)) == 10_000 == Coupon.objects.filter(batch_id=answer.json()["batch_id"]).count()
    assert all(code.startswith("NATAL-") and len(code) == 18 for code in codes)
    assert len({code[6:9] for code in codes}) > 5_000
    assert set(Coupon.objects.values_list("usage_limit", "per_customer_limit")) == {(1, 1)}
    assert len(captured) < 20


@pytest.mark.parametrize(
    ("change", "status"),
    [
        ({"size": 10_001}, 400),
        ({"size": 0}, 400),
        ({"prefix": "á"}, 400),
        ({"discount_id": str(new_id())}, 404),
        ({"starts_at": "2030-02-01T00:00:00Z", "ends_at": "2030-01-01T00:00:00Z"}, 422),
    ],
)
def test_a_batch_that_makes_no_sense_is_refused(staff: APIClient, change: dict[str, Any], status: int) -> None:
    discount = DiscountFactory(requires_coupon=True)
    body = {"discount_id": str(discount.id), "size": 5, **change}
    answer = staff.post(f"/api/v1/campaigns/{discount.campaign_id}/coupons/bulk", body, format="json")
    assert answer.status_code == status
    assert not CouponBatch.objects.exists()


def test_a_batch_belongs_to_a_discount_of_the_campaign(staff: APIClient) -> None:
    discount = DiscountFactory(requires_coupon=True)
    body = {"discount_id": str(discount.id), "size": 5}
    answer = staff.post(f"/api/v1/campaigns/{CampaignFactory().id}/coupons/bulk", body, format="json")
    assert answer.status_code == 404


def test_usage_shows_who_holds_the_uses(staff: APIClient) -> None:
    coupon = CouponFactory(usage_limit=5)
    orders = [new_id() for _ in range(3)]
    for order_id in orders:
        bought = basket(coupon_code=coupon.code)
        redeem(redemption_id=order_id, basket=bought, expected_discount=brl("10.00"), now=NOW)
    url = f"/api/v1/coupons/{coupon.code}/usage?limit=2"
    first = staff.get(url).json()
    assert (first["coupon"]["usage_count"], first["coupon"]["reserved_count"], first["coupon"]["uses_left"]) == (
        3,
        3,
        2,
    )
    assert first["results"][0]["discount"] == money("10.00")
    second = staff.get(first["next"]).json()
    shown = [row["order_id"] for row in first["results"] + second["results"]]
    assert shown == [str(order_id) for order_id in reversed(orders)]
    assert second["next"] is None
    assert staff.get("/api/v1/coupons/NADA/usage").status_code == 404


def test_lists_filter_and_page(staff: APIClient) -> None:
    CampaignFactory.create_batch(3)
    hidden = CampaignFactory(active=False)
    page = staff.get("/api/v1/campaigns?active=true&limit=2").json()
    assert len(page["results"]) == 2
    assert len(staff.get(page["next"]).json()["results"]) == 1
    assert [row["id"] for row in staff.get("/api/v1/campaigns?active=false").json()["results"]] == [str(hidden.id)]

    batch = CouponBatchFactory()
    batch.generate()
    other = CouponFactory()
    rows = staff.get(f"/api/v1/coupons?batch_id={batch.id}").json()["results"]
    assert {row["batch_id"] for row in rows} == {str(batch.id)}
    rows = staff.get(f"/api/v1/coupons?campaign_id={other.discount.campaign_id}").json()["results"]
    assert [row["code"] for row in rows] == [other.code]
    assert staff.get("/api/v1/coupons?batch_id=x").status_code == 400


@pytest.mark.parametrize(
    "path", ["campaigns?limit=100", "coupons?limit=100", "campaigns/{campaign}", "coupons/AAA/usage"]
)
def test_statement_counts_do_not_depend_on_rows(staff: APIClient, path: str) -> None:
    coupon = CouponFactory(code="AAA")
    url = "/api/v1/" + path.replace("{campaign}", str(coupon.discount.campaign_id))
    with CaptureQueriesContext(connections["promotion"]) as few:
        assert staff.get(url).status_code == 200
    CouponFactory.create_batch(20)
    DiscountFactory.create_batch(20, campaign=coupon.discount.campaign)
    Redemption.objects.bulk_create(
        Redemption(
            id=new_id(),
            coupon=coupon,
            status="reserved",
            reserved_at=NOW + timedelta(n),
            amounts={"total": "1.00", "currency": "BRL"},
        )
        for n in range(20)
    )
    with CaptureQueriesContext(connections["promotion"]) as many:
        assert staff.get(url).status_code == 200
    assert len(few) == len(many) <= 2
