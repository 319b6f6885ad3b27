"""What will happen to a charge: by its token, its voucher, or the behaviour ordered on the control page."""

import threading
from dataclasses import dataclass, replace
from typing import Literal

from tests.sandbox_psp.messages import BehaviourInput, Refusal

When = Literal["", "before", "after"]


@dataclass(frozen=True, slots=True)
class Plan:
    """``before`` and ``after`` say on which side of the booking something goes wrong."""

    outcome: Literal["approve", "decline", "action"] = "approve"
    decline_code: str = ""
    delay_seconds: float = 0.0
    hang: When = ""
    error: When = ""


APPROVE = Plan()
TOKENS = {
    "tok_approved": APPROVE,
    "tok_visa": APPROVE,
    "tok_mastercard": APPROVE,
    "tok_elo": APPROVE,
    "tok_declined": Plan("decline", "do_not_honor"),
    "tok_insufficient_funds": Plan("decline", "insufficient_funds"),
    "tok_expired": Plan("decline", "expired_card"),
    "tok_3ds": Plan("action"),
    "tok_timeout_before": Plan(hang="before"),
    "tok_timeout_after_charge": Plan(hang="after"),
    "tok_error_500": Plan(error="before"),
    "tok_slow_200ms": Plan(delay_seconds=0.2),
}
TEST_CARDS = {
    "4242424242424242": ("visa", "tok_visa"),
    "5555555555554444": ("mastercard", "tok_mastercard"),
    "6362970000457013": ("elo", "tok_elo"),
    "4000000000000002": ("visa", "tok_declined"),
    "4000000000009995": ("visa", "tok_insufficient_funds"),
    "4000000000000069": ("visa", "tok_expired"),
    "4000000000003220": ("visa", "tok_3ds"),
}
BRANDS = {"tok_mastercard": ("mastercard", "4444"), "tok_elo": ("elo", "7013")}
"""Brand and last four digits that the ready-made tokens claim; the others are Visa 4242."""


def of_voucher(code: str) -> Plan:
    """Any ``VALE-…`` is worth the amount, ``VALE-VAZIO`` is empty, the rest is unknown."""
    if code == "VALE-VAZIO":
        return Plan("decline", "insufficient_balance")
    return APPROVE if code.startswith("VALE-") and len(code) > 5 else Plan("decline", "invalid_voucher")


def test_card(number: str) -> tuple[str, str]:
    """Return the brand of a test card and the ready-made token that it acts as.

    Raises:
        Refusal: not a card number, or not one of the test numbers. A real card has no business here.
    """
    if not luhn(number):
        raise Refusal(422, "invalid_number", "the card number is wrong")
    if number not in TEST_CARDS:
        raise Refusal(422, "not_a_test_card", "this server takes published test numbers only")
    return TEST_CARDS[number]


def luhn(number: str) -> bool:
    """Return whether the last digit of a card number checks the others (ISO/IEC 7812-1)."""
    total = 0
    for place, digit in enumerate(reversed(number)):
        value = int(digit) * (2 if place % 2 else 1)
        total += value - 9 if value > 9 else value
    return total % 10 == 0


class Behaviours:
    """What was ordered for the next operations, first in first out. Forgotten at a restart."""

    def __init__(self) -> None:
        self._queue: list[BehaviourInput] = []
        self._lock = threading.Lock()

    def order(self, behaviour: BehaviourInput) -> None:
        with self._lock:
            self._queue.append(behaviour)

    def clear(self) -> None:
        with self._lock:
            self._queue.clear()

    def waiting(self) -> list[BehaviourInput]:
        with self._lock:
            return list(self._queue)

    def applied(self, plan: Plan, *, operation: str, method: str) -> Plan:
        """Use up the first behaviour that fits and return ``plan`` as it bends it."""
        if not self._queue:
            return plan
        with self._lock:
            fitting = (item for item in self._queue if item.operation == operation and item.method in (None, method))
            behaviour = next(fitting, None)
            if behaviour is None:
                return plan
            behaviour.count -= 1
            if behaviour.count == 0:
                self._queue.remove(behaviour)
        return _bent(plan, behaviour)


def _bent(plan: Plan, behaviour: BehaviourInput) -> Plan:
    plan = replace(plan, delay_seconds=plan.delay_seconds + behaviour.delay_ms / 1000)
    match behaviour.kind:
        case "approve":
            return replace(plan, outcome="approve", decline_code="", hang="", error="")
        case "decline":
            return replace(plan, outcome="decline", decline_code=behaviour.code)
        case "timeout_before":
            return replace(plan, hang="before")
        case "timeout_after":
            return replace(plan, hang="after")
        case "error_before":
            return replace(plan, error="before")
        case "error_after":
            return replace(plan, error="after")
        case _:
            return plan
