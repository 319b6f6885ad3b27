"""What the server does with money: charge, capture, void and refund, and what the control page makes happen."""

import hashlib
import json
import secrets
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Literal

from tests.sandbox_psp.books import Books, Row, as_charge, as_refund
from tests.sandbox_psp.configuration import Configuration
from tests.sandbox_psp.messages import (
    CaptureInput,
    CardToken,
    CardTokenInput,
    Charge,
    ChargeInput,
    Refund,
    RefundInput,
    Refusal,
    Status,
    WebhookInput,
    decimal,
    encode,
    minor,
    timestamp,
)
from tests.sandbox_psp.methods import Prepared, prepare
from tests.sandbox_psp.plans import APPROVE, Behaviours, Plan, test_card
from tests.sandbox_psp.webhooks import Webhooks

OPEN = ("pending", "requires_action")
Answer = tuple[int, bytes]
"""HTTP status and body: what is stored under an idempotency key."""


class Processor:
    def __init__(self, books: Books, webhooks: Webhooks, configuration: Configuration) -> None:
        self.books = books
        self.webhooks = webhooks
        self.behaviours = Behaviours()
        self._configuration = configuration
        self._in_flight: set[str] = set()
        self._in_flight_lock = threading.Lock()

    # --- the API ------------------------------------------------------------------------------------------------
    def create_charge(self, key: str, order: ChargeInput) -> Answer:
        """Charge once per idempotency key and return the answer: the stored one when the key is known."""
        fingerprint = hashlib.blake2b(encode(order), digest_size=16).digest()
        with self._in_flight_once(f"charge {key}"):
            stored = self._stored("charges", key, fingerprint)
            if stored is not None:
                return stored
            charge_id = f"ch_{secrets.token_hex(12)}"
            amount = minor(order.amount, order.currency)
            public_url = self._configuration.public_url
            prepared = prepare(charge_id, order, amount, books=self.books, public_url=public_url)
            plan = self.behaviours.applied(prepared.plan, operation="charge", method=order.method)
            charge = _charge(charge_id, order, amount, prepared, plan)
            answer = self._book(key, fingerprint, order, charge) if _arrives(plan) else None
        return self._sent(plan, answer)

    def refund(self, charge_id: str, key: str, order: RefundInput) -> Answer:
        """Give money back once per idempotency key; all refunds together stay within what was captured."""
        fingerprint = hashlib.blake2b(charge_id.encode() + encode(order), digest_size=16).digest()
        with self._in_flight_once(f"refund {key}"):
            stored = self._stored("refunds", key, fingerprint)
            if stored is not None:
                return stored
            plan = self.behaviours.applied(APPROVE, operation="refund", method=self.found(charge_id)["method"])
            if plan.outcome == "decline":
                raise Refusal(422, "refund_refused", "the refund was refused", decline_code=plan.decline_code)
            announce = self._configuration.webhook_all
            book = _arrives(plan)
            answer = self._book_refund(charge_id, key, fingerprint, order, announce=announce) if book else None
        return self._sent(plan, answer)

    def capture(self, charge_id: str, order: CaptureInput) -> Charge:
        """Take an authorized amount, or a part of it and let the rest go. Repeating it changes nothing."""
        row = self.found(charge_id)
        amount = minor(order.amount, row["currency"]) if order.amount else row["amount"]
        if amount > row["amount"]:
            raise Refusal(422, "amount_too_large", "more than was authorized")
        if row["status"] == "captured" and row["captured"] == amount:
            return as_charge(row)
        announce = self._configuration.webhook_all
        return self._settle(charge_id, ("authorized",), "captured", captured=amount, announce=announce)

    def void(self, charge_id: str) -> Charge:
        """Let go of what was authorized or is still awaited. Repeating it changes nothing."""
        row = self.found(charge_id)
        if row["status"] == "voided":
            return as_charge(row)
        return self._settle(charge_id, ("authorized", *OPEN), "voided", announce=self._configuration.webhook_all)

    def refunds(self, charge_id: str) -> list[Refund]:
        row = self.found(charge_id)
        return [as_refund(refund, row) for refund in self.books.refunds_of(row["seq"])]

    def create_card_token(self, order: CardTokenInput) -> CardToken:
        """Return a token for a test card; of the card only brand and last four digits are kept."""
        number = order.number.replace(" ", "")
        brand, acts_as = test_card(number)
        today = datetime.now(UTC)
        if (order.expiry_year, order.expiry_month) < (today.year, today.month):
            acts_as = "tok_expired"
        token = f"tok_{secrets.token_hex(12)}"
        self.books.insert("card_tokens", {"token": token, "brand": brand, "last4": number[-4:], "acts_as": acts_as})
        return CardToken(token, brand, number[-4:], order.expiry_month, order.expiry_year)

    # --- the control page ---------------------------------------------------------------------------------------
    def pay(self, charge_id: str, *, force: bool = False) -> Charge:
        """Let the customer pay a boleto or Pix, or pass 3-D Secure. ``force``: even after expiry or a void."""
        row = self.found(charge_id)
        payable = (*OPEN, "expired", "voided") if force else OPEN
        if row["automatic_capture"]:
            return self._settle(charge_id, payable, "captured", captured=row["amount"], announce=True)
        return self._settle(charge_id, payable, "authorized", announce=True)

    def pay_all(self, method: str | None) -> int:
        """Pay every open charge (of a method) and return how many."""
        rows = self.books.open_charges(method)
        for row in rows:
            self.pay(row["id"])
        return len(rows)

    def fail_authentication(self, charge_id: str) -> Charge:
        """Let the customer fail 3-D Secure."""
        code = "authentication_failed"
        return self._settle(charge_id, ("requires_action",), "declined", announce=True, decline_code=code)

    def expire(self, charge_id: str) -> Charge:
        """Let an open charge or an authorization lapse."""
        return self._settle(charge_id, ("authorized", *OPEN), "expired", announce=True)

    def refund_by_hand(self, charge_id: str, amount: str) -> Answer:
        """Refund as staff of the payment company would; the shop learns of it by webhook alone."""
        row = self.found(charge_id)
        order = RefundInput(amount=amount or decimal(row["captured"] - row["refunded"], row["currency"]))
        return self._book_refund(charge_id, f"control-{secrets.token_hex(8)}", b"", order, announce=True)

    def send_webhooks_again(self, charge_id: str, order: WebhookInput) -> int:
        """Send old events of a charge once more, spoilt as ordered, and return how many were written."""
        with self.books.transaction():
            row = self.found(charge_id)
            written = self.webhooks.write_again(row, order)
        self.webhooks.wake(row["seq"])
        return written

    def found(self, charge_id: str) -> Row:
        """Return the row of a charge.

        Raises:
            Refusal: there is none.
        """
        row = self.books.charge(charge_id)
        if row is None:
            raise Refusal(404, "charge_not_found", "there is no such charge")
        return row

    # --- inside -------------------------------------------------------------------------------------------------
    def _stored(self, table: Literal["charges", "refunds"], key: str, fingerprint: bytes) -> Answer | None:
        row = self.books.answered(table, key)
        if row is None:
            return None
        if row["fingerprint"] != fingerprint:
            raise Refusal(422, "idempotency_key_reused", "this key was used for another request")
        return row["answer_status"], row["answer"]

    @contextmanager
    def _in_flight_once(self, name: str) -> Iterator[None]:
        with self._in_flight_lock:
            if name in self._in_flight:
                raise Refusal(409, "in_flight", "a request with this idempotency key is being handled")
            self._in_flight.add(name)
        try:
            yield
        finally:
            with self._in_flight_lock:
                self._in_flight.discard(name)

    def _sent(self, plan: Plan, answer: Answer | None) -> Answer:
        """Return the answer, unless the plan loses it. The key is free again by now, so a client may repeat at once."""
        if plan.hang:
            time.sleep(self._configuration.hang_seconds)
            raise Refusal(504, "timeout", "the answer was lost, as ordered")
        if answer is None or plan.error:
            raise Refusal(500, "internal_error", "something broke, as ordered")
        return answer

    def _book(self, key: str, fingerprint: bytes, order: ChargeInput, charge: Charge) -> Answer:
        status, body = 201, encode(charge)
        if charge.status == "declined":
            error = {"code": "declined", "decline_code": charge.decline_code, "message": "the charge was declined"}
            status, body = 402, encode({"error": error, "charge": charge})
        amount = minor(charge.amount, charge.currency)
        values = {
            "id": charge.id,
            "reference": charge.reference,
            "idempotency_key": key,
            "fingerprint": fingerprint,
            "answer_status": status,
            "answer": body,
            "status": charge.status,
            "currency": charge.currency,
            "amount": amount,
            "captured": amount if charge.status == "captured" else 0,
            "refunded": 0,
            "method": charge.method,
            "automatic_capture": order.capture,
            "decline_code": charge.decline_code,
            "client_data": json.dumps(charge.client_data),
            "metadata": json.dumps(charge.metadata),
            "webhook_url": order.webhook_url,
            "return_url": order.return_url,
            "created_at": charge.created_at,
            "updated_at": charge.updated_at,
        }
        with self.books.transaction():
            seq = self.books.insert("charges", values)
            if self._configuration.webhook_all and charge.status not in OPEN:
                self.webhooks.announce(self.books.charge_of(seq), charge.status)
        if self._configuration.webhook_all:
            self.webhooks.wake(seq)
        return status, body

    def _book_refund(
        self, charge_id: str, key: str, fingerprint: bytes, order: RefundInput, *, announce: bool
    ) -> Answer:
        with self.books.transaction():
            row = self.found(charge_id)
            amount = minor(order.amount, row["currency"])
            left = row["captured"] - row["refunded"]
            if amount > left:
                facts = {"refundable": decimal(left, row["currency"])}
                raise Refusal(422, "refund_too_large", "more than is left of what was captured", **facts)
            row = self.books.add_refunded(row, amount)
            refund = Refund(
                id=f"re_{secrets.token_hex(12)}",
                charge_id=charge_id,
                idempotency_key=key,
                status="succeeded",
                amount=decimal(amount, row["currency"]),
                currency=row["currency"],
                reason=order.reason,
                created_at=timestamp(),
                charge=as_charge(row),
            )
            values = {
                "id": refund.id,
                "charge_seq": row["seq"],
                "idempotency_key": key,
                "fingerprint": fingerprint,
                "answer_status": 201,
                "answer": encode(refund),
                "amount": amount,
                "reason": order.reason,
                "created_at": refund.created_at,
            }
            self.books.insert("refunds", values)
            if announce:
                self.webhooks.announce(row, "refunded")
        self.webhooks.wake(row["seq"])
        return 201, values["answer"]

    def _settle(
        self,
        charge_id: str,
        allowed: tuple[str, ...],
        status: Status,
        *,
        announce: bool,
        captured: int = 0,
        decline_code: str = "",
    ) -> Charge:
        with self.books.transaction():
            row = self.found(charge_id)
            if row["status"] not in allowed:
                raise Refusal(409, "invalid_state", f"the charge is {row['status']}")
            row = self.books.update_charge(row, status=status, captured=captured, decline_code=decline_code)
            if announce:
                self.webhooks.announce(row, status)
        self.webhooks.wake(row["seq"])
        return as_charge(row)


def _arrives(plan: Plan) -> bool:
    """Wait as long as planned and return whether the request gets through to the books."""
    if plan.delay_seconds:
        time.sleep(plan.delay_seconds)
    return "before" not in (plan.hang, plan.error)


def _charge(charge_id: str, order: ChargeInput, amount: int, prepared: Prepared, plan: Plan) -> Charge:
    outcomes: dict[str, Status] = {"approve": prepared.good, "decline": "declined", "action": "requires_action"}
    status, now = outcomes[plan.outcome], timestamp()
    total = decimal(amount, order.currency)
    zero = decimal(0, order.currency)
    return Charge(
        id=charge_id,
        reference=order.reference,
        status=status,
        amount=total,
        currency=order.currency,
        captured=total if status == "captured" else zero,
        refunded=zero,
        method=order.method,
        decline_code=plan.decline_code,
        client_data={} if status == "declined" else prepared.client_data,
        metadata=order.metadata,
        created_at=now,
        updated_at=now,
    )
