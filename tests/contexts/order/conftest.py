"""A shop with everything that a purchase needs: the real neighbours, and the real sandbox payment server."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import httpx
import pytest
from django.db import connections
from rest_framework.test import APIClient

from contexts.order.adapters import SandboxGateway
from contexts.order.models import LedgerEntry, Order, PaymentAttempt
from contexts.order.usecases.configure_shipping import put_shipping_method
from contexts.order.usecases.receive_webhook import process_webhooks
from ecommerce import clock
from ecommerce.http.authentication import Principal
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.saga import engine
from ecommerce.saga.models import SagaInstance
from ecommerce.testing import pass_time
from ecommerce.topology import current
from tests.sandbox_psp.testing import Received, Receiver, Sandbox, receiving, running
from tests.sandbox_psp.webhooks import signature

if TYPE_CHECKING:
    from contexts.catalog.models import Variant

EVERYWHERE = [context.alias for context in current().contexts]
"""A purchase goes through every context."""
ADDRESS = {
    "recipient": "Ana Souza", "cep": "01310100", "street": "Avenida Paulista", "number": "1578",
    "district": "Bela Vista", "city": "São Paulo", "state": "SP",
}  # fmt: skip
PAYER = {"name": "Ana Souza", "tax_id": "390.533.447-05"}


def brl(amount: str) -> Money:
    return Money(Decimal(amount))


def as_json(money: Money) -> dict[str, str]:
    return {"amount": str(money.amount), "currency": money.currency}


def card(token: str = "tok_approved", **changes: Any) -> dict[str, Any]:
    return {"method": "card", "card_token": token, **changes}


def voucher(code: str = "VALE-10", **changes: Any) -> dict[str, Any]:
    return {"method": "voucher", "voucher_code": code, **changes}


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with running(hang_seconds=1.5) as server:
        yield server


@pytest.fixture
def psp(sandbox: Sandbox) -> Iterator[httpx.Client]:
    """The server's own APIs, with nothing left that an earlier test has ordered."""
    with sandbox.client() as client:
        client.delete("/control/behaviour")
        yield client


@pytest.fixture
def gateway(sandbox: Sandbox, psp: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> SandboxGateway:
    """The gateway that the shop uses: that server, for which it has less patience than usual."""
    impatient = SandboxGateway(
        url=sandbox.base_url, api_key=sandbox.api_key, webhook_secret=sandbox.webhook_secret, read_seconds=0.6
    )
    monkeypatch.setattr(SandboxGateway, "from_settings", lambda: impatient)
    monkeypatch.setattr("contexts.order.adapters.GATEWAYS", {"sandbox": lambda: impatient})
    return impatient


@pytest.fixture
def webhooks(settings: Any) -> Iterator[Receiver]:
    """Where the payment server's webhooks arrive instead of the shop."""
    with receiving() as receiver:
        settings.PUBLIC_URL = receiver.url
        yield receiver


def hand_over(webhook: Received, *, signed_at: datetime | None = None) -> Any:
    """Give a webhook to the shop, byte by byte as it came; with a newer signature if the test's clock has moved on."""
    headers = {name: value for name, value in webhook.headers.items() if name.lower() != "content-length"}
    if signed_at:
        headers["Sandbox-Signature"] = signature("whsec_test_sandbox", webhook.body, int(signed_at.timestamp()))
    return APIClient().generic(
        "POST", "/api/v1/payments/webhooks/sandbox", webhook.body, "application/json", headers=headers
    )


@pytest.fixture
def time_passes(monkeypatch: pytest.MonkeyPatch) -> Callable[..., datetime]:
    """Let time pass; return what the clock says then. It is the clock that is right: the database's stands still."""
    real, passed = clock.now, [timedelta()]

    def let_pass(**delta: float) -> datetime:
        passed[0] += timedelta(**delta)
        pass_time("order", timedelta(**delta))
        return clock.now()

    monkeypatch.setattr(clock, "now", lambda: real() + passed[0])
    monkeypatch.setattr(engine, "_ahead", lambda database: timedelta())
    return let_pass


def work(*, most: int = 50) -> int:
    """Be a worker: process the webhooks, then run what is due until nothing is."""
    process_webhooks(now=clock.now())
    for count in range(most):
        claimed = engine.claim_due("order")
        if not claimed:
            return count
        engine.run(claimed[0])
    raise AssertionError(f"still something to do after {most} runs")


def saga_of(order: Order, saga_type: str = "CREATE_ORDER") -> str:
    """Return how the order's saga stands."""
    saga = SagaInstance.objects.using("order").get(subject=order.id, saga_type=saga_type)
    return str(saga.status)


def booked(order: Order) -> list[tuple[str, str, Decimal]]:
    """Return the money that moved for an order, in order."""
    entries = LedgerEntry.objects.filter(attempt__order=order).select_related("attempt").order_by("id")
    return [(entry.attempt.method, entry.kind, entry.amount) for entry in entries]


def status_of(order: Order) -> str:
    order.refresh_from_db()
    return order.status


def pay(psp: httpx.Client, attempt: PaymentAttempt, *, force: bool = False) -> None:
    """Let the buyer pay what waits at the gateway; ``force``: even if it waits no longer."""
    attempt.refresh_from_db()
    psp.post(f"/control/charges/{attempt.gateway_id}/pay", json={"force": force}).raise_for_status()


def at_gateway(psp: httpx.Client, attempt: PaymentAttempt) -> tuple[str, str, str]:
    """Return status, captured and refunded as the gateway has them."""
    attempt.refresh_from_db()
    charge = psp.get(f"/v1/charges/{attempt.gateway_id}").json()
    return charge["status"], charge["captured"], charge["refunded"]


def stock_of(variant: Variant) -> tuple[int, int]:
    """Return how many pieces are on hand, and how many of them are reserved."""
    from contexts.catalog.models import Stock

    stock = Stock.objects.get(variant_id=variant.id)
    return stock.on_hand, stock.reserved


@pytest.fixture
def shipping() -> None:
    """Send anything up to 30 kg for 15.00, to São Paulo for 10.00."""
    rates = [
        {"state": "SP", "max_weight_grams": 30_000, "price": brl("10.00")},
        {"state": "", "max_weight_grams": 30_000, "price": brl("15.00")},
    ]
    put_shipping_method(code="economico", name="Econômico", carrier="PAC", delivery_days=8, active=True, rates=rates)


@dataclass
class Shopper:
    """Somebody with a browser: a guest, unless logged in."""

    client: APIClient = field(default_factory=APIClient)
    customer_id: UUID | None = None
    cart: dict[str, Any] = field(default_factory=dict)
    email: str = "ana@example.com"

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Cart-Token": self.cart["token"]} if self.cart.get("token") else {}

    def fill(self, *variants: Variant, quantity: int = 1, coupon: str = "") -> Shopper:
        """Open a cart with so many pieces of each variant."""
        lines = [{"variant_id": str(variant.id), "quantity": quantity} for variant in variants]
        self.cart = self._ok(self.client.post("/api/v1/carts", {"lines": lines}), 201)
        if coupon:
            url = f"/api/v1/carts/{self.cart['id']}/coupon"
            self._ok(self.client.put(url, {"code": coupon}, headers=self.headers), 200)
        return self

    def cart_status(self) -> str:
        answer = self.client.get(f"/api/v1/carts/{self.cart['id']}", headers=self.headers)
        status: str = self._ok(answer, 200)["status"]
        return status

    def total(self) -> dict[str, str]:
        total: dict[str, str] = self._ok(self.preview(), 200)["total"]
        return total

    def preview(self, **changes: Any) -> Any:
        body = {
            "cart_id": self.cart["id"], "email": self.email, "state": "SP", "shipping_method": "economico", **changes,
        }  # fmt: skip
        return self.client.post("/api/v1/checkout/preview", body, headers=self.headers)

    def body(self, *payments: dict[str, Any], **changes: Any) -> dict[str, Any]:
        body = {
            "cart_id": self.cart["id"], "email": self.email, "address": ADDRESS, "shipping_method": "economico",
            "payments": list(payments or [card()]), "payer": PAYER, **changes,
        }  # fmt: skip
        return body if "expected_total" in body else {**body, "expected_total": self.total()}

    def check_out(self, *payments: dict[str, Any], key: str = "", **changes: Any) -> Any:
        """Buy, for the total that a preview shows; with a new idempotency key unless given."""
        return self.send(self.body(*payments, **changes), key=key)

    def send(self, body: dict[str, Any], *, key: str = "") -> Any:
        headers = {**self.headers, "Idempotency-Key": key or uuid4().hex}
        return self.client.post("/api/v1/checkout", body, headers=headers)

    def order(self, answer: Any, status: int = 201) -> Order:
        """Return the order that an answer tells of."""
        return Order.objects.get(id=self._ok(answer, status)["id"])

    @staticmethod
    def _ok(answer: Any, status: int) -> Any:
        assert answer.status_code == status, answer.content.decode()
        return answer.json()


@pytest.fixture
def shopper(gateway: SandboxGateway, shipping: None) -> Shopper:
    """A guest, in a shop that is open."""
    return Shopper()


@pytest.fixture
def customer(gateway: SandboxGateway, shipping: None) -> Shopper:
    """Somebody with an account."""
    customer_id = new_id()
    return Shopper(client=client_of(customer_id), customer_id=customer_id)


@pytest.fixture
def shirt() -> Variant:
    """Ten shirts for 50.00 each."""
    from tests.contexts.catalog.factories import on_sale

    return on_sale(stock=10, price="50.00", name="Camiseta")


def client_of(customer_id: UUID | None = None, *scopes: str, staff: bool = False) -> APIClient:
    client = APIClient()
    client.force_authenticate(
        Principal(
            id=customer_id or new_id(), email="ana@example.com", email_verified=True, is_staff=staff or bool(scopes),
            scopes=frozenset(scopes),
        )
    )  # fmt: skip
    return client


def together(functions: Sequence[Callable[[], Any]]) -> list[Any]:
    """Run functions at the same moment, a thread each; return what each returned or raised."""
    start = threading.Barrier(len(functions))

    def one(function: Callable[[], Any]) -> Any:
        start.wait(timeout=60)
        try:
            return function()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(functions)) as pool:
        return list(pool.map(one, functions))
