"""The events that make up a cart, private to this context, and the fold over them.

They are stored for ever: a ``type`` never changes its meaning, a new field has a default, and a breaking change is a
new type. ``tests/contexts/cart/golden_events.json`` holds one stored example of each.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, ClassVar
from uuid import UUID

from contexts.cart.domain.state import CartState, Line, Status, with_lines
from ecommerce import codec
from ecommerce.money import Money


class Event:
    """One thing that happened to a cart. Subclasses are frozen dataclasses.

    ``changes_contents`` says that it changes what would be bought or for whom; ``is_activity`` that the customer was
    there, which restarts the clock of reminders and of expiry; ``secrets`` names the fields no history may show.
    """

    type: ClassVar[str]
    changes_contents: ClassVar[bool] = True
    is_activity: ClassVar[bool] = True
    secrets: ClassVar[frozenset[str]] = frozenset()

    def evolve(self, state: CartState, at: datetime) -> CartState:
        """Return ``state`` after this event; version and clocks are :func:`apply`'s."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class CartCreated(Event):
    type: ClassVar[str] = "cart_created"
    secrets: ClassVar[frozenset[str]] = frozenset({"token_hash"})

    cart_id: UUID
    currency: str
    token_hash: str
    customer_id: UUID | None = None

    def initial(self, at: datetime) -> CartState:
        return CartState(
            id=self.cart_id,
            currency=self.currency,
            token_hash=self.token_hash,
            customer_id=self.customer_id,
            created_at=at,
            last_activity_at=at,
        )

    def evolve(self, state: CartState, at: datetime) -> CartState:
        raise ValueError(f"cart {state.id} was created twice")


@dataclass(frozen=True, kw_only=True)
class ItemAdded(Event):
    """``line.quantity`` pieces came on top of what was there; the snapshot in ``line`` replaces the older one."""

    type: ClassVar[str] = "item_added"

    line: Line

    def evolve(self, state: CartState, at: datetime) -> CartState:
        quantity = state.quantity_of(self.line.variant_id) + self.line.quantity
        return replace(state, lines=with_lines(state.lines, [replace(self.line, quantity=quantity)]))


@dataclass(frozen=True, kw_only=True)
class QuantityChanged(Event):
    type: ClassVar[str] = "quantity_changed"

    variant_id: UUID
    quantity: int
    unit_price: Money

    def evolve(self, state: CartState, at: datetime) -> CartState:
        changed = [
            replace(line, quantity=self.quantity, unit_price=self.unit_price)
            for line in state.lines
            if line.variant_id == self.variant_id
        ]
        return replace(state, lines=with_lines(state.lines, changed))


@dataclass(frozen=True, kw_only=True)
class ItemRemoved(Event):
    type: ClassVar[str] = "item_removed"

    variant_id: UUID

    def evolve(self, state: CartState, at: datetime) -> CartState:
        return replace(state, lines=tuple(line for line in state.lines if line.variant_id != self.variant_id))


@dataclass(frozen=True, kw_only=True)
class NoticedPrice:
    variant_id: UUID
    old_price: Money
    new_price: Money


@dataclass(frozen=True, kw_only=True)
class PriceNoticed(Event):
    """The customer saw that prices had moved and went on with the new ones."""

    type: ClassVar[str] = "price_noticed"

    prices: list[NoticedPrice]

    def evolve(self, state: CartState, at: datetime) -> CartState:
        prices = {price.variant_id: price.new_price for price in self.prices}
        changed = [
            replace(line, unit_price=prices[line.variant_id]) for line in state.lines if line.variant_id in prices
        ]
        return replace(state, lines=with_lines(state.lines, changed))


@dataclass(frozen=True, kw_only=True)
class CouponApplied(Event):
    type: ClassVar[str] = "coupon_applied"

    code: str

    def evolve(self, state: CartState, at: datetime) -> CartState:
        return replace(state, coupon_code=self.code, coupon_applied_at=at)


@dataclass(frozen=True, kw_only=True)
class CouponRemoved(Event):
    type: ClassVar[str] = "coupon_removed"

    code: str

    def evolve(self, state: CartState, at: datetime) -> CartState:
        return replace(state, coupon_code="", coupon_applied_at=None)


@dataclass(frozen=True, kw_only=True)
class ContactLeft(Event):
    """The customer said where and whether reminders may be sent. ``email`` is the one field that the database lets
    anybody blank afterwards, so that a person's address can be erased without touching the history."""

    type: ClassVar[str] = "contact_left"
    changes_contents: ClassVar[bool] = False

    email: str
    marketing_consent: bool

    def evolve(self, state: CartState, at: datetime) -> CartState:
        return replace(state, email=self.email, marketing_consent=self.marketing_consent)


@dataclass(frozen=True, kw_only=True)
class Claimed(Event):
    """A guest logged in and took the cart along; the guest's tokens are void from then on."""

    type: ClassVar[str] = "claimed"

    customer_id: UUID

    def evolve(self, state: CartState, at: datetime) -> CartState:
        return replace(state, customer_id=self.customer_id, token_hash="", recovery_token_hash="")


@dataclass(frozen=True, kw_only=True)
class MergeOutcome:
    """What became of one line of the source. ``requested`` is what both carts together wanted, ``quantity`` what the
    target holds now; ``cap`` says why it is less: stock, quantity_limit, line_limit, unavailable, else empty."""

    variant_id: UUID
    name: str
    requested: int
    quantity: int
    cap: str
    seen_price: Money
    price: Money


@dataclass(frozen=True, kw_only=True)
class CartMerged(Event):
    """Another cart's lines came in. ``lines`` are the resulting lines, not increments."""

    type: ClassVar[str] = "cart_merged"

    source_cart_id: UUID
    strategy: str
    lines: list[Line]
    outcomes: list[MergeOutcome]
    coupon_code: str = ""
    email: str = ""
    marketing_consent: bool = False

    def evolve(self, state: CartState, at: datetime) -> CartState:
        moved = self.coupon_code != state.coupon_code
        return replace(
            state,
            lines=with_lines(state.lines, self.lines),
            coupon_code=self.coupon_code,
            coupon_applied_at=at if moved else state.coupon_applied_at,
            email=self.email,
            marketing_consent=self.marketing_consent,
        )


@dataclass(frozen=True, kw_only=True)
class MergedInto(Event):
    """This cart's lines went into another cart, and this one ended."""

    type: ClassVar[str] = "merged_into"

    target_cart_id: UUID

    def evolve(self, state: CartState, at: datetime) -> CartState:
        return replace(state, status=Status.MERGED, merged_into_id=self.target_cart_id)


@dataclass(frozen=True, kw_only=True)
class Converted(Event):
    type: ClassVar[str] = "converted"

    order_id: UUID

    def evolve(self, state: CartState, at: datetime) -> CartState:
        return replace(state, status=Status.CONVERTED, converted_order_id=self.order_id)


@dataclass(frozen=True, kw_only=True)
class Reopened(Event):
    """The order did not come about. It counts as a change of contents, so that a late, repeated conversion to the
    same order is refused."""

    type: ClassVar[str] = "reopened"

    order_id: UUID

    def evolve(self, state: CartState, at: datetime) -> CartState:
        return replace(state, status=Status.OPEN, converted_order_id=None)


@dataclass(frozen=True, kw_only=True)
class Abandoned(Event):
    """Nobody touched the cart for long. ``notified``: a reminder was asked for, which the frequency cap may forbid."""

    type: ClassVar[str] = "abandoned"
    changes_contents: ClassVar[bool] = False
    is_activity: ClassVar[bool] = False

    notified: bool

    def evolve(self, state: CartState, at: datetime) -> CartState:
        return replace(state, abandoned_at=at)


@dataclass(frozen=True, kw_only=True)
class Recovered(Event):
    """The link of a reminder was followed; the device that did it holds a token of its own."""

    type: ClassVar[str] = "recovered"
    changes_contents: ClassVar[bool] = False
    secrets: ClassVar[frozenset[str]] = frozenset({"token_hash"})

    token_hash: str

    def evolve(self, state: CartState, at: datetime) -> CartState:
        return replace(state, recovery_token_hash=self.token_hash)


@dataclass(frozen=True, kw_only=True)
class Expired(Event):
    type: ClassVar[str] = "expired"
    is_activity: ClassVar[bool] = False

    def evolve(self, state: CartState, at: datetime) -> CartState:
        return replace(state, status=Status.EXPIRED)


EVENT_TYPES: dict[str, type[Event]] = {
    event.type: event
    for event in (
        CartCreated, ItemAdded, QuantityChanged, ItemRemoved, PriceNoticed, CouponApplied, CouponRemoved, ContactLeft,
        Claimed, CartMerged, MergedInto, Converted, Reopened, Abandoned, Recovered, Expired,
    )
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Recorded:
    """An event in its place in a cart's log. ``actor`` is ``customer:<id>``, ``guest``, ``order:<id>`` or
    ``system``."""

    version: int
    at: datetime
    actor: str
    event: Event


def apply(state: CartState | None, recorded: Recorded) -> CartState:
    """Return the cart after one more event; ``state`` is None before the first.

    Raises:
        ValueError: the log has a gap, does not start with its creation, or creates the cart twice.
    """
    event, at = recorded.event, recorded.at
    if recorded.version != (state.version if state else 0) + 1:
        raise ValueError(f"version {recorded.version} cannot follow version {state.version if state else 0}")
    if state is None:
        if not isinstance(event, CartCreated):
            raise ValueError(f"a cart cannot start with {event.type}")
        after = event.initial(at)
    else:
        after = event.evolve(state, at)
    after = replace(after, version=recorded.version)
    if event.changes_contents:
        after = replace(after, contents_version=recorded.version)
    if event.is_activity:
        after = replace(after, last_activity_at=at, abandoned_at=None)
    return after


def rebuild(log: Iterable[Recorded], state: CartState | None = None) -> CartState:
    """Return the fold of ``log``, in version order, on top of ``state``.

    Raises:
        ValueError: the log is empty or broken.
    """
    for recorded in log:
        state = apply(state, recorded)
    if state is None:
        raise ValueError("a cart has at least one event")
    return state


def following(state: CartState | None, events: Sequence[Event], *, at: datetime, actor: str) -> list[Recorded]:
    """Return ``events`` numbered so that they follow ``state``."""
    first = (state.version if state else 0) + 1
    return [
        Recorded(version=version, at=at, actor=actor, event=event) for version, event in enumerate(events, start=first)
    ]


def to_data(event: Event) -> dict[str, Any]:
    """Return the fields of ``event`` as a JSON object."""
    data: dict[str, Any] = codec.to_builtins(event)
    return data


def from_data(type_: str, data: dict[str, Any]) -> Event:
    """Return the stored event of that type.

    Raises:
        KeyError: no such type was ever stored.
        codec.Undecodable: the data does not match the type.
    """
    return codec.from_builtins(data, EVENT_TYPES[type_])
