"""What ``localstripe`` lacks, put in front of it and into it: only what Stripe documents, and faults to order.

``README.md`` says which behaviour is whose. One process, one thread: between two ``await`` nothing else happens.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web
from localstripe import resources, server
from localstripe.errors import UserError
from localstripe.resources import Charge, Event, PaymentIntent, PaymentMethod, Refund, store
from localstripe.webhooks import register_webhook, schedule_webhook

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
TEST_CARDS = {
    "pm_card_visa": "4242424242424242",
    "pm_card_mastercard": "5555555555554444",
    "pm_card_chargeDeclined": "4000000000000002",
    "pm_card_chargeDeclinedInsufficientFunds": "4000000000009995",
    "pm_card_chargeDeclinedLostCard": "4000000000009987",
    "pm_card_chargeDeclinedExpiredCard": "4000000000000069",
    "pm_card_threeDSecure2Required": "4000000000003220",
}
"""Stripe's own names of payment methods for tests, each with its test card."""
DECLINES = {
    "4000000000000002": ("card_declined", "generic_decline"),
    "4000000000009995": ("card_declined", "insufficient_funds"),
    "4000000000009987": ("card_declined", "lost_card"),
    "4000000000000069": ("expired_card", None),
    "4000000000000341": ("card_declined", "generic_decline"),
}
"""``code`` and ``decline_code`` of the test cards that are declined."""


@dataclass(frozen=True)
class Stored:
    request: tuple[str, bytes]
    status: int
    body: bytes


@dataclass
class Front:
    """Idempotency keys, and the faults that are still to come."""

    address: str
    hang_seconds: float
    answers: dict[str, Stored] = field(default_factory=dict)
    faults: list[dict[str, Any]] = field(default_factory=list)

    async def order_fault(self, request: web.Request) -> web.Response:
        """``{"kind", "path": "/v1/payment_intents"}``: the next POST to a path that begins so goes wrong."""
        self.faults.append({"path": "/v1/", **await request.json()})
        return web.json_response({"waiting": self.faults})

    async def forget_faults(self, request: web.Request) -> web.Response:
        self.faults.clear()
        return web.json_response({})

    async def forget_keys(self, request: web.Request) -> web.Response:
        """What a day does to idempotency keys."""
        self.answers.clear()
        return web.json_response({})

    def fault(self, request: web.Request) -> str:
        """Take the fault that was ordered for this request, if any."""
        for fault in self.faults:
            if request.method == "POST" and request.path.startswith(fault["path"]):
                self.faults.remove(fault)
                return str(fault["kind"])
        return ""


def application(front: Front, *, webhook_url: str, webhook_secret: str) -> web.Application:
    """Return localstripe's application, completed."""
    _keep_in_memory()
    _complete_objects(front)
    server.app.middlewares.insert(0, _idempotency(front))
    server.app.middlewares.insert(0, _faults(front))
    server.app.middlewares.insert(0, _lists)
    server.app.router.add_post("/_front/faults", front.order_fault)
    server.app.router.add_delete("/_front/faults", front.forget_faults)
    server.app.router.add_delete("/_front/keys", front.forget_keys)
    server.app.router.add_post("/_front/3ds/{id}/{outcome}", _leave_3ds)
    if webhook_url:
        register_webhook("front", webhook_url, webhook_secret, None)
    return server.app


# --- what goes wrong, and what is repeated ---------------------------------------------------------------------------
def _faults(front: Front) -> Handler:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        kind = front.fault(request)
        if kind == "rate_limit":
            return _error(429, "rate_limit_error", "rate_limit", "Too many requests")
        if kind == "in_flight":
            return _error(409, "idempotency_error", "idempotency_key_in_use", "There is another request with this key")
        if kind.endswith("_before"):
            return await _lost(front, kind)
        answer = await handler(request)
        return await _lost(front, kind) if kind.endswith("_after") else answer

    return middleware


async def _lost(front: Front, kind: str) -> web.Response:
    if kind.startswith("hang"):
        await asyncio.sleep(front.hang_seconds)
    return _error(500, "api_error", "", "An error occurred, as ordered")


def _idempotency(front: Front) -> Handler:
    @web.middleware
    async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        key = request.headers.get("Idempotency-Key", "")
        if request.method != "POST" or not key:
            return await handler(request)
        asked = (request.path, await request.read())
        if stored := front.answers.get(key):
            if stored.request != asked:
                message = "Keys for idempotent requests can only be used with the same parameters"
                return _error(400, "idempotency_error", "", message)
            headers = {"Idempotent-Replayed": "true"}
            return web.Response(
                status=stored.status, body=stored.body, content_type="application/json", headers=headers
            )
        answer = await handler(request)
        if isinstance(answer, web.Response) and answer.status in (200, 402):
            front.answers[key] = Stored(asked, answer.status, bytes(answer.body))  # type: ignore[arg-type]
        return answer

    return middleware


# --- lists -----------------------------------------------------------------------------------------------------------
@web.middleware
async def _lists(request: web.Request, handler: Handler) -> web.StreamResponse:
    """List intents and refunds as Stripe does: newest first, by ``created``, page by page."""
    kinds = {"/v1/payment_intents": PaymentIntent, "/v1/refunds": Refund}
    if request.method != "GET" or request.path not in kinds:
        return await handler(request)
    if server.get_api_key(request) is None:
        return _error(401, "invalid_request_error", "", "Invalid API Key provided")
    query = server.unflatten_data(request.query)
    try:
        page, more = _page(kinds[request.path], query)
    except UserError as error:
        return error.to_response()
    return web.json_response({"object": "list", "url": request.path, "has_more": more, "data": page})


def _page(kind: Any, query: dict[str, Any]) -> tuple[list[Any], bool]:
    found = [each for key, each in store.items() if key.startswith(f"{kind.object}:")]
    intent_id, created = query.get("payment_intent"), query.get("created", {})
    if intent_id:
        PaymentIntent._api_retrieve(intent_id)
        found = [each for each in found if _intent_of(each).id == intent_id]
    found = [each for each in found if int(created.get("gte", 0)) <= each.created < int(created.get("lt", 2**62))]
    found.reverse()
    if last := query.get("starting_after"):
        found = found[[each.id for each in found].index(last) + 1 :]
    limit = int(query.get("limit", 10))
    expand = [name.removeprefix("data.") for name in query.get("expand", [])]
    return [each._export(expand=list(expand)) for each in found[:limit]], len(found) > limit


def _intent_of(refund: Any) -> Any:
    return PaymentIntent._api_retrieve(Charge._api_retrieve(refund.charge).payment_intent)


# --- objects ---------------------------------------------------------------------------------------------------------
def _keep_in_memory() -> None:
    """localstripe writes all it knows to one file in /tmp at every change: servers side by side would share it."""
    resources.Store.dump_to_disk = lambda self: None


def _complete_objects(front: Front) -> None:
    """Give localstripe's objects the fields, refusals and events that it leaves out."""
    PaymentMethod._try_get_canonical_test_article = classmethod(_test_article)
    PaymentMethod._charging_is_declined = lambda self: self._card_number in DECLINES
    Charge.amount_captured = property(_captured)
    Charge.payment_method_details = property(_details)
    Charge._raise_failure = _raise_failure
    PaymentIntent.amount_received = property(lambda self: _captured(self.latest_charge))
    PaymentIntent.amount_capturable = property(lambda self: self.amount * (self.status == "requires_capture"))
    PaymentIntent.cancellation_reason = None
    PaymentIntent.last_payment_error = property(_last_error(PaymentIntent.last_payment_error.fget))
    _wrap(PaymentIntent, "_api_create", lambda make, **data: _create_intent(front, make, **data))
    _wrap(PaymentIntent, "_api_cancel", _cancel)
    _wrap(Refund, "_api_create", _create_refund)
    capture = ("POST", "/v1/payment_intents/{id}/capture")
    cancel = ("POST", "/v1/payment_intents/{id}/cancel")
    _replace_route(*capture, _guarded(PaymentIntent._api_capture))
    _replace_route(*cancel, PaymentIntent._api_cancel)
    original = UserError.to_response
    UserError.to_response = lambda self: original(_with_code(self))


def _wrap(owner: Any, name: str, around: Callable[..., Any]) -> None:
    inner = getattr(owner, name)
    setattr(owner, name, lambda **data: around(inner, **data))


def _replace_route(method: str, path: str, act: Callable[..., Any]) -> None:
    """localstripe bound its own function to the path when it was imported; the last one that is found wins here."""
    resource = next(each for each in server.app.router.resources() if each.canonical == path)
    route = next(each for each in resource if each.method == method)
    route._handler = _async(server.api_extra(act, path))


def _async(handler: Any) -> Any:
    async def run(request: web.Request) -> web.StreamResponse:
        return await handler(request)

    return run


def _create_intent(front: Front, make: Callable[..., Any], *, return_url: str = "", **data: Any) -> Any:
    intent = make(**data)
    if intent.next_action and return_url:
        url = f"{front.address}/_front/3ds/{intent.id}"
        intent.next_action = {"type": "redirect_to_url", "redirect_to_url": {"url": url, "return_url": return_url}}
        intent._return_url = return_url
    return intent


def _cancel(cancel: Callable[..., Any], *, id: str) -> Any:
    intent = PaymentIntent._api_retrieve(id)
    if intent.status not in ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action"):
        raise _unexpected_state(intent)
    cancel(id=id)
    schedule_webhook(Event("payment_intent.canceled", intent))
    return intent


def _guarded(capture: Callable[..., Any]) -> Callable[..., Any]:
    def act(id: str, amount_to_capture: Any = None) -> Any:
        intent = PaymentIntent._api_retrieve(id)
        if intent.status != "requires_capture":
            raise _unexpected_state(intent)
        if int(amount_to_capture or 0) > intent.amount:
            raise UserError(400, "More than was authorized.", {"code": "amount_too_large"})
        return capture(id=id, amount_to_capture=amount_to_capture)

    return act


def _create_refund(make: Callable[..., Any], **data: Any) -> Any:
    """Refuse more than is left, as Stripe does, and tell of what was refunded."""
    intent = PaymentIntent._api_retrieve(data["payment_intent"])
    charge = intent.latest_charge
    left = charge.amount - charge.amount_refunded if _captured(charge) else 0
    if int(data.get("amount", left)) > left:
        code = "charge_already_refunded" if not left else "refund_too_large"
        raise UserError(400, "Refund amount is greater than unrefunded amount on charge", {"code": code})
    refund = make(**data)
    schedule_webhook(Event("charge.refunded", charge))
    return refund


def _captured(charge: Any) -> int:
    """Return what was taken: all, or what a partial capture left, for localstripe books the rest as a refund."""
    if charge is None or not charge.captured or charge.status != "succeeded":
        return 0
    let_go = [each for each in store.values() if isinstance(each, Refund) and each.charge == charge.id]
    return charge.amount - sum(each.amount for each in let_go if each.payment_intent is None)


def _details(charge: Any) -> dict[str, Any]:
    card = PaymentMethod._api_retrieve(charge.payment_method).card
    return {"type": "card", "card": {"brand": card["brand"], "last4": card["last4"]}}


def _raise_failure(charge: Any) -> None:
    method = PaymentMethod._api_retrieve(charge.payment_method)
    code, decline_code = DECLINES[method._card_number]
    charge.failure_code = code
    charge.failure_decline_code = decline_code
    intent = PaymentIntent._api_retrieve(charge.payment_intent)._export()
    facts = {"code": code, "decline_code": decline_code, "charge": charge.id, "payment_intent": intent}
    error = UserError(402, charge.failure_message, facts)
    error.body["error"]["type"] = "card_error"
    raise error


def _last_error(known: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def last_error(intent: Any) -> Any:
        found = known(intent)
        declined = getattr(intent.latest_charge, "failure_decline_code", None)
        return {**found, "decline_code": declined} if found else None

    return last_error


def _test_article(cls: Any, id: str) -> Any:
    if id not in TEST_CARDS:
        return None
    card = {"number": TEST_CARDS[id], "exp_month": "12", "exp_year": "2030", "cvc": "123"}
    return PaymentMethod(type="card", card=card)


def _unexpected_state(intent: Any) -> UserError:
    message = f"This PaymentIntent's status is {intent.status}."
    return UserError(400, message, {"code": "payment_intent_unexpected_state"})


def _with_code(error: UserError) -> UserError:
    if error.code == 404:
        error.body["error"].setdefault("code", "resource_missing")
    return error


async def _leave_3ds(request: web.Request) -> web.Response:
    """The bank's page: the customer passes or fails, and goes back to the shop."""
    intent = PaymentIntent._api_retrieve(request.match_info["id"])
    success = request.match_info["outcome"] == "approve"
    PaymentIntent._api_authenticate(id=intent.id, client_secret=intent.client_secret, success=success)
    return web.Response(status=303, headers={"Location": intent._return_url})


def _error(status: int, type_: str, code: str, message: str) -> web.Response:
    facts = {"type": type_, "message": message, **({"code": code} if code else {})}
    return web.json_response({"error": facts}, status=status, dumps=json.dumps)
