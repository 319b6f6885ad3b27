"""The routes: the API of the payment company under ``/v1``, the control API and page, and the 3-D Secure page."""

from datetime import datetime

import msgspec

from tests.sandbox_psp import pages
from tests.sandbox_psp.books import Books, Row, as_charge
from tests.sandbox_psp.configuration import Configuration
from tests.sandbox_psp.messages import (
    BehaviourInput,
    CaptureInput,
    CardTokenInput,
    ChargeInput,
    ControlRefundInput,
    Currency,
    PayAllInput,
    PayInput,
    RefundInput,
    Refusal,
    WebhookInput,
    decimal,
    timestamp,
)
from tests.sandbox_psp.processor import Processor
from tests.sandbox_psp.webhooks import Webhooks
from tests.sandbox_psp.wsgi import Application, Request, Response, Route, answer, redirect

CHARGE = msgspec.json.Decoder(ChargeInput)
REFUND = msgspec.json.Decoder(RefundInput)
CAPTURE = msgspec.json.Decoder(CaptureInput)
CARD_TOKEN = msgspec.json.Decoder(CardTokenInput)


class Api:
    """One method per route of ``/v1``."""

    def __init__(self, processor: Processor, books: Books) -> None:
        self._processor = processor
        self._books = books

    def create_charge(self, request: Request) -> Response:
        return Response(*self._processor.create_charge(_idempotency_key(request), request.json(CHARGE)))

    def charge(self, request: Request) -> Response:
        return answer(as_charge(self._processor.found(request.item)))

    def charges(self, request: Request) -> Response:
        if key := request.query("idempotency_key"):
            rows = self._books.charges_by("idempotency_key", key)
        elif reference := request.query("reference"):
            rows = self._books.charges_by("reference", reference)
        else:
            raise Refusal(400, "missing_filter", "name a reference or an idempotency_key; see also /v1/books")
        return answer({"charges": [as_charge(row) for row in rows]})

    def capture(self, request: Request) -> Response:
        return answer(self._processor.capture(request.item, request.json(CAPTURE)))

    def void(self, request: Request) -> Response:
        return answer(self._processor.void(request.item))

    def refund(self, request: Request) -> Response:
        return Response(*self._processor.refund(request.item, _idempotency_key(request), request.json(REFUND)))

    def refunds(self, request: Request) -> Response:
        return answer({"refunds": self._processor.refunds(request.item)})

    def books(self, request: Request) -> Response:
        """Totals of everything, and the charges after ``since`` in the order of their creation."""
        currency = _currency(request.query("currency", "BRL"))
        limit = _number(request.query("limit", "100"), 1, 1000)
        since = request.query("since")
        last = self._books.charge(since) if since else None
        if since and last is None:
            raise Refusal(404, "charge_not_found", "there is no charge to go on from")
        changed_since = _time(request.query("changed_since"), earliest=True)
        created_before = _time(request.query("created_before"), earliest=False)
        rows = self._books.charges_after(
            last["seq"] if last else 0, limit + 1, changed_since=changed_since, created_before=created_before
        )
        charges = [as_charge(row) for row in rows[:limit]]
        more = charges[-1].id if len(rows) > limit else None
        return answer({**_totals(self._books, currency), "charges": charges, "next": more})

    def create_card_token(self, request: Request) -> Response:
        return answer(self._processor.create_card_token(request.json(CARD_TOKEN)), 201)


class Control:
    """One method per button of the page; a program may press them too, with JSON."""

    def __init__(self, processor: Processor, books: Books, configuration: Configuration) -> None:
        self._processor = processor
        self._books = books
        self._configuration = configuration

    def page(self, request: Request) -> Response:
        charges = [as_charge(row) for row in self._books.latest_charges(50)]
        waiting = self._processor.behaviours.waiting()
        return pages.control(charges, self._books.webhook_log("", 30), waiting, _totals(self._books, "BRL"))

    def pay(self, request: Request) -> Response:
        order = request.form_or_json(PayInput)
        return _done(request, self._processor.pay(request.item, force=order.force))

    def expire(self, request: Request) -> Response:
        return _done(request, self._processor.expire(request.item))

    def refund(self, request: Request) -> Response:
        status, body = self._processor.refund_by_hand(request.item, request.form_or_json(ControlRefundInput).amount)
        return redirect("/") if request.is_form else Response(status, body)

    def send_webhooks(self, request: Request) -> Response:
        written = self._processor.send_webhooks_again(request.item, request.form_or_json(WebhookInput))
        return _done(request, {"written": written})

    def pay_all(self, request: Request) -> Response:
        return _done(request, {"paid": self._processor.pay_all(request.form_or_json(PayAllInput).method)})

    def order_behaviour(self, request: Request) -> Response:
        self._processor.behaviours.order(request.form_or_json(BehaviourInput))
        return self._behaviours(request)

    def clear_behaviour(self, request: Request) -> Response:
        self._processor.behaviours.clear()
        return self._behaviours(request)

    def behaviours(self, request: Request) -> Response:
        return self._behaviours(request)

    def webhooks(self, request: Request) -> Response:
        limit = _number(request.query("limit", "100"), 1, 1000)
        return answer({"webhooks": self._books.webhook_log(request.query("charge_id"), limit)})

    def three_ds(self, request: Request) -> Response:
        return pages.three_ds(as_charge(self._processor.found(request.item)))

    def approve_3ds(self, request: Request) -> Response:
        return self._leave_3ds(request, "approved")

    def fail_3ds(self, request: Request) -> Response:
        return self._leave_3ds(request, "failed")

    def _leave_3ds(self, request: Request, outcome: str) -> Response:
        row = self._processor.found(request.item)
        if row["status"] == "requires_action":
            act = self._processor.pay if outcome == "approved" else self._processor.fail_authentication
            act(request.item)
        return redirect(row["return_url"] or f"/3ds/{request.item}")

    def _behaviours(self, request: Request) -> Response:
        return _done(request, {"waiting": self._processor.behaviours.waiting()})


def application(configuration: Configuration) -> Application:
    """Open the books, start the delivery of webhooks and return the WSGI application."""
    books = Books(configuration.data / "books.sqlite3")
    webhooks = Webhooks(books, secret=configuration.webhook_secret, default_url=configuration.webhook_url)
    processor = Processor(books, webhooks, configuration)
    api, control = Api(processor, books), Control(processor, books, configuration)
    webhooks.start()
    secret = (configuration.api_key,)
    either = (configuration.api_key, configuration.publishable_key)
    routes = {
        ("POST", "/v1/charges"): Route(api.create_charge, secret),
        ("GET", "/v1/charges"): Route(api.charges, secret),
        ("GET", "/v1/charges/{id}"): Route(api.charge, secret),
        ("POST", "/v1/charges/{id}/capture"): Route(api.capture, secret),
        ("POST", "/v1/charges/{id}/void"): Route(api.void, secret),
        ("POST", "/v1/charges/{id}/refunds"): Route(api.refund, secret),
        ("GET", "/v1/charges/{id}/refunds"): Route(api.refunds, secret),
        ("GET", "/v1/books"): Route(api.books, secret),
        ("POST", "/v1/card_tokens"): Route(api.create_card_token, either, any_origin=True),
        ("OPTIONS", "/v1/card_tokens"): Route(lambda request: Response(204, b""), any_origin=True),
        ("GET", "/health"): Route(lambda request: answer({"status": "ok"})),
        ("GET", "/3ds/{id}"): Route(control.three_ds),
        ("POST", "/3ds/{id}/approve"): Route(control.approve_3ds),
        ("POST", "/3ds/{id}/fail"): Route(control.fail_3ds),
        ("GET", "/"): Route(control.page, local=True),
        ("POST", "/control/charges/{id}/pay"): Route(control.pay, local=True),
        ("POST", "/control/charges/{id}/expire"): Route(control.expire, local=True),
        ("POST", "/control/charges/{id}/refund"): Route(control.refund, local=True),
        ("POST", "/control/charges/{id}/webhooks"): Route(control.send_webhooks, local=True),
        ("POST", "/control/pay-all-pending"): Route(control.pay_all, local=True),
        ("GET", "/control/behaviour"): Route(control.behaviours, local=True),
        ("POST", "/control/behaviour"): Route(control.order_behaviour, local=True),
        ("DELETE", "/control/behaviour"): Route(control.clear_behaviour, local=True),
        ("POST", "/control/behaviour/clear"): Route(control.clear_behaviour, local=True),
        ("GET", "/control/webhooks"): Route(control.webhooks, local=True),
    }
    return Application(routes, local_only=not configuration.control_open)


def _idempotency_key(request: Request) -> str:
    key = request.header("IDEMPOTENCY_KEY")
    if not 1 <= len(key) <= 255:
        raise Refusal(400, "missing_idempotency_key", "give an Idempotency-Key header of 1 to 255 characters")
    return key


def _done(request: Request, value: object) -> Response:
    return redirect("/") if request.is_form else answer(value)


def _number(text: str, lowest: int, highest: int) -> int:
    if not text.isdecimal() or not lowest <= int(text) <= highest:
        raise Refusal(400, "invalid_parameter", f"a number from {lowest} to {highest} is needed")
    return int(text)


def _time(text: str, *, earliest: bool) -> str:
    """Return a time as the books have it; without one, the earliest or latest that there is."""
    if not text:
        return "" if earliest else "~"
    try:
        moment = datetime.fromisoformat(text)
        assert moment.tzinfo is not None
    except (ValueError, AssertionError) as error:
        raise Refusal(400, "invalid_parameter", "a time with its zone is needed, RFC 3339") from error
    return timestamp(moment)


def _currency(text: str) -> Currency:
    try:
        currency: Currency = msgspec.convert(text, Currency)
    except msgspec.ValidationError as error:
        raise Refusal(400, "invalid_parameter", str(error)) from error
    return currency


def _totals(books: Books, currency: Currency) -> dict[str, object]:
    """Return count, amount, captured and refunded: in all, and by method and status."""
    rows = books.totals(currency)
    methods: dict[str, dict[str, object]] = {}
    statuses: dict[str, int] = {}
    for method in sorted({row["method"] for row in rows}):
        methods[method] = _sums([row for row in rows if row["method"] == method], currency)
    for row in rows:
        statuses[row["status"]] = statuses.get(row["status"], 0) + row["count"]
    return {"currency": currency, **_sums(rows, currency), "methods": methods, "statuses": statuses}


def _sums(rows: list[Row], currency: Currency) -> dict[str, object]:
    captured, refunded = sum(row["captured"] for row in rows), sum(row["refunded"] for row in rows)
    return {
        "count": sum(row["count"] for row in rows),
        "captured": decimal(captured, currency),
        "refunded": decimal(refunded, currency),
        "net": decimal(captured - refunded, currency),
    }
