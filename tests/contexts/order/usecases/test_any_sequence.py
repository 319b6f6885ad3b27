"""Whatever happens to an order, in whatever order: its ledger is the gateway's, and its states are legal."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar
from uuid import UUID

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from contexts.cart.interface import CartInterface
from contexts.catalog.interface import CatalogInterface, OutOfStock
from contexts.order.adapters import (
    Capabilities,
    ChargeRequest,
    ChargeResult,
    GatewayRefused,
    OutcomeUnknown,
    PaymentGateway,
    WebhookEvent,
)
from contexts.order.domain import ENDED, PAID, TRANSITIONS, Method, PaymentIntent, Status
from contexts.order.domain.instalments import plan
from contexts.order.models import (
    AttemptStatus,
    Order,
    PaymentAttempt,
    RefundOrigin,
    RefundShare,
    asked_back,
    balances_of,
    payments_of,
)
from contexts.order.usecases.add_payment import PaymentRequest, add_payment
from contexts.order.usecases.cancel_order import cancel_order
from contexts.order.usecases.fulfil import ship_order
from contexts.order.usecases.pay import catch_up
from contexts.order.usecases.place_order import Claim, TotalChanged, new_attempts
from contexts.order.usecases.price_checkout import Buyer, instalment_terms
from contexts.order.usecases.record import asked_of, record
from contexts.order.usecases.refund import RefundRequest, refund_lines
from contexts.promotion.interface import Basket, BasketLine, PromotionInterface
from ecommerce import clock, codec
from ecommerce.errors import DomainError
from ecommerce.ids import new_id
from ecommerce.money import Money, total
from ecommerce.saga import engine
from ecommerce.saga.definition import OutcomeUnknown as Unknown
from ecommerce.saga.models import SagaInstance
from ecommerce.testing import pass_time, provide
from ecommerce.unit_of_work import unit_of_work
from tests.contexts.order.factories import NOON, OrderFactory, OrderLineFactory

pytestmark = pytest.mark.django_db(databases=["order"])

NOTHING = Money(Decimal(0))
PAYER = {"name": "Ana", "tax_id": "39053344705"}


@dataclass
class Charge:
    id: str
    amount: Money
    automatic: bool
    status: str
    captured: Money = NOTHING
    refunded: Money = NOTHING

    def result(self) -> ChargeResult:
        held = self.amount if self.status == "authorized" else NOTHING
        return ChargeResult(
            gateway_id=self.id, status=self.status, authorized=held, captured=self.captured, refunded=self.refunded
        )  # type: ignore[arg-type]


class Books(PaymentGateway):
    """A gateway without a network. Of its next answers to what moves money, ``lost`` do not arrive."""

    name: ClassVar[str] = "sandbox"
    capabilities: ClassVar[Capabilities] = Capabilities(
        methods=frozenset(Method), authorizes=frozenset({Method.CARD}), partial_capture=True, partial_refund=True
    )

    def __init__(self) -> None:
        self.charges: dict[UUID, Charge] = {}
        self.refunds: dict[UUID, Money] = {}
        self.lost = 0

    @classmethod
    def from_settings(cls) -> Books:
        return cls()

    def charge(self, request: ChargeRequest) -> ChargeResult:
        if request.attempt_id not in self.charges:
            status = "captured" if request.capture else "authorized"
            status = "pending" if request.method in ("pix", "boleto") else status
            status = "declined" if request.token == "tok_declined" else status
            made = Charge(f"ch_{request.attempt_id}", request.amount, request.capture, status)
            made.captured = made.amount if status == "captured" else NOTHING
            self.charges[request.attempt_id] = made
        return self._answered(self.charges[request.attempt_id])

    def find(self, attempt_id: UUID) -> ChargeResult | None:
        found = self.charges.get(attempt_id)
        return found.result() if found else None

    def fetch(self, gateway_id: str) -> ChargeResult:
        return self._of(gateway_id).result()

    def capture(self, gateway_id: str, capture_id: UUID, amount: Money) -> ChargeResult:
        charge = self._of(gateway_id)
        if charge.captured != amount:
            self._allow(charge.status == "authorized" and amount <= charge.amount)
            charge.status, charge.captured = "captured", amount
        return self._answered(charge)

    def refund(self, gateway_id: str, refund_id: UUID, amount: Money, reason: str) -> ChargeResult:
        charge = self._of(gateway_id)
        if refund_id not in self.refunds:
            self.give_back(charge, amount)
            self.refunds[refund_id] = amount
        assert self.refunds[refund_id] == amount, "one key, two requests"
        return self._answered(charge)

    def void(self, gateway_id: str) -> ChargeResult:
        charge = self._of(gateway_id)
        if charge.status != "voided":
            self._allow(charge.status in ("authorized", "pending"))
            charge.status = "voided"
        return self._answered(charge)

    def parse_webhook(self, headers: Mapping[str, str], raw_body: bytes, now: datetime) -> WebhookEvent:
        raise NotImplementedError

    def books(self, since: datetime, until: datetime) -> Iterator[Any]:
        raise NotImplementedError

    def give_back(self, charge: Charge, amount: Money) -> None:
        self._allow(NOTHING < amount <= charge.captured - charge.refunded)
        charge.refunded += amount
        charge.status = "refunded" if charge.refunded == charge.captured else charge.status

    def _of(self, gateway_id: str) -> Charge:
        return next(charge for charge in self.charges.values() if charge.id == gateway_id)

    def _allow(self, allowed: bool) -> None:
        if not allowed:
            raise GatewayRefused("not in this state")

    def _answered(self, charge: Charge) -> ChargeResult:
        if self.lost:
            self.lost -= 1
            raise OutcomeUnknown("lost")
        return charge.result()


class Shelf(CatalogInterface):
    """A warehouse that has everything, until it is ``empty``."""

    empty = False

    def get_variants(self, **_: Any) -> list[Any]:
        return []

    def reserve_stock(self, **_: Any) -> None: ...

    def release_stock(self, **_: Any) -> None: ...

    def renew_stock(self, **_: Any) -> None:
        if self.empty:
            raise OutOfStock("gone")


def neighbour(interface: type[Any]) -> Any:
    """Return a neighbour that agrees to everything."""
    methods = {name: lambda self, **_: None for name in interface.__abstractmethods__}
    return type(interface.__name__, (interface,), methods)()


class AnySequence(RuleBasedStateMachine):
    gateway: Books
    shelf: Shelf
    instalments = 1

    def __init__(self) -> None:
        super().__init__()
        self.gateway, self.shelf, self.now = Books(), Shelf(), NOON
        self.ranks: dict[UUID, int] = {}
        self.old_news: list[tuple[UUID, ChargeResult]] = []
        self.patches = ExitStack()
        patch = self.patches.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(clock, "now", lambda: self.now)
        patch.setattr(engine, "_ahead", lambda database: timedelta())
        patch.setattr("contexts.order.adapters.GATEWAYS", {"sandbox": lambda: self.gateway})
        patch.setattr(random, "uniform", lambda low, high: low)
        self.patches.enter_context(provide(CatalogInterface, self.shelf))
        self.patches.enter_context(provide(CartInterface, neighbour(CartInterface)))
        self.patches.enter_context(provide(PromotionInterface, neighbour(PromotionInterface)))

    @initialize(
        methods=st.sampled_from([("pix",), ("card",), ("voucher", "pix"), ("card", "boleto")]),
        then=st.sampled_from(["another", "paid", ""]),
    )
    def begin(self, methods: tuple[str, ...], then: str) -> None:
        """Place an order; most of what is interesting begins when it was paid, or waits for two payments."""
        self.place(methods)
        if then == "another":
            self.the_buyer_pays_in_another_way(method="boleto", token="tok_ok")
        elif then == "paid":
            self.the_buyer_pays(pick=len(methods) - 1, force=False)
            self.a_webhook_comes(pick=len(methods) - 1, times=1)
            self.workers_work(most=5)

    def place(self, methods: tuple[str, ...]) -> None:
        self.order = OrderFactory(status="pending", items_total=100, shipping_total=10, total=110, placed_at=self.now)
        for position, (quantity, price, discount) in enumerate([(3, "33.34", "0.02"), (1, "1.00", "1.00")]):
            OrderLineFactory(
                order=self.order, position=position, quantity=quantity, unit_price=Decimal(price),
                discount=Decimal(discount),
            )  # fmt: skip
        amounts = Money(Decimal(110)).allocate([1] * len(methods))
        intents = [self._intent(method) for method in methods]
        plans = [
            plan(amount, intent.method, intent.instalments, instalment_terms())
            for intent, amount in zip(intents, amounts, strict=True)
        ]
        attempts = new_attempts(order=self.order, intents=intents, plans=plans, return_url="x", now=self.now)
        data = {
            "cart_id": str(self.order.cart_id), "cart_version": 1, "discount": codec.to_builtins(NOTHING),
            "hold_until": self.now.isoformat(), "basket": codec.to_builtins(self._basket()),
        }  # fmt: skip
        with unit_of_work("order") as work:
            run = engine.start(
                work, "CREATE_ORDER", subject=self.order.id, data=data, now=self.now, along=attempts
            )  # fmt: skip
        engine.run(run)

    def _intent(self, method: str, token: str = "tok_ok") -> PaymentIntent:
        return PaymentIntent(
            method=Method(method), card_token=token, instalments=self.instalments if method == "card" else 1
        )

    def _basket(self) -> Basket:
        lines = [
            BasketLine(
                line_id=str(line.variant_id), variant_id=line.variant_id, product_id=line.product_id, category_ids=[],
                unit_price=Money(line.unit_price), quantity=line.quantity,
            )
            for line in self.order.lines.all()
        ]  # fmt: skip
        return Basket(lines=lines)

    # --- what may happen ---------------------------------------------------------------------------------------------
    @rule(pick=st.integers(0, 2), force=st.booleans())
    def the_buyer_pays(self, pick: int, force: bool) -> None:
        charge = self._pick(pick)
        if charge and charge.status in ("pending", *(("expired", "voided") if force else ())) and not charge.captured:
            charge.status, charge.captured = "captured", charge.amount

    @rule(pick=st.integers(0, 2))
    def a_payment_lapses_at_the_gateway(self, pick: int) -> None:
        charge = self._pick(pick)
        if charge and charge.status in ("pending", "authorized"):
            charge.status = "expired"

    @rule(pick=st.integers(0, 2), times=st.integers(1, 2))
    def a_webhook_comes(self, pick: int, times: int) -> None:
        attempts = payments_of(self.order.id)
        attempt = attempts[pick % len(attempts)]
        for _ in range(times):
            self._try(lambda: catch_up(attempt=PaymentAttempt.objects.get(id=attempt.id), now=self.now))
        if attempt.id in self.gateway.charges:
            self.old_news.append((attempt.id, self.gateway.charges[attempt.id].result()))

    @precondition(lambda self: self.old_news)
    @rule(pick=st.integers(0, 99))
    def old_news_come_late(self, pick: int) -> None:
        attempt_id, result = self.old_news[pick % len(self.old_news)]
        record(attempt=PaymentAttempt.objects.get(id=attempt_id), result=result, now=self.now, wake=True)

    @rule(method=st.sampled_from(["card", "pix", "boleto"]), token=st.sampled_from(["tok_ok", "tok_declined"]))
    def the_buyer_pays_in_another_way(self, method: str, token: str) -> None:
        wanted = PaymentRequest(
            order_id=self.order.id, buyer=Buyer(), intent=self._intent(method, token), payer=PAYER, return_url="x",
        )  # fmt: skip
        try:
            self._pay(wanted)
        except TotalChanged as told:
            self._pay(replace(wanted, expected=told.params["total"]))

    def _pay(self, wanted: PaymentRequest) -> None:
        claim = Claim("user:x", str(new_id()), "x")
        with suppress(Unknown):
            try:
                add_payment(wanted=wanted, claim=claim, now=self.now)
            except TotalChanged:
                raise
            except DomainError:
                pass

    @rule(pieces=st.integers(1, 3), freight=st.booleans())
    def staff_gives_pieces_back(self, pieces: int, freight: bool) -> None:
        wanted = RefundRequest(
            order_id=self.order.id, pieces={self.order.lines.get(position=0).id: pieces}, freight=freight,
            restock=True, reason="x",
        )  # fmt: skip
        self._try(lambda: refund_lines(wanted=wanted, actor="user:x", claim=None, now=self.now))

    @rule(pick=st.integers(0, 2), cents=st.integers(1, 11_000))
    def somebody_gives_back_at_the_gateway(self, pick: int, cents: int) -> None:
        charge = self._pick(pick)
        left = charge.captured - charge.refunded if charge else NOTHING
        if charge and left:
            self.gateway.give_back(charge, min(left, Money(Decimal(cents) / 100)))

    @rule()
    def the_order_is_cancelled(self) -> None:
        self._try(lambda: cancel_order(order_id=self.order.id, reason="x", actor="guest", now=self.now))

    @rule()
    def a_parcel_leaves(self) -> None:
        code = str(new_id())
        self._try(
            lambda: ship_order(
                order_id=self.order.id, carrier="C", tracking_code=code, quantities=None, actor="x", now=self.now
            )
        )

    @rule(count=st.integers(1, 2))
    def answers_get_lost(self, count: int) -> None:
        self.gateway.lost = count

    @rule()
    def the_pieces_are_gone(self) -> None:
        self.shelf.empty = True

    @rule(minutes=st.sampled_from([1, 16, 40, 9000]))
    def time_passes(self, minutes: int) -> None:
        self._let_pass(timedelta(minutes=minutes))

    def _let_pass(self, length: timedelta) -> None:
        self.now += length
        pass_time("order", length)

    @rule(most=st.integers(1, 5))
    def workers_work(self, most: int) -> None:
        for run in engine.claim_due("order", limit=most):
            engine.run(run)

    # --- what must hold ----------------------------------------------------------------------------------------------
    @invariant()
    def the_ledger_never_knows_more_than_the_gateway(self) -> None:
        for attempt, balance in balances_of(self.order.id).items():
            charge = self.gateway.charges.get(attempt, Charge("", NOTHING, True, ""))
            assert NOTHING <= balance.refunded <= balance.captured <= charge.captured <= charge.amount
            assert balance.refunded <= charge.refunded
            assert balance.authorized >= NOTHING

    @invariant()
    def payments_and_the_order_only_go_forward(self) -> None:
        for attempt in payments_of(self.order.id):
            rank = AttemptStatus.values.index(attempt.status)
            assert rank >= self.ranks.get(attempt.id, 0)
            self.ranks[attempt.id] = rank
        for entry in self.order.timeline.all():
            assert Status(entry.to_status) in TRANSITIONS[Status(entry.from_status)]

    @invariant()
    def no_more_is_asked_back_than_came(self) -> None:
        asked, balances = asked_back(self.order.id), balances_of(self.order.id)
        for attempt, balance in balances.items():
            assert asked_of(attempt_id=attempt, asked=asked).whole <= balance.captured
            assert asked_of(attempt_id=attempt, asked=asked).part <= balance.paid.part

    def teardown(self) -> None:
        """Let everything come to rest; then the money must be where it belongs."""
        try:
            if hasattr(self, "order"):
                self._come_to_rest()
                self._balance()
        finally:
            self.patches.close()

    def _come_to_rest(self) -> None:
        self.gateway.lost = 0
        for _ in range(8):
            for attempt in payments_of(self.order.id):
                self._try(lambda attempt=attempt: catch_up(attempt=attempt, now=self.now))
            while runs := engine.claim_due("order", limit=10):
                for run in runs:
                    engine.run(run)
            self._let_pass(timedelta(days=3))

    def _balance(self) -> None:
        sagas = SagaInstance.objects.using("order").filter(subject=self.order.id)
        states = list(sagas.values_list("saga_type", "status"))
        assert {state for _, state in states} <= {"COMPLETED", "COMPENSATED", "PARKED"}, states
        balances = balances_of(self.order.id)
        for attempt, balance in balances.items():
            charge = self.gateway.charges.get(attempt, Charge("", NOTHING, True, ""))
            assert (balance.captured, balance.refunded) == (charge.captured, charge.refunded)
            assert balance.authorized == charge.result().authorized
        order = Order.objects.get(id=self.order.id)
        kept = total(balance.kept for balance in balances.values())
        held = total(balance.authorized for balance in balances.values())
        by_hand = RefundShare.objects.using("order").filter(refund__order=order, refund__origin=RefundOrigin.GATEWAY)
        assert self.gateway.refunds.keys().isdisjoint(by_hand.values_list("id", flat=True)), "given back twice"
        if any(state == "PARKED" for _, state in states):
            return  # what was given back by hand can make a refund impossible: a person sees to it
        if order.status in ENDED:
            assert (kept, held) == (NOTHING, NOTHING)
        else:
            assert order.status in PAID
            asked = asked_back(order.id)
            came = total(balance.captured for balance in balances.values())
            paid = total(balance.paid.part for balance in balances.values())
            beyond = total(asked[attempt, RefundOrigin.SURPLUS].part for attempt in balances)
            by_hand = total(asked[attempt, RefundOrigin.GATEWAY].part for attempt in balances)
            assert beyond <= max(paid - order.due, NOTHING) <= beyond + by_hand
            assert total(asked[key].whole for key in list(asked)) == came - kept

    def _pick(self, pick: int) -> Charge | None:
        charges = list(self.gateway.charges.values())
        return charges[pick % len(charges)] if charges else None

    def _try(self, action: Any) -> None:
        """Do something that may be refused, or left unanswered."""
        with suppress(DomainError, Unknown):
            action()


def test_money_is_never_lost_or_kept():
    """Orders that are charged at once."""
    run_state_machine_as_test(AnySequence, settings=BUDGET)


def test_an_order_that_is_paid_twice_keeps_its_price():
    """A sequence that chance seldom finds."""
    machine = AnySequence()
    machine.place(methods=("pix",))
    machine.the_buyer_pays_in_another_way(method="boleto", token="tok_ok")
    for pick in (0, 1):
        machine.the_buyer_pays(pick=pick, force=False)
    machine.teardown()
    assert total(balance.kept for balance in balances_of(machine.order.id).values()) == machine.order.due


def test_nor_when_it_is_captured_later(settings):
    settings.CAPTURE_LATER = frozenset({"card"})
    run_state_machine_as_test(AnySequence, settings=BUDGET)


class InInstalments(AnySequence):
    instalments = 10


@pytest.mark.parametrize("captures_later", [False, True])
def test_nor_with_interest(settings, captures_later):
    settings.FREE_INSTALMENTS, settings.INSTALMENT_MONTHLY_RATE = 3, Decimal("1.99")
    settings.CAPTURE_LATER = frozenset({"card"} if captures_later else ())
    run_state_machine_as_test(InInstalments, settings=BUDGET)


BUDGET = settings(
    max_examples=20, stateful_step_count=15, deadline=None, suppress_health_check=list(HealthCheck), database=None
)
