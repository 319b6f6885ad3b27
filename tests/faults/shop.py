"""A shop that sells while it is treated badly: its web process, its payment server, and what customers and staff do."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from uuid import uuid4

import httpx

from tests.bench.journeys import ADDRESS
from tests.e2e.replay.client import Login, Staff
from tests.e2e.replay.client import Shop as Api
from tests.faults.deaths import STOP, Deaths
from tests.faults.processes import Beat, FaultFailed, Web, until
from tests.sandbox_psp.testing import Sandbox

if TYPE_CHECKING:
    from tests.faults.rig import Rig

PASSWORD = "uma-senha-da-equipe"  # noqa: S105 - of an installation that lives for minutes
STAFF = "admin@loja.example"
COUPON = "FRETEGRATIS"
PIECES = 1000
PRODUCTS = (
    "handle,name,description,brand,category,option1_name,option1_value,sku,price,weight_grams,stock,image_url,image_alt\n"
    f"falha-a,Produto A,Para falhas.,Régua,Falhas,,,FALHA-A,30.00,300,{PIECES},,\n"
    f"falha-b,Produto B,Para falhas.,Régua,Falhas,,,FALHA-B,20.00,300,{PIECES},,\n"
)
CARD: Mapping[str, Any] = {"method": "card", "card_token": "tok_approved"}
PIX: Mapping[str, Any] = {"method": "pix"}
DECLINED: Mapping[str, Any] = {"method": "card", "card_token": "tok_declined"}
NO_ANSWER_SECONDS = 8
"""Longer than the shop waits for an answer."""
ORDER = "SELECT id::text, status FROM order_service.orders WHERE cart_id = %s ORDER BY placed_at DESC LIMIT 1"
CHARGE = """
    SELECT gateway_id FROM order_service.payment_attempts
    WHERE order_id = %s AND method = %s AND gateway_id <> '' ORDER BY position LIMIT 1
"""
VARIANTS = "SELECT id::text FROM catalog_service.variants WHERE sku IN ('FALHA-A', 'FALHA-B') ORDER BY sku"
SAGAS = """
    SELECT saga_type, status, current_step, crashes, lease_owner IS NOT NULL FROM order_service.saga_instance
    WHERE subject = %s ORDER BY created_at
"""
LEASES_END = "UPDATE order_service.saga_instance SET due_at = clock_timestamp() WHERE lease_owner IS NOT NULL"
PAUSES_END = """
    UPDATE order_service.saga_instance SET due_at = clock_timestamp() WHERE status IN ('RUNNING', 'COMPENSATING')
"""
DUE = """
    SELECT (SELECT count(*) FROM order_service.saga_instance WHERE status IN ('RUNNING', 'COMPENSATING')
            OR (status = 'WAITING' AND due_at <= clock_timestamp()))
         + (SELECT count(*) FROM order_service.payment_webhooks WHERE processed_at IS NULL)
"""
OPEN = """
    SELECT saga_type, status, current_step, failures, crashes FROM order_service.saga_instance
    WHERE status IN ('RUNNING', 'COMPENSATING')
"""
TIME_OUT = """
    UPDATE order_service.payment_attempts SET expires_at = clock_timestamp() - interval '1 s' WHERE order_id = %s
"""
DUE_NOW = "UPDATE order_service.saga_instance SET due_at = clock_timestamp() WHERE subject = %s AND status = 'WAITING'"
ATTEMPT = "SELECT id::text FROM order_service.payment_attempts WHERE order_id = %s ORDER BY position LIMIT 1"


@dataclass(frozen=True)
class Cart:
    """One of a guest, filled and priced."""

    id: str
    token: str
    total: Mapping[str, str]

    @property
    def headers(self) -> dict[str, str]:
        return {"X-Cart-Token": self.token}


def psp_environment(psp_port: int, web_port: int) -> dict[str, str]:
    """Return what makes the shop's processes and its payment server find each other."""
    return {
        "SANDBOX_PSP_URL": f"http://127.0.0.1:{psp_port}",
        "SANDBOX_PSP_API_KEY": Sandbox.api_key,
        "SANDBOX_PSP_WEBHOOK_SECRET": Sandbox.webhook_secret,
        "PUBLIC_URL": f"http://127.0.0.1:{web_port}",
    }


class Shop:
    """Opens with a new payment server and so with new books. ``forking``: each request has a process of its own."""

    def __init__(self, rig: Rig, *, stocked: bool, forking: bool = False, **changed: str) -> None:
        self.rig, self._forking = rig, forking
        data = rig.folder / f"psp-{uuid4().hex}"
        data.mkdir()
        self.psp = Sandbox(data=data, port=rig.psp_port, flags=("--hang-seconds", str(NO_ANSWER_SECONDS)))
        self.psp.start()
        rig.on_close(self.psp.stop)
        self.bank = self.psp.client(timeout=30)
        if not stocked:
            self._prepare()
        self.deaths = Deaths(rig.folder / "deaths")
        self.watched = {"FAULT_DEATHS": str(rig.folder / "deaths")}
        """What lets a process die where ``deaths`` says."""
        environment = {**rig.environment, **self.watched, **changed}
        self.web = Web(environment, rig.folder / "web.log", port=rig.web_port, threads=4, forking=forking)
        self._api = Api(f"http://127.0.0.1:{rig.web_port}", connections=8)
        self.login: Login = self._api.log_in(STAFF, PASSWORD)
        if not stocked:
            Staff(self._api, self.login).import_products(PRODUCTS)
        self.variants = [variant for (variant,) in rig.query(VARIANTS)]
        self.earlier = [order for (order,) in rig.query("SELECT id FROM order_service.orders")]
        """The orders of other faults, of which these books know nothing."""

    def _prepare(self) -> None:
        self.rig.publisher.order("prepare_shop", password=PASSWORD)
        self.rig.publisher.answer()

    def beat(self) -> None:
        """Start what has the workers resume sagas and take in webhooks, twice a second."""
        self.rig.keep(Beat(self.rig.environment, self.rig.folder))

    def worker(self, *, options: tuple[str, ...] = (), **changed: str) -> Any:
        """Start a Celery worker that dies where it is told to."""
        return self.rig.start(options=options, **{**self.watched, **changed})

    def another(self, **changed: str) -> Web:
        """Start one more process that forks for each request, with changes of its environment. Ends with the fault."""
        made = Web({**self.rig.environment, **self.watched, **changed}, self.rig.folder / "web.log", forking=True)
        self.rig.keep(made)
        return made

    def close(self) -> None:
        for pid in self.deaths.stopped():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.deaths.forget()
        self._api.close()
        self.web.close()
        self.bank.close()

    # --- customers and staff -----------------------------------------------------------------------------------------
    def fill(self, *, coupon: str = COUPON) -> Cart:
        """Open a cart, put two products into it, and price it."""
        lines = [{"variant_id": variant, "quantity": number} for number, variant in enumerate(self.variants, start=1)]
        cart = self._api.api("POST", "carts", json={"lines": lines})
        headers = {"X-Cart-Token": cart["token"]}
        if coupon:
            self._api.api("PUT", f"carts/{cart['id']}/coupon", json={"code": coupon}, headers=headers)
        wish = {"cart_id": cart["id"], "email": "ana@example.com", "state": "SP", "shipping_method": "economico"}
        priced = self._api.api("POST", "checkout/preview", json=wish, headers=headers)
        return Cart(cart["id"], cart["token"], priced["total"])

    def add_a_piece(self, cart: Cart) -> None:
        body = {"variant_id": self.variants[0], "quantity": 1}
        self._api.api("POST", f"carts/{cart.id}/lines", json=body, headers=cart.headers)

    def check_out(self, cart: Cart, *payments: Mapping[str, Any]) -> httpx.Response | None:
        """Buy a cart; None if whoever should answer has died."""
        body = {
            "cart_id": cart.id, "email": "ana@example.com", "address": ADDRESS, "shipping_method": "economico",
            "payments": [dict(payment) for payment in payments or (CARD,)], "expected_total": cart.total,
        }  # fmt: skip
        return self.send("checkout", body, **cart.headers, **{"Idempotency-Key": uuid4().hex})

    def order(self, cart: Cart, *payments: Mapping[str, Any]) -> str:
        """Buy a cart and return the order's id."""
        answer = self.check_out(cart, *payments)
        if answer is None or answer.status_code != 201:
            raise FaultFailed(f"checkout: {answer and answer.text}")
        return str(answer.json()["id"])

    def cancel(self, order: str) -> httpx.Response | None:
        return self.send(f"orders/{order}/cancel", {"reason": "desisti"}, staff=True)

    def pay_otherwise(self, order: str, payment: Mapping[str, Any] = CARD) -> httpx.Response | None:
        """Pay an order that waits for its money in another way."""
        return self.send(f"orders/{order}/payments", dict(payment), staff=True, **{"Idempotency-Key": uuid4().hex})

    def give_back(self, order: str) -> httpx.Response | None:
        """Refund one piece of an order."""
        found = self._api.api("GET", f"orders/{order}", login=self.login)["lines"]
        body = {"lines": [{"line_id": found[0]["id"], "quantity": 1}], "reason": "defeito"}
        return self.send(f"orders/{order}/refunds", body, staff=True, **{"Idempotency-Key": uuid4().hex})

    def send(self, path: str, body: Mapping[str, Any], *, staff: bool = False, **headers: str) -> httpx.Response | None:
        """Post to the API; None if the process died over it. It is started again."""
        try:
            if staff:
                self._api.api("GET", "staff/orders?limit=1", login=self.login)
                headers["Authorization"] = f"Bearer {self.login.access}"
            return self.web.client.post(f"/api/v1/{path}", json=body, headers=headers)
        except httpx.TransportError:
            if not self._forking:
                until(self.web.revive, "the web server ends with its worker", within=60)
                self.web.await_ready()
            return None

    def work(self, by: Web | None = None) -> bool:
        """Let a process, of another server if one is given, do what is due, and tell whether it lived."""
        try:
            (by or self.web).client.post("/work").raise_for_status()
        except httpx.TransportError:
            return False
        return True

    def stops_at(self, id_: str, boundary: str) -> None:
        """Let the process stand still that comes by a boundary of a saga."""
        self.deaths.plan(id_, [f"{STOP}{boundary}"])

    def await_stop(self, id_: str) -> int:
        """Wait until a process stands still, and return its id."""
        what = "a process stands still"
        return until(lambda: self.deaths.stopped(id_), what, within=60, state=lambda: str(self.deaths.left(id_)))[0]

    def finish(self, *, most: int = 100) -> None:
        """Work until nothing is left to do, without pauses."""
        for _ in range(most):
            self.pauses_end()
            self.work()
            if not self.rig.number(DUE):
                return
        raise FaultFailed(f"sagas do not come to an end: {self.rig.query(OPEN)}")

    # --- the bank ----------------------------------------------------------------------------------------------------
    def pay(self, order: str, *, method: str = "pix", force: bool = False) -> None:
        """Let the buyer pay at the bank; ``force``: even if nobody waits for it any more."""
        ((charge,),) = self.rig.query(CHARGE, [order, method])
        self.bank.post(f"/control/charges/{charge}/pay", json={"force": force}).raise_for_status()

    def time_runs_out(self, order: str) -> None:
        """Let an order have waited for its money as long as it may."""
        self.rig.query(TIME_OUT, [order])
        self.rig.query(DUE_NOW, [order])

    def pay_unseen(self, order: str) -> None:
        """Let the buyer pay a charge of which nothing is written down here yet."""
        ((attempt,),) = self.rig.query(ATTEMPT, [order])
        (charge,) = self.bank.get("/v1/charges", params={"reference": attempt}).raise_for_status().json()["charges"]
        self.bank.post(f"/control/charges/{charge['id']}/pay", json={"force": True}).raise_for_status()

    def await_webhook(self, before: int) -> None:
        """Wait until more webhooks have come than ``before``."""
        until(lambda: self.webhooks() > before, "the bank tells of it", within=60)

    def webhooks(self) -> int:
        return self.rig.number("SELECT count(*) FROM order_service.payment_webhooks")

    def misbehave(self, kind: str, **details: Any) -> None:
        """Let the payment server do something else with its next charge, or what ``operation`` says."""
        self.bank.post("/control/behaviour", json={"kind": kind, **details}).raise_for_status()

    def behave(self) -> None:
        self.bank.delete("/control/behaviour").raise_for_status()

    def charges(self) -> list[dict[str, Any]]:
        """Return every charge in the bank's books."""
        found: list[dict[str, Any]] = []
        last: str | None = ""
        while last is not None:
            page = self.bank.get("/v1/books", params={"limit": 1000, "since": last}).raise_for_status().json()
            found += page["charges"]
            last = page["next"]
        return found

    # --- what is to be seen ------------------------------------------------------------------------------------------
    def order_of(self, cart: Cart) -> tuple[str, str] | None:
        """Return id and status of the newest order that a cart became."""
        rows = self.rig.query(ORDER, [cart.id])
        return (rows[0][0], rows[0][1]) if rows else None

    def status(self, order: str) -> str:
        return str(self.rig.query("SELECT status FROM order_service.orders WHERE id = %s", [order])[0][0])

    def becomes(self, order: str, *statuses: str, within: float = 60) -> str:
        """Wait until an order has one of these statuses, and return it."""
        what = f"the order is {' or '.join(statuses)}"
        until(lambda: self.status(order) in statuses, what, within=within, state=lambda: self.story(order))
        return self.status(order)

    def story(self, order: str) -> str:
        """Say how an order and its sagas stand."""
        return f"{self.status(order)}; {self.rig.query(SAGAS, [order])}"

    def leases_end(self) -> None:
        """Let the leases of whoever has died be over."""
        self.rig.query(LEASES_END)

    def pauses_end(self) -> None:
        """Let everything be due now."""
        self.rig.query(PAUSES_END)
