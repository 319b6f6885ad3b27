"""REST clients of the shop, one per kind of person, and of the bank behind the payment sandbox. Thread-safe."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import httpx

from ecommerce.money import Money
from tests.e2e.replay.files import Place

TIMEOUT_SECONDS = 60.0
IN_FLIGHT_SECONDS = 120.0
"""How long a checkout without a final answer is asked for again, under its key."""
PAUSE_SECONDS = 0.5
KEEP_ALIVE_SECONDS = 10.0
"""Well below the server's own, so that no request goes out on a connection that is about to be closed."""
STREET = {"street": "Rua não informada", "number": "S/N", "district": "Centro"}


class Refused(Exception):
    """The shop answered with something else than it should; ``code`` is the problem's, ``detail`` what it says."""

    def __init__(self, response: httpx.Response) -> None:
        try:
            problem = response.json()
        except ValueError:
            problem = {}
        problem = problem if isinstance(problem, dict) else {}
        self.status = response.status_code
        self.code = str(problem.get("code") or f"http_{response.status_code}")
        self.detail = str(problem.get("detail") or problem.get("errors") or response.text)[:500]
        super().__init__(
            f"{response.request.method} {response.request.url.path}: {self.status} {self.code}: {self.detail}"
        )


@dataclass
class Login:
    """The tokens of one person. They are exchanged by one thread at a time: a refresh token works once."""

    access: str
    refresh: str
    lock: threading.Lock = field(default_factory=threading.Lock, repr=False)


@dataclass
class Customer:
    """An account, with the ids of its addresses by place."""

    id: str
    name: str
    login: Login
    addresses: dict[Place, str]


class Shop:
    """Requests to one installation over a pool of connections that all its users share."""

    def __init__(self, url: str, *, connections: int) -> None:
        self._http = httpx.Client(
            base_url=url,
            timeout=TIMEOUT_SECONDS,
            limits=httpx.Limits(max_connections=connections, keepalive_expiry=KEEP_ALIVE_SECONDS),
            trust_env=False,
        )

    def close(self) -> None:
        self._http.close()

    def ask(self, method: str, path: str, *, login: Login | None = None, ok: tuple[int, ...] = (200, 201, 204),
            **options: Any) -> httpx.Response:  # fmt: skip
        """Send one request, with a fresh access token if the old one lapsed.

        Raises:
            Refused: the status is not one of ``ok``.
        """
        response = self._send(method, path, login, options)
        if response.status_code == 401 and login is not None:
            self._refresh(login, response.request.headers["Authorization"])
            response = self._send(method, path, login, options)
        if response.status_code not in ok:
            raise Refused(response)
        return response

    def api(self, method: str, path: str, *, login: Login | None = None, **options: Any) -> Any:
        """Send one request to ``/api/v1`` and return the document it answers with.

        Raises:
            Refused
        """
        response = self.ask(method, f"/api/v1/{path}", login=login, **options)
        return response.json() if response.content else None

    def pages(self, path: str, *, login: Login | None = None) -> Iterator[Any]:
        """Yield the rows of a list, page by page.

        Raises:
            Refused
        """
        following: str | None = f"/api/v1/{path}"
        while following:
            page = self.ask("GET", following, login=login).json()
            yield from page["results"]
            following = page["next"]

    def sign_up(self, email: str, password: str, name: str) -> Login:
        body = {"email": email, "password": password, "full_name": name}
        return _login(self.ask("POST", "/_allauth/app/v1/auth/signup", json=body))

    def log_in(self, email: str, password: str) -> Login:
        return _login(self.ask("POST", "/_allauth/app/v1/auth/login", json={"email": email, "password": password}))

    def _send(self, method: str, path: str, login: Login | None, options: Mapping[str, Any]) -> httpx.Response:
        headers = dict(options.get("headers") or {})
        if login is not None:
            headers["Authorization"] = f"Bearer {login.access}"
        return self._http.request(method, path, **{**options, "headers": headers})

    def _refresh(self, login: Login, stale: str) -> None:
        with login.lock:
            if stale != f"Bearer {login.access}":
                return
            body = {"refresh_token": login.refresh}
            data = self.ask("POST", "/_allauth/app/v1/tokens/refresh", json=body).json()["data"]
            login.access, login.refresh = data["access_token"], data["refresh_token"]


class Buyer:
    """What customers do."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    def register(self, email: str, password: str, name: str, places: list[Place]) -> Customer:
        """Open an account with its addresses.

        Raises:
            Refused
        """
        login = self._shop.sign_up(email, password, name)
        addresses = {}
        for place in places:
            body = {"recipient": name, "cep": place.cep, "city": place.city, "state": place.state, **STREET}
            addresses[place] = self._shop.api("POST", "me/addresses", login=login, json=body)["id"]
        return Customer(email, name, login, addresses)

    def fill_cart(self, customer: Customer, lines: list[tuple[str, int]]) -> str:
        """Open a cart, put variants with their quantities into it and return its id.

        Raises:
            Refused
        """
        cart: str = self._shop.api("POST", "carts", login=customer.login, json={})["id"]
        for variant, quantity in lines:
            body = {"variant_id": variant, "quantity": quantity}
            self._shop.api("POST", f"carts/{cart}/lines", login=customer.login, json=body)
        return cart

    def check_out(self, customer: Customer, key: str, body: Mapping[str, Any]) -> str:
        """Buy a cart and return the order's id. Without a clear answer the same request is made again, under ``key``.

        Raises:
            Refused
        """
        deadline = time.monotonic() + IN_FLIGHT_SECONDS
        while True:
            try:
                response = self._shop.ask(
                    "POST", "/api/v1/checkout", login=customer.login, json=body, headers={"Idempotency-Key": key},
                    ok=(201, 202),
                )  # fmt: skip
                return str(response.json()["id"])
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
            except Refused as refused:
                if refused.code != "idempotency_in_flight" or time.monotonic() > deadline:
                    raise
            time.sleep(PAUSE_SECONDS)

    def cancel(self, customer: Customer, order: str, reason: str) -> None:
        self._shop.api("POST", f"orders/{order}/cancel", login=customer.login, json={"reason": reason})

    def review(self, customer: Customer, product: str, body: Mapping[str, Any]) -> None:
        """Review a product.

        Raises:
            Refused: ``not_purchased``, ``already_reviewed`` and the like.
        """
        self._shop.api(
            "POST", f"products/{product}/reviews", login=customer.login, json={**body, "author_name": customer.name}
        )


class Staff:
    """What the people of the shop do, through its REST API."""

    def __init__(self, shop: Shop, login: Login) -> None:
        self._shop = shop
        self._login = login

    def put_free_shipping(self, code: str) -> None:
        """Offer a shipping method that costs nothing, whatever the weight, everywhere."""
        rate = {"state": "", "max_weight_grams": 2_000_000_000, "price": _money(Money(Decimal(0)))}
        body = {"name": "Frete incluso", "carrier": "Correios", "delivery_days": 7, "rates": [rate]}
        self._shop.api("PUT", f"shipping-methods/{code}", login=self._login, json=body)

    def import_products(self, csv: str) -> Any:
        """Import products and return the report."""
        headers = {"Content-Type": "text/csv"}
        return self._shop.api("POST", "catalog-imports", login=self._login, content=csv.encode(), headers=headers)

    def change_prices(self, prices: Mapping[str, Money]) -> Any:
        """Set prices by SKU (at most 1,000) and return the report."""
        body = [{"sku": sku, "price": _money(price)} for sku, price in prices.items()]
        return self._shop.api("POST", "price-changes", login=self._login, json=body)

    def any_order(self, status: str) -> bool:
        """Tell whether any order has ``status``."""
        page = self._shop.api("GET", f"staff/orders?status={status}&limit=1", login=self._login)
        return bool(page["results"])

    def ship(self, order: str, carrier: str, tracking_code: str) -> str:
        """Send all of an order as one parcel and return its id."""
        body = {"carrier": carrier, "tracking_code": tracking_code}
        return str(self._shop.api("POST", f"orders/{order}/shipments", login=self._login, json=body)["id"])

    def track(self, shipment: str, status: str, at: str) -> None:
        body = {"status": status, "at": at}
        self._shop.api("POST", f"shipments/{shipment}/tracking-events", login=self._login, json=body)


class Bank:
    """The payment sandbox, seen from the banks' side, and its own books."""

    def __init__(self, url: str, api_key: str) -> None:
        self._http = httpx.Client(base_url=url, timeout=TIMEOUT_SECONDS, trust_env=False)
        self._api_key = api_key

    def close(self) -> None:
        self._http.close()

    def pay_boletos(self) -> int:
        """Pay every open boleto and return how many there were; webhooks tell the shop."""
        return self.pay_pending("boleto")

    def pay_pending(self, method: str) -> int:
        """Pay everything that is open by ``boleto`` or ``pix``, as above."""
        return int(self._json(self._http.post("/control/pay-all-pending", json={"method": method}))["paid"])

    def pay(self, charge: str) -> None:
        """Let the customer pay, even what was voided meanwhile; a webhook tells the shop."""
        self._json(self._http.post(f"/control/charges/{charge}/pay", json={"force": True}))

    def tell_again(self, charge: str, *, times: int) -> None:
        """Send every webhook of a charge so many times more, with their old ids."""
        self._json(self._http.post(f"/control/charges/{charge}/webhooks", json={"times": times}))

    def behave(self, kind: str, **order: Any) -> None:
        """Order how the next operations go wrong."""
        self._json(self._http.post("/control/behaviour", json={"kind": kind, **order}))

    def charges(self, *, changed_since: str) -> Iterator[dict[str, Any]]:
        """Yield the charges that were made or changed since then, oldest first.

        Raises:
            Refused
        """
        parameters: dict[str, str] = {"limit": "1000", "changed_since": changed_since}
        headers = {"Authorization": f"Bearer {self._api_key}"}
        while True:
            page = self._json(self._http.get("/v1/books", params=parameters, headers=headers))
            yield from page["charges"]
            if page["next"] is None:
                return
            parameters["since"] = page["next"]

    def books(self) -> dict[str, Any]:
        """Return what the sandbox has captured and refunded, in all and by method."""
        headers = {"Authorization": f"Bearer {self._api_key}"}
        books: dict[str, Any] = self._json(self._http.get("/v1/books?limit=1", headers=headers))
        return books

    def _json(self, response: httpx.Response) -> Any:
        if response.is_error:
            raise Refused(response)
        return response.json()


def _login(response: httpx.Response) -> Login:
    meta = response.json()["meta"]
    return Login(meta["access_token"], meta["refresh_token"])


def _money(money: Money) -> dict[str, str]:
    return {"amount": str(money.amount), "currency": money.currency}
