"""Fault 23: whoever drives a saga is killed at every boundary of its steps, forward and backward, twice in a row.

Which boundaries there are follows from the registered sagas: a step that is added is covered by that, or the fault says
that no story of a buyer comes by it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random

from tests.faults.books import Left, money_equals_goods
from tests.faults.deaths import CHARGED
from tests.faults.processes import FaultFailed
from tests.faults.rig import Rig
from tests.faults.shop import CARD, DECLINED, PIX, Shop

MOMENTS = ("before", "after", "recorded")
"""The intent is on disk, the action was taken, its end is on disk."""
FORCED = "CREATE_ORDER.convert_cart.do.before"
RUNS = 40


@dataclass(frozen=True)
class Story:
    """What a buyer does until something begins that may be killed: ``begin`` returns the id of what it is about,
    and ``act`` starts it."""

    begin: Callable[[Shop], str]
    act: Callable[[Shop, str], object]
    paid_twice: bool = False


@dataclass(frozen=True)
class Boundary:
    """One moment of one step of a saga, and the story that comes by it."""

    name: str
    saga: str
    story: Story
    first: tuple[str, ...] = ()
    """Where a process dies before, so that the story takes its turn."""

    @property
    def deaths(self) -> list[str]:
        """Twice in a row: at this very moment, or the next one where it does not come again, since what is recorded is
        over, and a gateway that is asked says what it has done."""
        comes_once = self.name.endswith(".recorded") or self.name.startswith("gateway.")
        again = f"{self.saga}.*" if comes_once else self.name
        return [*self.first, self.name, again]


def killed_at_every_boundary(rig: Rig, random: Random, *, only: str = "", sabotage: str = "") -> str:
    """Kill at every boundary whose name has ``only`` in it, resume, and check money and goods."""
    shop = rig.shop(forking=True, **({"FAULT_SABOTAGE": sabotage} if sabotage else {}))
    rig.start()
    chosen = [each for each in boundaries(rig) if only in each.name]
    random.shuffle(chosen)
    begun, twice = [], []
    for boundary in chosen:
        id_ = boundary.story.begin(shop)
        begun.append((boundary, id_))
        shop.deaths.plan(id_, boundary.deaths)
        boundary.story.act(shop, id_)
        if boundary.story.paid_twice:
            twice.append(id_)
        if random.random() < 0.3:
            _resumed(shop)
    _resumed(shop)
    missed = [boundary.name for boundary, id_ in begun if any("*" not in each for each in shop.deaths.left(id_))]
    if missed:
        raise FaultFailed(f"nobody came by twice: {', '.join(missed)}")
    ends = money_equals_goods(shop, Left(paid_twice=twice))
    return f"{len(chosen)} boundaries, twice each; {ends}"


def boundaries(rig: Rig) -> Iterator[Boundary]:
    """Yield the boundaries of the newest version of every saga, and those behind each act of the gateway.

    Raises:
        FaultFailed: there is no story for a saga, or for its way back.
    """
    rig.publisher.order("sagas")
    for saga, steps in rig.publisher.answer()["sagas"].items():
        for step, direction in steps:
            key = next((key for key in ((saga, direction, step), (saga, direction)) if key in STORIES), None)
            if key is None:
                raise FaultFailed(f"no story comes by {saga}.{step}.{direction}")
            for moment in MOMENTS:
                name = f"{saga}.{step}.{direction}.{moment}"
                yield Boundary(name, saga, STORIES[key], _first(name))
            if direction == "undo" and saga == "CREATE_ORDER" and step != "convert_cart":
                yield from (Boundary(f"{saga}.{step}.undo.{moment}", saga, REFUSED) for moment in MOMENTS)
    for act in CHARGED:
        for saga, story in GATEWAY[act]:
            name = f"gateway.{act}"
            first = (FORCED,) if story is CHANGED else ()
            yield Boundary(name, saga, story, first)


def _first(name: str) -> tuple[str, ...]:
    """A cart can only change under its order while nobody works at it."""
    return (FORCED,) if ".undo." in name else ()


def _resumed(shop: Shop) -> None:
    """Let processes take up what others left, until nothing is left to do."""
    for _ in range(RUNS * 10):
        shop.leases_end()
        if shop.work() and not _unfinished(shop):
            return
    raise FaultFailed("sagas do not come to an end")


def _unfinished(shop: Shop) -> int:
    return shop.rig.number(
        "SELECT count(*) FROM order_service.saga_instance WHERE due_at <= clock_timestamp() + interval '5 s'"
    )


# --- stories ---------------------------------------------------------------------------------------------------------
def _cart(shop: Shop) -> str:
    cart = shop.fill()
    CARTS[cart.id] = cart
    return cart.id


CARTS = {}  # type: ignore[var-annotated]


def _buys(shop: Shop, cart: str) -> None:
    shop.check_out(CARTS.pop(cart), CARD)


def _is_refused(shop: Shop, cart: str) -> None:
    shop.check_out(CARTS.pop(cart), DECLINED)


def _changes_the_cart(shop: Shop, cart: str) -> None:
    """The order dies before it takes the cart, and the buyer puts one more piece into it."""
    filled = CARTS.pop(cart)
    shop.check_out(filled, CARD)
    shop.add_a_piece(filled)


def _waiting(shop: Shop) -> str:
    return shop.order(shop.fill(), PIX)


def _bought(shop: Shop) -> str:
    return shop.order(shop.fill(), CARD)


def _cancelled(shop: Shop) -> str:
    order = _waiting(shop)
    shop.cancel(order)
    return order


def _pays(shop: Shop, order: str) -> None:
    """Pay at the bank, and wait until its webhook has come."""
    before = shop.webhooks()
    shop.pay(order, force=True)
    shop.await_webhook(before)


PURCHASE = Story(_cart, _buys)
REFUSED = Story(_cart, _is_refused)
CHANGED = Story(_cart, _changes_the_cart)
PAID_LATER = Story(_waiting, _pays)
CANCELLED = Story(_bought, Shop.cancel)
PAID_TOO_LATE = Story(_cancelled, _pays)
GIVEN_BACK = Story(_bought, Shop.give_back)
PAID_OTHERWISE = Story(_waiting, Shop.pay_otherwise)
STORIES = {
    ("CREATE_ORDER", "do"): PURCHASE,
    ("CREATE_ORDER", "do", "keep_inventory"): PAID_LATER,
    ("CREATE_ORDER", "undo"): CHANGED,
    ("CANCEL_ORDER", "do"): CANCELLED,
    ("REFUND_ORDER", "do"): PAID_TOO_LATE,
    ("REFUND_PART", "do"): GIVEN_BACK,
    ("CLOSE_PAYMENTS", "do"): PAID_OTHERWISE,
}
"""Which story comes by the steps of a saga in one direction, or by one step of it."""
GATEWAY = {
    "charge": [("CREATE_ORDER", PURCHASE)],
    "capture": [],
    "refund": [
        ("CREATE_ORDER", CHANGED), ("CANCEL_ORDER", CANCELLED), ("REFUND_ORDER", PAID_TOO_LATE),
        ("REFUND_PART", GIVEN_BACK),
    ],
    "void": [("CLOSE_PAYMENTS", PAID_OTHERWISE)],
}  # fmt: skip
"""What is captured before a parcel leaves is captured by no saga."""
