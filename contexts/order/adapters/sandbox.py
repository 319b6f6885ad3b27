"""The sandbox payment server (``tests/sandbox_psp``), over HTTP."""

import hashlib
import hmac
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, ClassVar, Self, TypeVar
from uuid import UUID

import httpx
from django.conf import settings

from contexts.order.adapters.gateway import (
    BookedCharge,
    Capabilities,
    ChargeRequest,
    ChargeResult,
    ChargeStatus,
    GatewayRefused,
    GatewayUnavailable,
    OutcomeUnknown,
    PaymentGateway,
    WebhookEvent,
    WebhookMalformed,
    WebhookSignatureInvalid,
)
from contexts.order.domain import Method
from contexts.order.domain.banking_days import day_of
from ecommerce import codec
from ecommerce.calls.client import refuse_open_transaction
from ecommerce.deadline import seconds_left
from ecommerce.money import Money
from ecommerce.observability import outgoing

CONNECT_SECONDS = 1.0
READ_SECONDS = 5.0
PAGE = 500
"""Charges of the books per request."""
KEEP_ALIVE_SECONDS = 15.0
"""Shorter than the server's own 30 seconds, so that no request goes out on a connection about to be closed."""
SIGNATURE_TOLERANCE = timedelta(minutes=5)
NOTHING_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.LocalProtocolError,
    httpx.UnsupportedProtocol,
    httpx.InvalidURL,
)
STILL_OPEN = frozenset({"in_flight", "idempotency_key_reused"})
"""Refusals that leave it open whether an earlier request under the same key was executed."""

T = TypeVar("T")


@dataclass(frozen=True)
class Charge:
    id: str
    reference: str
    status: ChargeStatus
    amount: Decimal
    currency: str
    captured: Decimal
    refunded: Decimal
    decline_code: str
    client_data: dict[str, str]
    created_at: datetime

    def result(self) -> ChargeResult:
        held = self.amount if self.status == "authorized" else Decimal(0)
        return ChargeResult(
            gateway_id=self.id,
            status=self.status,
            authorized=Money(held, self.currency),
            captured=Money(self.captured, self.currency),
            refunded=Money(self.refunded, self.currency),
            decline_code=self.decline_code,
            client_data=self.client_data,
        )

    def booked(self) -> BookedCharge:
        return BookedCharge(
            gateway_id=self.id,
            attempt_id=_uuid(self.reference),
            status=self.status,
            captured=Money(self.captured, self.currency),
            refunded=Money(self.refunded, self.currency),
            created_at=self.created_at,
        )


@dataclass(frozen=True)
class WithCharge:
    charge: Charge


@dataclass(frozen=True)
class Charges:
    charges: list[Charge]


@dataclass(frozen=True)
class PageOfBooks:
    charges: list[Charge]
    next: str | None


@dataclass(frozen=True)
class ErrorDetail:
    code: str
    message: str = ""


@dataclass(frozen=True)
class Error:
    error: ErrorDetail


@dataclass(frozen=True)
class Event:
    id: str
    type: str
    data: WithCharge


@dataclass(frozen=True, kw_only=True)
class SandboxGateway(PaymentGateway):
    name: ClassVar[str] = "sandbox"
    capabilities: ClassVar[Capabilities] = Capabilities(
        methods=frozenset(Method),
        authorizes=frozenset({Method.CARD, Method.DEBIT_CARD, Method.VOUCHER}),
        instalments=True,
        partial_capture=True,
        partial_refund=True,
        webhooks=True,
    )

    url: str
    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    read_seconds: float = READ_SECONDS

    @classmethod
    def from_settings(cls) -> Self:
        return cls(
            url=settings.SANDBOX_PSP_URL.rstrip("/"),
            api_key=settings.SANDBOX_PSP_API_KEY,
            webhook_secret=settings.SANDBOX_PSP_WEBHOOK_SECRET,
        )

    def charge(self, request: ChargeRequest) -> ChargeResult:
        key = str(request.attempt_id)
        response = self._post("/v1/charges", _charge_body(request), key=key)
        match response.status_code:
            case 201:
                return _decoded(response, Charge).result()
            case 402:
                return _decoded(response, WithCharge).charge.result()
            case 422:
                nothing = Money(Decimal(0), request.amount.currency)
                code = _error(response).code
                return ChargeResult(
                    gateway_id="",
                    status="declined",
                    authorized=nothing,
                    captured=nothing,
                    refunded=nothing,
                    decline_code=code,
                )
            case _:
                raise _not_let_in(response)

    def find(self, attempt_id: UUID) -> ChargeResult | None:
        response = self._get("/v1/charges", {"idempotency_key": str(attempt_id)})
        if response.status_code != 200:
            raise OutcomeUnknown(f"the gateway answered {response.status_code}")
        charges = _decoded(response, Charges).charges
        return charges[0].result() if charges else None

    def fetch(self, gateway_id: str) -> ChargeResult:
        response = self._get(f"/v1/charges/{gateway_id}")
        match response.status_code:
            case 200:
                return _decoded(response, Charge).result()
            case 404:
                raise _refused(response)
            case _:
                raise OutcomeUnknown(f"the gateway answered {response.status_code}")

    def capture(self, gateway_id: str, capture_id: UUID, amount: Money) -> ChargeResult:
        response = self._post(f"/v1/charges/{gateway_id}/capture", {"amount": str(amount.amount)}, key=str(capture_id))
        match response.status_code:
            case 200:
                return _decoded(response, Charge).result()
            case 404 | 409 | 422:
                raise _refused(response)
            case _:
                raise _not_let_in(response)

    def refund(self, gateway_id: str, refund_id: UUID, amount: Money, reason: str) -> ChargeResult:
        body = {"amount": str(amount.amount), "reason": reason}
        response = self._post(f"/v1/charges/{gateway_id}/refunds", body, key=str(refund_id))
        match response.status_code:
            case 201:
                return _decoded(response, WithCharge).charge.result()
            case 404 | 422:
                raise _refused(response)
            case _:
                raise _not_let_in(response)

    def void(self, gateway_id: str) -> ChargeResult:
        response = self._post(f"/v1/charges/{gateway_id}/void", {})
        match response.status_code:
            case 200:
                return _decoded(response, Charge).result()
            case 404 | 409:
                raise _refused(response)
            case _:
                raise _not_let_in(response)

    def books(self, since: datetime, until: datetime) -> Iterator[BookedCharge]:
        window = {"changed_since": since.isoformat(), "created_before": until.isoformat(), "limit": str(PAGE)}
        last: str | None = ""
        while last is not None:
            response = self._get("/v1/books", {**window, "since": last})
            if response.status_code != 200:
                raise OutcomeUnknown(f"the gateway answered {response.status_code}")
            page = _decoded(response, PageOfBooks)
            yield from (charge.booked() for charge in page.charges)
            last = page.next

    def parse_webhook(self, headers: Mapping[str, str], raw_body: bytes, now: datetime) -> WebhookEvent:
        header = next((value for name, value in headers.items() if name.lower() == "sandbox-signature"), "")
        _verify(header, raw_body, secret=self.webhook_secret, now=now)
        try:
            event = codec.decode(raw_body, Event)
        except codec.Undecodable as error:
            raise WebhookMalformed(str(error)) from error
        charge = event.data.charge
        return WebhookEvent(id=event.id, type=event.type, gateway_id=charge.id, attempt_id=_uuid(charge.reference))

    def _post(self, path: str, body: dict[str, Any], *, key: str = "") -> httpx.Response:
        """Send a request that moves money; return the answer when it says what happened.

        Raises:
            GatewayUnavailable: nothing was sent.
            OutcomeUnknown: no answer, a broken one (5xx), or one that leaves an earlier request open.
        """
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key else {})
        try:
            response = self._send("POST", path, headers=headers, content=codec.encode(body))
        except NOTHING_SENT as error:
            raise GatewayUnavailable("the payment gateway cannot be reached") from error
        except httpx.TransportError as error:
            raise OutcomeUnknown(f"{type(error).__name__}: {error}") from error
        if response.status_code >= 500:
            raise OutcomeUnknown(f"the gateway answered {response.status_code}")
        if response.status_code in (409, 422) and _error(response).code in STILL_OPEN:
            raise OutcomeUnknown(_error(response).message)
        return response

    def _get(self, path: str, query: Mapping[str, str] | None = None) -> httpx.Response:
        """Ask a question; without an answer we know as little as before.

        Raises:
            OutcomeUnknown
        """
        try:
            return self._send("GET", path, headers={}, query=query)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise OutcomeUnknown(f"{type(error).__name__}: {error}") from error

    def _send(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str],
        content: bytes | None = None,
        query: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        refuse_open_transaction(f"payment gateway {self.name}")
        read, connect = seconds_left(self.read_seconds), seconds_left(CONNECT_SECONDS)
        if not read:
            raise httpx.PoolTimeout("no time is left to ask")
        seconds = httpx.Timeout(read, connect=connect, pool=connect).as_dict()
        with outgoing.request(self.name, method, host=httpx.URL(self.url).host) as asked:
            request = httpx.Request(
                method,
                f"{self.url}{path}",
                params=query,
                headers={"Authorization": f"Bearer {self.api_key}", **asked.headers, **headers},
                content=content,
                extensions={"timeout": seconds},
            )
            response = _client(os.getpid()).send(request)
            asked.answered(response.status_code)
        return response


@cache
def _client(process: int) -> httpx.Client:
    """Return the connection pool of a process: a forked child must not share its parent's sockets."""
    limits = httpx.Limits(max_connections=50, max_keepalive_connections=20, keepalive_expiry=KEEP_ALIVE_SECONDS)
    return httpx.Client(limits=limits, trust_env=False)


def _charge_body(request: ChargeRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "reference": str(request.attempt_id),
        "amount": str(request.amount.amount),
        "currency": request.amount.currency,
        "method": request.method,
        "capture": request.capture,
        "webhook_url": request.webhook_url,
        "return_url": request.return_url,
    }
    match request.method:
        case "card" | "debit_card":
            body["card"] = {"token": request.token, "installments": request.installments}
        case "voucher":
            body["voucher"] = {"code": request.voucher_code}
        case "pix":
            body["pix"] = {"txid": request.attempt_id.hex, "expires_at": request.expires_at}
        case "boleto":
            due = request.due_at or request.expires_at
            body["boleto"] = {
                "due_date": day_of(due) if due else None,
                "payer_name": request.payer_name,
                "payer_tax_id": request.payer_tax_id,
            }
    return body


def _decoded(response: httpx.Response, type_: type[T]) -> T:
    """Return the body of an answer.

    Raises:
        OutcomeUnknown: it is not what was agreed, though something was done.
    """
    try:
        return codec.decode(response.content, type_)
    except codec.Undecodable as error:
        raise OutcomeUnknown(f"the gateway answered {response.status_code} with something else: {error}") from error


def _error(response: httpx.Response) -> ErrorDetail:
    try:
        return codec.decode(response.content, Error).error
    except codec.Undecodable:
        return ErrorDetail(code=f"http_{response.status_code}")


def _refused(response: httpx.Response) -> GatewayRefused:
    error = _error(response)
    return GatewayRefused(f"the payment gateway refused: {error.message}", gateway_code=error.code)


def _not_let_in(response: httpx.Response) -> GatewayUnavailable | OutcomeUnknown:
    """Return the error of an answer that is no answer to our question: a wrong key or address, too many requests.

    One that speaks of success, though not in the way that was agreed, leaves the outcome open.
    """
    if response.status_code < 400:
        return OutcomeUnknown(f"the gateway answered {response.status_code}, which it never does")
    code = _error(response).code
    return GatewayUnavailable(f"the payment gateway does not let us in: {response.status_code} {code}")


def _verify(header: str, raw_body: bytes, *, secret: str, now: datetime) -> None:
    """Check a ``Sandbox-Signature``: ``t=<unix time>,v1=<hex HMAC-SHA256 of "<t>.<raw body>">``."""
    parts = dict(part.partition("=")[::2] for part in header.split(","))
    signed_at, given = parts.get("t", ""), parts.get("v1", "")
    if not (secret and given and signed_at.isascii() and signed_at.isdecimal()):
        raise WebhookSignatureInvalid("the webhook is not signed, or no secret is set")
    expected = hmac.new(secret.encode(), f"{signed_at}.".encode() + raw_body, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(expected.encode(), given.encode()):
        raise WebhookSignatureInvalid("the signature of the webhook is wrong")
    if abs(now.timestamp() - int(signed_at)) > SIGNATURE_TOLERANCE.total_seconds():
        raise WebhookSignatureInvalid("the signature of the webhook is too old or from the future")


def _uuid(text: str) -> UUID | None:
    try:
        return UUID(text)
    except ValueError:
        return None
