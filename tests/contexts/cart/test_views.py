from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from rest_framework.test import APIClient

from contexts.cart.events import CartAbandoned
from contexts.cart.models import Cart
from contexts.cart.usecases import abandonment
from ecommerce.clock import now
from ecommerce.ids import new_id
from ecommerce.testing import published
from tests.contexts.cart.conftest import COUPON, client_of
from tests.contexts.cart.factories import brl

pytestmark = pytest.mark.django_db(databases=["cart"])


def opened(client, *variants, **headers):
    lines = [{"variant_id": str(variant.id), "quantity": 2} for variant in variants]
    answer = client.post("/api/v1/carts", {"lines": lines}, headers=headers)
    assert answer.status_code == 201, answer.content
    body = answer.json()
    return f"/api/v1/carts/{body['id']}", body


def key(body):
    return {"X-Cart-Token": body["token"]}


def test_opening_a_cart_shows_its_token_once(guest, catalog):
    url, body = opened(guest, catalog.sell())
    answer = guest.get(url, headers=key(body))
    assert len(body["token"]) >= 43
    assert "token" not in answer.json()
    assert body["token"] not in str(Cart.objects.values().get())


def test_a_cart_can_be_opened_empty(guest):
    answer = guest.post("/api/v1/carts")
    assert answer.status_code == 201
    assert answer.json()["lines"] == []
    assert answer["ETag"] == '"1"'
    assert answer["Location"] == f"/api/v1/carts/{answer.json()['id']}"


def test_the_same_variant_twice_in_the_body_is_one_line(guest, catalog):
    variant = catalog.sell()
    _, body = opened(guest, variant, variant)
    assert [line["quantity"] for line in body["lines"]] == [4]


def test_to_anybody_else_the_cart_does_not_exist(guest, customer, catalog):
    guests, guests_body = opened(guest, catalog.sell())
    customers, _ = opened(customer, catalog.sell())
    variant = str(catalog.sell().id)
    other = client_of(new_id())
    for client, url, headers in (
        (guest, guests, {}),
        (guest, guests, {"X-Cart-Token": "guessed"}),
        (guest, customers, {"X-Cart-Token": guests_body["token"]}),
        (other, guests, {}),
        (other, customers, {}),
    ):
        answers = [
            client.get(url, headers=headers),
            client.get(f"{url}/history", headers=headers),
            client.post(f"{url}/lines", {"variant_id": variant, "quantity": 1}, headers=headers),
            client.patch(f"{url}/lines/{variant}", {"quantity": 1}, headers={**headers, "If-Match": "*"}),
            client.delete(f"{url}/lines/{variant}", headers={**headers, "If-Match": "*"}),
            client.post(f"{url}/accept-prices", headers={**headers, "If-Match": "*"}),
            client.put(f"{url}/coupon", {"code": COUPON}, headers=headers),
            client.delete(f"{url}/coupon", headers=headers),
            client.put(f"{url}/contact", {"email": "eve@example.com"}, headers=headers),
            client.post(f"{url}/merge", {"cart_id": str(new_id())}, headers=headers),
        ]
        assert [(answer.status_code, answer.json()["code"]) for answer in answers] == [(404, "cart_not_found")] * len(
            answers
        )
    assert client_of(new_id()).post(f"{guests}/claim").status_code == 404
    assert set(Cart.objects.values_list("version", flat=True)) == {2}


def test_lists_and_claims_are_for_customers(guest, catalog):
    url, body = opened(guest, catalog.sell())
    assert guest.get("/api/v1/carts").status_code == 401
    assert guest.head("/api/v1/carts").status_code == 401
    assert guest.post(f"{url}/claim", headers=key(body)).status_code == 401


def test_adding_answers_with_the_cart_as_it_is_then_and_asks_no_promotion(guest, catalog, promotion, statements):
    variant = catalog.sell(price=brl("10.00"))
    url, body = opened(guest, variant)
    catalog.calls = 0
    with statements() as executed:
        answer = guest.post(f"{url}/lines", {"variant_id": str(variant.id), "quantity": 3}, headers=key(body))
    assert answer.status_code == 200
    assert answer["ETag"] == '"3"'
    assert answer.json()["lines"][0]["quantity"] == 5
    assert answer.json()["totals"] == {"subtotal": {"amount": "50.00", "currency": "BRL"}}
    assert (len(executed), catalog.calls, promotion.calls) == (2, 1, 0)


@pytest.mark.parametrize(
    ("line", "pointer"),
    [
        ({"quantity": 1}, "/variant_id"),
        ({"variant_id": "x"}, "/variant_id"),
        ({"variant_id": str(new_id()), "quantity": 0}, "/quantity"),
        ({"variant_id": str(new_id()), "quantity": 1000}, "/quantity"),
        ({"variant_id": str(new_id()), "quantity": "many"}, "/quantity"),
    ],
)
def test_a_malformed_line_is_refused_by_place(guest, line, pointer):
    url, body = opened(guest)
    answer = guest.post(f"{url}/lines", line, headers=key(body))
    assert answer.status_code == 400
    assert [error["pointer"] for error in answer.json()["errors"]] == [pointer]


def test_what_cannot_be_had_is_refused_with_the_reason(guest, catalog):
    url, body = opened(guest)
    scarce = catalog.sell(available=1)
    answer = guest.post(f"{url}/lines", {"variant_id": str(scarce.id), "quantity": 2}, headers=key(body))
    assert (answer.status_code, answer.json()["code"]) == (409, "out_of_stock")
    assert answer.json()["shortages"] == [{"variant_id": str(scarce.id), "requested": 2, "available": 1}]
    answer = guest.post(f"{url}/lines", {"variant_id": str(new_id())}, headers=key(body))
    assert (answer.status_code, answer.json()["code"]) == (404, "variant_unavailable")


def test_overwriting_needs_the_version_seen(guest, catalog):
    variant = catalog.sell()
    url, body = opened(guest, variant)
    line = f"{url}/lines/{variant.id}"
    missing = [
        guest.patch(line, {"quantity": 5}, headers=key(body)),
        guest.delete(line, headers=key(body)),
        guest.post(f"{url}/accept-prices", headers=key(body)),
    ]
    assert [answer.status_code for answer in missing] == [428] * 3
    stale = {**key(body), "If-Match": '"1"'}
    answers = [
        guest.patch(line, {"quantity": 5}, headers=stale),
        guest.delete(line, headers=stale),
        guest.post(f"{url}/accept-prices", headers=stale),
        guest.post(f"{url}/lines", {"variant_id": str(variant.id)}, headers=stale),
        guest.put(f"{url}/coupon", {"code": COUPON}, headers=stale),
        guest.delete(f"{url}/coupon", headers=stale),
        guest.put(f"{url}/contact", {"email": "ana@example.com"}, headers=stale),
    ]
    assert [answer.status_code for answer in answers] == [412] * len(answers)
    assert answers[0].json()["etag"] == '"2"'
    assert Cart.objects.get().version == 2


def test_a_line_is_set_and_removed_by_the_version_seen(guest, catalog):
    variant = catalog.sell()
    url, body = opened(guest, variant)
    line = f"{url}/lines/{variant.id}"
    answer = guest.patch(line, {"quantity": 5}, headers={**key(body), "If-Match": '"2"'})
    assert (answer.status_code, answer.json()["pieces"], answer["ETag"]) == (200, 5, '"3"')
    answer = guest.delete(line, headers={**key(body), "If-Match": answer["ETag"]})
    assert (answer.status_code, answer.json()["lines"], answer["ETag"]) == (200, [], '"4"')
    answer = guest.delete(line, headers={**key(body), "If-Match": '"4"'})
    assert (answer.status_code, answer.json()["code"]) == (404, "line_not_found")


def test_price_and_stock_that_moved_are_shown_and_prices_can_be_accepted(guest, catalog):
    variant = catalog.sell(price=brl("10.00"))
    url, body = opened(guest, variant)
    catalog.sell(id=variant.id, price=brl("12.00"), available=1)
    seen = guest.get(url, headers=key(body)).json()
    [line] = seen["lines"]
    assert line["issues"] == ["price_changed", "out_of_stock"]
    assert (line["unit_price"]["amount"], line["current_price"]["amount"], line["available"]) == ("10.00", "12.00", 1)
    assert (seen["totals"]["seen_subtotal"]["amount"], seen["totals"]["total"]["amount"]) == ("20.00", "24.00")
    assert seen["ready_for_checkout"] is False
    answer = guest.post(f"{url}/accept-prices", headers={**key(body), "If-Match": '"2"'})
    assert answer.json()["totals"]["subtotal"]["amount"] == "24.00"
    assert guest.get(url, headers=key(body)).json()["lines"][0]["issues"] == ["out_of_stock"]


def test_reading_takes_one_statement_and_two_calls_whatever_is_in_the_cart(guest, catalog, promotion, statements):
    counts = []
    for size in (1, 40):
        url, body = opened(guest, *(catalog.sell() for _ in range(size)))
        catalog.calls = promotion.calls = 0
        with statements() as executed:
            assert guest.get(url, headers=key(body)).status_code == 200
        counts.append((len(executed), catalog.calls, promotion.calls))
    assert counts == [(1, 1, 1), (1, 1, 1)]


def test_the_total_is_explained_rule_by_rule(guest, catalog):
    variant = catalog.sell(price=brl("10.00"))
    url, body = opened(guest, variant)
    guest.put(f"{url}/coupon", {"code": COUPON}, headers=key(body))
    seen = guest.get(url, headers=key(body)).json()
    assert [(rule["kind"], rule["amount"]["amount"]) for rule in seen["explanation"]] == [
        ("line", "20.00"),
        ("discount", "-2.00"),
        ("total", "18.00"),
    ]
    assert seen["totals"]["total"]["amount"] == "18.00"
    assert seen["ready_for_checkout"] is True


def test_a_coupon_answers_with_the_quote_and_leaves_again(guest, catalog, promotion):
    url, body = opened(guest, catalog.sell(price=brl("10.00")))
    answer = guest.put(f"{url}/coupon", {"code": f" {COUPON.lower()} "}, headers=key(body))
    assert answer.status_code == 200
    assert answer.json()["coupon"] == {"code": COUPON, "refusal": ""}
    assert answer.json()["totals"]["discount"]["amount"] == "2.00"
    again = guest.put(f"{url}/coupon", {"code": COUPON}, headers=key(body))
    assert again["ETag"] == answer["ETag"]
    answer = guest.delete(f"{url}/coupon", headers=key(body))
    assert (answer.json()["coupon"], answer.json()["totals"]["discount"]["amount"]) == (None, "0.00")


def test_a_refused_coupon_leaves_the_cart_as_it_is(guest, catalog, promotion):
    promotion.refusal = "minimum"
    url, body = opened(guest, catalog.sell())
    guest.put(f"{url}/coupon", {"code": COUPON}, headers=key(body))
    before = Cart.objects.get().state
    answer = guest.put(f"{url}/coupon", {"code": "OUTRO"}, headers=key(body))
    assert (answer.status_code, answer.json()["code"], answer.json()["reason"]) == (409, "coupon_refused", "minimum")
    assert Cart.objects.get().state == before


def test_a_coupon_that_stopped_applying_is_shown_as_such(guest, catalog, promotion, monkeypatch):
    url, body = opened(guest, catalog.sell())
    guest.put(f"{url}/coupon", {"code": COUPON}, headers=key(body))
    monkeypatch.setattr("tests.contexts.cart.conftest.COUPON", "none any more")
    promotion.refusal = "ended"
    seen = guest.get(url, headers=key(body)).json()
    assert seen["coupon"] == {"code": COUPON, "refusal": "ended"}
    assert seen["totals"]["total"] == seen["totals"]["subtotal"]


def test_a_coupon_needs_promotion_to_answer(guest, catalog, promotion):
    url, body = opened(guest, catalog.sell())
    promotion.is_down = True
    assert guest.put(f"{url}/coupon", {"code": COUPON}, headers=key(body)).status_code == 503


def test_a_cart_can_be_read_while_its_neighbours_are_away(guest, catalog, promotion):
    url, body = opened(guest, catalog.sell())
    promotion.is_down = True
    seen = guest.get(url, headers=key(body)).json()
    assert (seen["unknown"], seen["lines"][0]["available"]) == (["discounts"], 50)
    catalog.is_down = True
    seen = guest.get(url, headers=key(body)).json()
    assert (seen["unknown"], seen["lines"][0]["available"]) == (["stock", "discounts"], None)
    assert seen["totals"]["total"]["amount"] == "20.00"
    assert seen["ready_for_checkout"] is False


def test_the_history_tells_everything_but_secrets(guest, customer_id, catalog):
    variant = catalog.sell()
    url, body = opened(guest, variant)
    guest.put(f"{url}/contact", {"email": "Ana@Example.com", "marketing_consent": True}, headers=key(body))
    client_of(customer_id).post(f"{url}/claim", headers=key(body))
    answer = client_of(customer_id).get(f"{url}/history")
    events = answer.json()["results"]
    assert [(event["version"], event["type"], event["actor"]) for event in events] == [
        (1, "cart_created", "guest"),
        (2, "item_added", "guest"),
        (3, "contact_left", "guest"),
        (4, "claimed", "customer"),
    ]
    assert "token_hash" not in answer.content.decode()
    assert events[2]["data"]["email"] == "ana@example.com"


def test_the_history_comes_in_pages_of_constant_cost(guest, catalog, statements):
    url, body = opened(guest, *(catalog.sell() for _ in range(20)))
    versions, costs, page = [], [], f"{url}/history?limit=8"
    while page:
        with statements() as executed:
            answer = guest.get(page, headers=key(body)).json()
        costs.append(len(executed))
        versions += [event["version"] for event in answer["results"]]
        page = answer["next"]
    assert versions == list(range(1, 22))
    assert costs == [2, 2, 2]


def test_contact_is_replaced_and_must_be_an_address(guest, catalog):
    url, body = opened(guest, catalog.sell())
    answer = guest.put(f"{url}/contact", {"email": "ana@example.com", "marketing_consent": True}, headers=key(body))
    assert answer.json()["contact"] == {"email": "ana@example.com", "marketing_consent": True}
    assert guest.put(f"{url}/contact", {"email": "ana"}, headers=key(body)).status_code == 400
    assert guest.put(f"{url}/contact", {}, headers=key(body)).json()["contact"]["marketing_consent"] is False


def test_a_customer_claims_a_guests_cart_once_and_for_all(guest, customer, customer_id, catalog):
    url, body = opened(guest, catalog.sell())
    answers = [customer.post(f"{url}/claim", headers=key(body)) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0]["ETag"] == answers[1]["ETag"]
    assert answers[0].json()["customer_id"] == str(customer_id)
    assert guest.get(url, headers=key(body)).status_code == 404
    assert client_of(new_id()).post(f"{url}/claim", headers=key(body)).status_code == 404


def test_a_merge_reports_caps_and_price_changes(guest, customer, catalog):
    scarce, dearer = catalog.sell(available=3), catalog.sell(price=brl("10.00"))
    theirs, guests = opened(guest, scarce, dearer)
    mine, _ = opened(customer, scarce)
    catalog.sell(id=dearer.id, price=brl("11.00"))
    merge = {"cart_id": guests["id"], "token": guests["token"]}
    answers = [customer.post(f"{mine}/merge", merge) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].json() == answers[1].json()
    report = answers[0].json()["merge"]
    assert report["strategy"] == "sum_capped"
    assert report["capped"] == [str(scarce.id)]
    assert report["price_changes"] == [str(dearer.id)]
    assert answers[0].json()["pieces"] == 5
    assert guest.get(theirs, headers=key(guests)).json()["status"] == "merged"


def test_my_open_carts_come_newest_first_in_pages(customer, guest, catalog, statements):
    opened(guest, catalog.sell())
    bodies = [opened(customer, catalog.sell())[1] for _ in range(3)]
    with statements() as executed:
        first = customer.get("/api/v1/carts?limit=2").json()
    second = customer.get(first["next"]).json()
    found = [cart["id"] for cart in first["results"] + second["results"]]
    assert found == [body["id"] for body in reversed(bodies)]
    assert second["next"] is None
    assert len(executed) == 1


def test_a_reminders_link_restores_the_cart_without_logging_in(customer, catalog):
    url, body = opened(customer, catalog.sell())
    customer.put(f"{url}/contact", {"marketing_consent": True})
    abandonment.detect_abandoned(now=now() + timedelta(hours=2), inactive_for=timedelta(hours=1))
    [event] = published("cart", CartAbandoned)
    [token] = parse_qs(urlsplit(event.recovery_path).query)["token"]
    other_device = APIClient()
    answer = other_device.post("/api/v1/cart-recoveries", {"token": token})
    assert answer.status_code == 201
    assert [line["variant_id"] for line in answer.json()["lines"]] == [line["variant_id"] for line in body["lines"]]
    assert other_device.get(url, headers=key(answer.json())).status_code == 200
    again = other_device.post("/api/v1/cart-recoveries", {"token": token})
    assert (again.status_code, again.json()["code"]) == (409, "recovery_link_used")
    forged = other_device.post("/api/v1/cart-recoveries", {"token": token[:-2] + "xx"})
    assert (forged.status_code, forged.json()["code"]) == (404, "recovery_link_invalid")


def test_a_closed_cart_takes_nothing_more(guest, catalog):
    variant = catalog.sell()
    url, body = opened(guest, variant)
    abandonment.expire_idle(now=now() + timedelta(days=99), idle_for=timedelta(days=30), empty_for=timedelta(days=2))
    answer = guest.post(f"{url}/lines", {"variant_id": str(variant.id)}, headers=key(body))
    assert (answer.status_code, answer.json()["code"], answer.json()["cart_status"]) == (409, "cart_changed", "expired")
    assert guest.get(url, headers=key(body)).json()["status"] == "expired"


def test_answers_are_kept_by_no_cache(guest, catalog):
    url, body = opened(guest, catalog.sell())
    assert guest.get(url, headers=key(body))["Cache-Control"] == "no-store"
