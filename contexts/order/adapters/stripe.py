"""Stripe, through its own package: cards, by PaymentIntents.

``stripe`` is imported when the first request is made: it takes most of a second, and processes that charge nobody (or
charge elsewhere) never pay for it.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, ClassVar, Self, TypeVar
from uuid import UUID

from django.conf import settings

from contexts.order.adapters.gateway import (
    BookedCharge,
    Capabilities,
    ChargeRequest,
    ChargeResult,
    GatewayRefused,
    GatewayUnavailable,
    OutcomeUnknown,
    PaymentGateway,
    WebhookEvent,
    WebhookMalformed,
    WebhookSignatureInvalid,
)
from contexts.order.adapters.stripe_objects import (
    Event,
    Failed,
    Failure,
    Intent,
    Intents,
    PaymentError,
    Refund,
    Refunds,
    as_uuid,
    units_of,
)
from contexts.order.domain import Method
from ecommerce import codec
from ecommerce.calls.client import refuse_open_transaction
from ecommerce.deadline import seconds_left
from ecommerce.money import Money

if TYPE_CHECKING:
    from stripe import APIConnectionError, StripeClient

CONNECT_SECONDS = 2.0
READ_SECONDS = 10.0
PAGE = 100
SIGNATURE_TOLERANCE = timedelta(minutes=5)
SOUGHT = ((timedelta(minutes=-1), timedelta(minutes=2)), (timedelta(minutes=2), timedelta(hours=2)))
"""Where ``find`` looks, after the time of the attempt's id: first where a charge nearly always is, then as long as one
may be begun, and more."""
CARDS = frozenset({Method.CARD, Method.DEBIT_CARD})
EXPAND = ["latest_charge"]
T = TypeVar("T")
Query = dict[str, Any]


class Refused(Exception):
    """Stripe understood and did nothing."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure

    @property
    def code(self) -> str:
        return PaymentError(self.failure.code or "invalid_request", self.failure.decline_code).reason


@dataclass(frozen=True, kw_only=True)
class StripeGateway(PaymentGateway):
    name: ClassVar[str] = "stripe"
    capabilities: ClassVar[Capabilities] = Capabilities(
        methods=CARDS, authorizes=CARDS, partial_capture=True, partial_refund=True, webhooks=True
    )

    api_key: str = field(repr=False)
    webhook_secret: str = field(repr=False)
    url: str = ""
    """Another address than Stripe's own: a server for tests."""
    read_seconds: float = READ_SECONDS

    @classmethod
    def from_settings(cls) -> Self:
        return cls(
            api_key=settings.STRIPE_API_KEY,
            webhook_secret=settings.STRIPE_WEBHOOK_SECRET,
            url=settings.STRIPE_API_URL.rstrip("/"),
        )

    def charge(self, request: ChargeRequest) -> ChargeResult:
        options = {"idempotency_key": str(request.attempt_id)}
        body = _charge_body(request)
        try:
            return self._act(lambda client: client.v1.payment_intents.create(body, options), Intent).result()  # type: ignore[arg-type]
        except Refused as refused:
            nothing = Money(Decimal(0), request.amount.currency)
            opened = refused.failure.payment_intent or {}
            return ChargeResult(
                gateway_id=str(opened.get("id", "")),
                status="declined",
                authorized=nothing,
                captured=nothing,
                refunded=nothing,
                decline_code=refused.code,
            )

    def find(self, attempt_id: UUID) -> ChargeResult | None:
        for since, until in _windows(attempt_id):
            for intent in self._intents(since, until):
                if intent.attempt_id == attempt_id:
                    return intent.result()
        return None

    def fetch(self, gateway_id: str) -> ChargeResult:
        try:
            return self._ask(
                lambda client: client.v1.payment_intents.retrieve(gateway_id, {"expand": EXPAND}), Intent
            ).result()
        except Refused as refused:
            raise _refusal(refused) from refused

    def capture(self, gateway_id: str, capture_id: UUID, amount: Money) -> ChargeResult:
        options = {"idempotency_key": str(capture_id)}
        try:
            return self._act(
                lambda client: client.v1.payment_intents.capture(
                    gateway_id,
                    {"amount_to_capture": units_of(amount), "expand": EXPAND},
                    options,  # type: ignore[arg-type]
                ),
                Intent,
            ).result()
        except Refused as refused:
            found = self.fetch(gateway_id)
            if found.captured == amount:
                return found
            raise _refusal(refused) from refused

    def refund(self, gateway_id: str, refund_id: UUID, amount: Money, reason: str) -> ChargeResult:
        """As the port says. Stripe forgets its idempotency keys after a day, so the refund is looked for first."""
        body = {
            "payment_intent": gateway_id,
            "amount": units_of(amount),
            "metadata": {"refund_id": str(refund_id), "reason": reason[:500]},
            "expand": [f"payment_intent.{EXPAND[0]}"],
        }
        options = {"idempotency_key": str(refund_id)}
        try:
            earlier = self._refunds({"payment_intent": gateway_id})
            made = next((each for each in earlier if each.metadata.get("refund_id") == str(refund_id)), None)
            if made is None:
                made = self._act(lambda client: client.v1.refunds.create(body, options), Refund)  # type: ignore[arg-type]
        except Refused as refused:
            raise _refusal(refused) from refused
        if made.status in ("failed", "canceled"):
            raise GatewayRefused("the payment gateway refused the refund", gateway_code=made.failure_reason or "failed")
        return made.payment_intent.result() if isinstance(made.payment_intent, Intent) else self.fetch(gateway_id)

    def void(self, gateway_id: str) -> ChargeResult:
        try:
            return self._act(
                lambda client: client.v1.payment_intents.cancel(gateway_id, {"expand": EXPAND}), Intent
            ).result()
        except Refused as refused:
            found = self.fetch(gateway_id)
            if found.status in ("voided", "expired"):
                return found
            raise _refusal(refused) from refused

    def books(self, since: datetime, until: datetime) -> Iterator[BookedCharge]:
        """As the port says: the intents of that time, and those that refunds of that time belong to."""
        for intent in self._intents(since, until):
            if intent.is_of_the_shop:
                yield intent.booked()
        refunded = {"created": _created(since, until), "expand": [f"data.payment_intent.{EXPAND[0]}"]}
        with _refusal_is_silence():
            for refund in self._refunds(refunded):
                if isinstance(refund.payment_intent, Intent) and refund.payment_intent.is_of_the_shop:
                    yield refund.payment_intent.booked()

    def parse_webhook(self, headers: Mapping[str, str], raw_body: bytes, now: datetime) -> WebhookEvent:
        header = next((value for name, value in headers.items() if name.lower() == "stripe-signature"), "")
        _verify(header, raw_body, secret=self.webhook_secret, now=now)
        try:
            event = codec.decode(raw_body, Event)
        except codec.Undecodable as error:
            raise WebhookMalformed(str(error)) from error
        about = event.data.object
        intent_id = about.id if about.object == "payment_intent" else about.payment_intent
        if not intent_id:
            raise WebhookMalformed(f"{event.type} is not about a payment: do not send it here")
        attempt_id = as_uuid((about.metadata or {}).get("attempt_id", ""))
        return WebhookEvent(id=event.id, type=event.type, gateway_id=intent_id, attempt_id=attempt_id)

    def _intents(self, since: datetime, until: datetime) -> Iterator[Intent]:
        """Yield the intents created in a time, newest first.

        Raises:
            OutcomeUnknown
        """
        query: Query = {"created": _created(since, until), "expand": [f"data.{EXPAND[0]}"], "limit": PAGE}
        with _refusal_is_silence():
            while True:
                page = self._ask(lambda client: client.v1.payment_intents.list(query), Intents)  # type: ignore[arg-type] # noqa: B023
                yield from page.data
                if not page.has_more:
                    return
                query = {**query, "starting_after": page.data[-1].id}

    def _refunds(self, chosen: Query) -> Iterator[Refund]:
        """Yield refunds, newest first.

        Raises:
            Refused: there is no such intent.
            OutcomeUnknown
        """
        query = {"limit": PAGE, **chosen}
        while True:
            page = self._ask(lambda client: client.v1.refunds.list(query), Refunds)  # type: ignore[arg-type] # noqa: B023
            yield from page.data
            if not page.has_more:
                return
            query = {**query, "starting_after": page.data[-1].id}

    def _ask(self, act: Callable[[StripeClient], Any], type_: type[T]) -> T:
        """Ask a question; without an answer we know as little as before.

        Raises:
            Refused, OutcomeUnknown
        """
        try:
            return self._act(act, type_)
        except GatewayUnavailable as error:
            raise OutcomeUnknown(error.detail) from error

    def _act(self, act: Callable[[StripeClient], Any], type_: type[T]) -> T:
        """Send a request and return the answer as ``type_``.

        Raises:
            Refused
            GatewayUnavailable: nothing was sent, no time is left to, or we are not let in.
            OutcomeUnknown: no answer, a broken one, or one that leaves an earlier request open.
        """
        refuse_open_transaction(f"payment gateway {self.name}")
        import stripe

        if not seconds_left(self.read_seconds):
            raise GatewayUnavailable("no time is left to ask")
        try:
            answer = act(_client(os.getpid(), self.api_key, self.url, self.read_seconds)).last_response.body
        except stripe.APIConnectionError as error:
            if _never_left(error):
                raise GatewayUnavailable("the payment gateway cannot be reached") from error
            raise OutcomeUnknown(f"no answer: {type(error.__cause__).__name__}") from error
        except (stripe.AuthenticationError, stripe.PermissionError, stripe.RateLimitError) as error:
            raise GatewayUnavailable(f"the payment gateway does not let us in: {error.http_status}") from error
        except stripe.IdempotencyError as error:
            raise OutcomeUnknown("another request was made under this key") from error
        except (stripe.CardError, stripe.InvalidRequestError) as error:
            raise Refused(_failure(error.http_body)) from error
        except stripe.StripeError as error:
            raise OutcomeUnknown(f"the gateway answered {error.http_status}") from error
        try:
            return codec.decode(answer, type_)
        except codec.Undecodable as error:
            raise OutcomeUnknown(f"the gateway answered something else: {error}") from error


@lru_cache(maxsize=8)
def _client(process: int, api_key: str, url: str, read_seconds: float) -> StripeClient:
    """Return the client of a process, with a connection for each thread: a forked child must not share sockets."""
    import stripe

    from contexts.order.adapters.stripe_http import ObservedClient

    logging.getLogger("stripe").setLevel(logging.WARNING)  # below that it logs what it sends
    return stripe.StripeClient(
        api_key,
        base_addresses={"api": url or stripe.DEFAULT_API_BASE},
        max_network_retries=0,
        http_client=ObservedClient(timeout=(CONNECT_SECONDS, read_seconds)),
    )


def _never_left(error: APIConnectionError) -> bool:
    """Tell whether no connection came about, so that nothing can have been done. In doubt something was."""
    import requests
    from urllib3.exceptions import MaxRetryError, NewConnectionError

    cause = error.__cause__
    if isinstance(cause, requests.ConnectTimeout | requests.exceptions.InvalidURL):
        return True
    inner = cause.args[0] if isinstance(cause, requests.ConnectionError) and cause.args else None
    return isinstance(inner, MaxRetryError) and isinstance(inner.reason, NewConnectionError)


def _charge_body(request: ChargeRequest) -> dict[str, Any]:
    body: dict[str, Any] = {
        "amount": units_of(request.amount),
        "currency": request.amount.currency.lower(),
        "payment_method": request.token,
        "payment_method_types": ["card"],
        "capture_method": "automatic" if request.capture else "manual",
        "confirm": True,
        "metadata": {"attempt_id": str(request.attempt_id)},
        "expand": EXPAND,
    }
    return body | ({"return_url": request.return_url} if request.return_url else {})


def _created(since: datetime, until: datetime) -> dict[str, int]:
    return {"gte": int(since.timestamp()), "lt": int(until.timestamp())}


def _windows(attempt_id: UUID) -> Iterator[tuple[datetime, datetime]]:
    """Yield the times in which an attempt may have been charged: a UUIDv7 begins with its milliseconds."""
    begun = datetime.fromtimestamp((attempt_id.int >> 80) / 1000, UTC)
    return ((begun + since, begun + until) for since, until in SOUGHT)


@contextmanager
def _refusal_is_silence() -> Iterator[None]:
    """A list that is refused has told us nothing."""
    try:
        yield
    except Refused as refused:
        raise OutcomeUnknown(f"the gateway refused to answer: {refused}") from refused


def _failure(body: str | None) -> Failure:
    try:
        return codec.decode(body or "", Failed).error
    except codec.Undecodable:
        return Failure()


def _refusal(refused: Refused) -> GatewayRefused:
    return GatewayRefused(f"the payment gateway refused: {refused}", gateway_code=refused.code)


def _verify(header: str, raw_body: bytes, *, secret: str, now: datetime) -> None:
    """Check a ``Stripe-Signature``. The package compares in constant time, but knows no clock except the machine's.

    Of a signature with letters beyond ASCII it makes a TypeError.
    """
    import stripe

    try:
        stripe.WebhookSignature.verify_header(raw_body, header, secret)
        signed_at = next(int(part[2:]) for part in header.split(",") if part.startswith("t="))
    except (stripe.SignatureVerificationError, TypeError, ValueError, StopIteration) as error:
        raise WebhookSignatureInvalid("the webhook is not signed by the payment gateway") from error
    if abs(now.timestamp() - signed_at) > SIGNATURE_TOLERANCE.total_seconds():
        raise WebhookSignatureInvalid("the signature of the webhook is too old or from the future")
