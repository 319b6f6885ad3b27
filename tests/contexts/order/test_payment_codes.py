"""QR codes and boletos as a bank's application sees them, and who may see them."""

import io
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
import resvg_py
import zxingcpp
from PIL import Image
from rest_framework.test import APIClient

from contexts.order.domain import boleto, br_code
from contexts.order.models import Order, PaymentAttempt
from contexts.order.views.drawings import inline_barcode_svg, inline_qr_svg, qr_png, qr_svg
from contexts.order.views.tokens import access_token, code_token
from ecommerce import clock
from ecommerce.ids import new_id
from tests.contexts.order.conftest import EVERYWHERE, brl, client_of
from tests.contexts.order.factories import OrderFactory, PaymentAttemptFactory
from tests.contexts.order.usecases.test_pay import BOLETO, PIX
from tests.vectors import BRAZIL

pytestmark = pytest.mark.django_db(databases=EVERYWHERE)

GUEST = APIClient()
DUE = date(2026, 11, 30)
PAYS = br_code.BRCode(url="pix.example.com/qr/8b3da2f3", merchant="Loja", city="Recife", amount=brl("60.00"))
SLIP = boleto.Boleto(bank="001", due=DUE, amount=brl("60.00"), free_field="1234567890123456789012345")


def seen(picture: bytes) -> tuple[str, str]:
    """Return kind and content of the only code in a picture."""
    [found] = zxingcpp.read_barcodes(Image.open(io.BytesIO(picture)).convert("L"))
    return found.format.name, found.text


def pixels(svg: str, *, width: int = 1200) -> bytes:
    return bytes(resvg_py.svg_to_bytes(svg_string=svg, width=width, dpi=300, background="#ffffff"))


@pytest.fixture
def payment() -> PaymentAttempt:
    """A guest's boleto that may be paid by Pix as well."""
    code = boleto.barcode(SLIP)
    order = OrderFactory(status="awaiting_payment", address_snapshot={"recipient": "Ana", "payer": {"name": "Ana <b>"}})
    return PaymentAttemptFactory(
        order=order, method="boleto", status="pending", expires_at=clock.now() + timedelta(days=1),
        client_data={"barcode": code, "linha_digitavel": boleto.typeable_line(code), "br_code": br_code.encode(PAYS)},
    )  # fmt: skip


def page(payment: PaymentAttempt, name: str, **headers):
    return GUEST.get(f"/api/v1/payments/{payment.id}/{name}", headers=headers)


def token(payment: PaymentAttempt) -> dict[str, str]:
    return {"X-Order-Token": access_token(payment.order_id)}


PAGES = ["qr.png", "qr.svg", "boleto"]


# --- what machines read ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("published", BRAZIL["br_code"], ids=lambda published: published["text"][-4:])
def test_a_banks_application_reads_the_qr_code(published):
    text = published["text"]
    assert seen(qr_png(text)) == ("QRCode", text)
    assert seen(pixels(qr_svg(text).decode())) == ("QRCode", text)
    assert seen(pixels(inline_qr_svg(text))) == ("QRCode", text)


@pytest.mark.parametrize("published", BRAZIL["boleto"], ids=lambda published: published["line"])
def test_a_till_reads_the_bars(published):
    code = boleto.barcode_of(published["line"])
    drawn = inline_barcode_svg(code)
    assert seen(pixels(drawn)) == ("ITF", code)
    width, height = (float(drawn.split(f'{name}="')[1].split("mm")[0]) for name in ("width", "height"))
    assert (width * 405 / 445, height) == (pytest.approx(103, abs=0.05), 13)


# --- what is shown ---------------------------------------------------------------------------------------------------
def test_the_qr_code_as_png_and_svg(payment):
    text = payment.client_data["br_code"]
    png, svg = page(payment, "qr.png", **token(payment)), page(payment, "qr.svg", **token(payment))
    assert (png.status_code, png["Content-Type"]) == (200, "image/png")
    assert (svg.status_code, svg["Content-Type"]) == (200, "image/svg+xml")
    assert seen(png.content) == seen(pixels(svg.content.decode())) == ("QRCode", text)


def test_the_boleto_to_print(payment):
    answer = page(payment, "boleto", **token(payment))
    html = answer.content.decode()
    assert (answer.status_code, answer["Content-Type"]) == (200, "text/html; charset=utf-8")
    for text in (
        boleto.printed(payment.client_data["linha_digitavel"]),
        "30/11/2026",
        "R$ 60,00",
        payment.order.number,
    ):
        assert text in html
    assert "Ana &lt;b&gt;" in html
    bars, qr = ("<svg" + part.split("</svg>")[0] + "</svg>" for part in html.split("<svg")[1:])
    assert seen(pixels(bars)) == ("ITF", payment.client_data["barcode"])
    assert seen(pixels(qr)) == ("QRCode", payment.client_data["br_code"])


def test_a_boleto_is_of_the_day_that_it_was_in_brasilia(payment):
    Order.objects.update(placed_at=datetime(2026, 2, 1, 1, 30, tzinfo=UTC))
    html = page(payment, "boleto", **token(payment)).content.decode()
    assert "31/01/2026" in html
    assert "01/02/2026" not in html


def test_a_boleto_without_pix_has_no_qr_code(payment):
    del payment.client_data["br_code"]
    payment.save()
    assert page(payment, "boleto", **token(payment)).content.decode().count("<svg") == 1
    assert page(payment, "qr.png", **token(payment)).json()["code"] == "payment_has_no_code"


def test_a_boleto_on_sight_of_any_amount_is_printed_too(payment):
    code = boleto.barcode(replace(SLIP, due=None, amount=None))
    PaymentAttempt.objects.update(client_data={"barcode": code})
    assert "À vista" in page(payment, "boleto", **token(payment)).content.decode()


@pytest.mark.parametrize("name", PAGES)
def test_browsers_keep_it_for_themselves_and_ask_whether_it_changed(payment, name):
    first = page(payment, name, **token(payment))
    assert first["Cache-Control"] == "private, max-age=60"
    again = page(payment, name, **token(payment), **{"If-None-Match": first["ETag"]})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", first["ETag"])
    other = PaymentAttemptFactory(order=payment.order, status="pending", expires_at=payment.expires_at)
    changed = boleto.barcode(replace(SLIP, amount=brl("61.00")))
    PaymentAttempt.objects.filter(id=other.id).update(client_data={"barcode": changed, "br_code": "another"})
    assert page(other, name, **token(payment), **{"If-None-Match": first["ETag"]}).status_code == 200


@pytest.mark.parametrize("name", PAGES)
@pytest.mark.parametrize("status", ["captured", "expired", "voided", "declined", "refunded", "created"])
def test_what_is_not_to_be_paid_is_not_shown(payment, name, status):
    PaymentAttempt.objects.update(status=status)
    answer = page(payment, name, **token(payment))
    assert (answer.status_code, answer.json()["code"], answer.json()["status"]) == (409, "payment_not_open", 409)
    assert answer["Cache-Control"] == "no-store"


def test_nor_what_is_too_late(payment):
    PaymentAttempt.objects.update(expires_at=clock.now())
    assert page(payment, "qr.png", **token(payment)).json()["code"] == "payment_not_open"


def test_a_card_has_no_code(payment):
    PaymentAttempt.objects.update(method="card", client_data={})
    assert {page(payment, name, **token(payment)).json()["code"] for name in PAGES} == {"payment_has_no_code"}


# --- who sees it -----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", PAGES)
def test_the_links_of_an_order_open_without_headers_and_nothing_else(payment, name):
    other = PaymentAttemptFactory(status="pending", expires_at=payment.expires_at, client_data=payment.client_data)
    url = f"/api/v1/payments/{payment.id}/{name}"
    assert GUEST.get(f"{url}?token={code_token(payment.id)}").status_code == 200
    foreign = [code_token(other.id), access_token(payment.order_id), access_token(payment.id), "", "x", "a:b"]
    assert {GUEST.get(f"{url}?token={wrong}").status_code for wrong in foreign} == {404}
    order = f"/api/v1/orders/{payment.order_id}"
    assert GUEST.get(order, headers={"X-Order-Token": code_token(payment.id)}).status_code == 404
    assert GUEST.get(order, headers={"X-Order-Token": code_token(payment.order_id)}).status_code == 404


@pytest.mark.parametrize("name", PAGES)
def test_who_sees_the_order_sees_it(payment, name):
    customer_id = new_id()
    payment.order.customer_id = customer_id
    payment.order.save()
    url = f"/api/v1/payments/{payment.id}/{name}"
    assert client_of(customer_id).get(url).status_code == 200
    assert client_of(None, "order.view_order").get(url).status_code == 200
    for stranger in (GUEST, client_of(), client_of(None, "order.change_order")):
        assert stranger.get(url).json()["code"] == "payment_not_found"
    assert client_of().get(f"/api/v1/payments/{new_id()}/{name}").json()["code"] == "payment_not_found"


@pytest.mark.parametrize(("method", "names"), [(PIX, {"qr_png", "qr_svg"}), (BOLETO, {"boleto"})])
def test_an_order_links_to_what_it_is_paid_by(shopper, shirt, psp, settings, method, names):
    settings.PUBLIC_URL = "https://loja.example"
    answer = shopper.fill(shirt).check_out(method)
    order = shopper.order(answer)
    [payment] = answer.json()["payments"]
    assert payment["codes"].keys() == names
    for url in payment["codes"].values():
        assert url.startswith(f"https://loja.example/api/v1/payments/{payment['id']}/")
        assert GUEST.get(url.removeprefix("https://loja.example")).status_code == 200
    PaymentAttempt.objects.update(status="captured")
    headers = {"X-Order-Token": access_token(order.id)}
    assert GUEST.get(f"/api/v1/orders/{order.id}", headers=headers).json()["payments"][0]["codes"] == {}
