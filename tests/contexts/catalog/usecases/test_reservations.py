from __future__ import annotations

import contextlib
from datetime import timedelta

import pytest

from contexts.catalog.events import VariantBackInStock
from contexts.catalog.interface import OutOfStock, ReservationClosed, StockLine, VariantUnavailable
from contexts.catalog.models import (
    MovementKind,
    ProductCatalog,
    ReservationLine,
    ReservationStatus,
    Stock,
    StockAlert,
    StockMovement,
    StockReservation,
)
from contexts.catalog.usecases import reservations
from contexts.catalog.usecases.reservations import (
    NothingToReserve,
    NotSoldYet,
    cancel_stock,
    commit_stock,
    release_expired_reservations,
    release_stock,
    renew_stock,
    return_stock,
)
from contexts.catalog.usecases.stock import StockEntry, record_stock
from ecommerce.errors import DomainError
from ecommerce.ids import new_id
from ecommerce.testing import published
from tests.contexts.catalog.factories import NOON, ProductFactory, on_sale, variant_of

LATER = NOON + timedelta(minutes=15)
here = pytest.mark.django_db(databases=["catalog"])


def reserve(*lines, reservation_id=None, expires_at=LATER):
    reservation_id = reservation_id or new_id()
    reservations.reserve_stock(
        reservation_id=reservation_id,
        lines=[StockLine(variant_id=variant.pk, quantity=quantity) for variant, quantity in lines],
        expires_at=expires_at,
        now=NOON,
    )
    return reservation_id


def balance(variant):
    stock = Stock.objects.get(pk=variant.pk)
    return stock.on_hand, stock.reserved


def ledger_balance(variant):
    """What the ledger says that the balance is."""
    rows = StockMovement.objects.filter(variant=variant)
    total = {kind: sum(row.quantity for row in rows if row.kind == kind) for kind in MovementKind}
    on_hand = total["receive"] + total["return"] + total["adjust"] - total["sell"]
    return on_hand, total["reserve"] - total["release"] - total["sell"]


@here
def test_a_reservation_holds_its_pieces():
    shirt, mug = on_sale(stock=5), on_sale(stock=2)
    reservation_id = reserve((shirt, 3), (mug, 1))
    assert balance(shirt) == (5, 3)
    assert balance(mug) == (2, 1)
    reservation = StockReservation.objects.get(pk=reservation_id)
    assert (reservation.status, reservation.expires_at) == (ReservationStatus.HELD, LATER)
    assert {line.variant_id: line.quantity for line in reservation.lines.all()} == {shirt.pk: 3, mug.pk: 1}


@here
def test_the_same_variant_twice_is_one_line():
    shirt = on_sale(stock=5)
    reservation_id = reserve((shirt, 2), (shirt, 3))
    assert balance(shirt) == (5, 5)
    assert ReservationLine.objects.get(reservation_id=reservation_id).quantity == 5


@here
def test_one_shortage_refuses_all_lines_and_is_listed():
    shirt, mug = on_sale(stock=5), on_sale(stock=2)
    with pytest.raises(OutOfStock) as refusal:
        reserve((shirt, 1), (mug, 3))
    assert refusal.value.params["shortages"] == [{"variant_id": str(mug.pk), "requested": 3, "available": 2}]
    assert balance(shirt) == (5, 0)
    assert not StockReservation.objects.exists()
    assert not StockMovement.objects.exists()


@here
@pytest.mark.parametrize("fault", ["unknown", "inactive", "removed", "draft"])
def test_what_is_not_on_sale_cannot_be_reserved(fault):
    shirt, mug = on_sale(), on_sale()
    if fault == "unknown":
        mug.pk = new_id()
    elif fault == "inactive":
        mug.active = False
        mug.save()
    elif fault == "removed":
        mug.remove(now=NOON)
        mug.save()
    else:
        mug.product.withdraw()
        mug.product.save()
    with pytest.raises(VariantUnavailable) as refusal:
        reserve((shirt, 1), (mug, 1))
    assert refusal.value.params["variant_ids"] == [str(mug.pk)]
    assert balance(shirt) == (10, 0)


@here
@pytest.mark.parametrize("quantities", [[], [0], [1, -1]])
def test_an_empty_reservation_is_refused(quantities):
    shirt = on_sale()
    with pytest.raises(NothingToReserve):
        reserve(*((shirt, quantity) for quantity in quantities))


@here
def test_repeating_a_reservation_changes_nothing_even_when_it_took_the_last_piece():
    shirt = on_sale(stock=1)
    reservation_id = reserve((shirt, 1))
    reserve((shirt, 1), reservation_id=reservation_id)
    assert balance(shirt) == (1, 1)
    assert StockMovement.objects.count() == 1


@here
def test_a_released_reservation_cannot_be_taken_again():
    shirt = on_sale()
    reservation_id = reserve((shirt, 1))
    release_stock(reservation_id=reservation_id, now=NOON)
    with pytest.raises(ReservationClosed):
        reserve((shirt, 1), reservation_id=reservation_id)
    assert balance(shirt) == (10, 0)


@here
def test_releasing_an_unknown_reservation_bars_it_for_good():
    shirt, reservation_id = on_sale(), new_id()
    release_stock(reservation_id=reservation_id, now=NOON)
    release_stock(reservation_id=reservation_id, now=NOON)
    with pytest.raises(ReservationClosed):
        reserve((shirt, 1), reservation_id=reservation_id)


@here
def test_releasing_twice_gives_back_once():
    shirt = on_sale(stock=4)
    reservation_id = reserve((shirt, 3))
    release_stock(reservation_id=reservation_id, now=NOON)
    release_stock(reservation_id=reservation_id, now=NOON)
    assert balance(shirt) == (4, 0)


@here
def test_committing_takes_the_pieces_out_once_and_release_comes_too_late():
    shirt = on_sale(stock=4)
    reservation_id = reserve((shirt, 3))
    line = [StockLine(variant_id=shirt.pk, quantity=3)]
    commit_stock(reservation_id=reservation_id, lines=line, now=NOON)
    commit_stock(reservation_id=reservation_id, lines=line, now=NOON)
    release_stock(reservation_id=reservation_id, now=NOON)
    assert balance(shirt) == (1, 0)


@here
def test_a_hold_is_made_to_last_longer_and_never_shorter():
    shirt = on_sale(stock=4)
    reservation_id, line = reserve((shirt, 3)), [StockLine(variant_id=shirt.pk, quantity=3)]
    for until in (LATER + timedelta(hours=1), LATER):
        renew_stock(reservation_id=reservation_id, lines=line, expires_at=until, now=NOON)
    assert StockReservation.objects.get(pk=reservation_id).expires_at == LATER + timedelta(hours=1)
    assert (balance(shirt), StockMovement.objects.count()) == ((4, 3), 1)


@here
@pytest.mark.parametrize("lapsed", [True, False])
def test_a_hold_that_lapsed_or_never_was_takes_the_pieces_anew(lapsed):
    shirt = on_sale(stock=4)
    reservation_id, line = new_id(), [StockLine(variant_id=shirt.pk, quantity=3)]
    if lapsed:
        reserve((shirt, 3), reservation_id=reservation_id)
        release_stock(reservation_id=reservation_id, now=NOON)
    for _ in range(2):
        renew_stock(reservation_id=reservation_id, lines=line, expires_at=LATER, now=NOON)
    assert balance(shirt) == ledger_balance_of(shirt, received=4) == (4, 3)
    reservation = StockReservation.objects.get(pk=reservation_id)
    assert (reservation.status, reservation.expires_at, reservation.closed_at) == (ReservationStatus.HELD, LATER, None)
    commit_stock(reservation_id=reservation_id, lines=line, now=NOON)
    renew_stock(reservation_id=reservation_id, lines=line, expires_at=LATER, now=NOON)
    assert balance(shirt) == (1, 0)


@here
def test_pieces_that_are_gone_are_not_held_anew():
    shirt = on_sale(stock=4)
    reservation_id, line = reserve((shirt, 3)), [StockLine(variant_id=shirt.pk, quantity=3)]
    release_stock(reservation_id=reservation_id, now=NOON)
    reserve((shirt, 2))
    with pytest.raises(OutOfStock):
        renew_stock(reservation_id=reservation_id, lines=line, expires_at=LATER, now=NOON)
    assert balance(shirt) == (4, 2)
    assert StockReservation.objects.get(pk=reservation_id).status == ReservationStatus.RELEASED


@here
def test_pieces_come_back_one_by_one_and_the_rest_when_the_sale_is_cancelled():
    shirt, hat = on_sale(stock=4), on_sale(stock=2)
    reservation_id = reserve((shirt, 3), (hat, 1))
    commit_stock(reservation_id=reservation_id, lines=[], now=NOON)
    back = [StockLine(variant_id=shirt.pk, quantity=1), StockLine(variant_id=hat.pk, quantity=1)]
    return_stock(reservation_id=reservation_id, lines=back, now=NOON)
    assert (balance(shirt), balance(hat)) == ((2, 0), (2, 0))
    return_stock(reservation_id=reservation_id, lines=[StockLine(variant_id=hat.pk, quantity=1)], now=NOON)
    assert balance(hat) == (2, 0)
    cancel_stock(reservation_id=reservation_id, now=NOON)
    assert (balance(shirt), balance(hat)) == ((4, 0), (2, 0))
    return_stock(reservation_id=reservation_id, lines=back, now=NOON)
    assert balance(shirt) == (4, 0)


@here
@pytest.mark.parametrize("before", ["unknown", "held", "released"])
def test_pieces_that_come_back_before_their_sale_are_not_forgotten(before):
    shirt, reservation_id = on_sale(stock=9), new_id()
    if before != "unknown":
        reserve((shirt, 2), reservation_id=reservation_id)
    if before == "released":
        release_expired_reservations(now=LATER)
    sold, back = ([StockLine(variant_id=shirt.pk, quantity=quantity)] for quantity in (2, 1))
    with pytest.raises(NotSoldYet):
        return_stock(reservation_id=reservation_id, lines=back, now=LATER)
    commit_stock(reservation_id=reservation_id, lines=sold, now=LATER)
    return_stock(reservation_id=reservation_id, lines=back, now=LATER)
    assert balance(shirt) == (8, 0)


def ledger_balance_of(variant, *, received):
    """What the ledger says that the balance is, of pieces that a factory put there without a line in it."""
    on_hand, reserved = ledger_balance(variant)
    return received + on_hand, reserved


@here
def test_money_after_the_hold_lapsed_takes_free_pieces():
    shirt = on_sale(stock=4)
    reservation_id = reserve((shirt, 3))
    release_stock(reservation_id=reservation_id, now=NOON)
    commit_stock(reservation_id=reservation_id, lines=[StockLine(variant_id=shirt.pk, quantity=3)], now=NOON)
    assert balance(shirt) == (1, 0)
    assert StockReservation.objects.get(pk=reservation_id).status == ReservationStatus.COMMITTED


@here
def test_money_after_the_pieces_went_elsewhere_is_refused_whole():
    shirt, mug = on_sale(stock=4), on_sale(stock=4)
    with pytest.raises(OutOfStock):
        commit_stock(
            reservation_id=new_id(),
            lines=[StockLine(variant_id=mug.pk, quantity=1), StockLine(variant_id=shirt.pk, quantity=5)],
            now=NOON,
        )
    assert balance(shirt) == balance(mug) == (4, 0)


@here
def test_cancelling_releases_what_is_held_and_returns_what_was_sold():
    shirt = on_sale(stock=4)
    held, sold = reserve((shirt, 1)), reserve((shirt, 2))
    commit_stock(reservation_id=sold, lines=[], now=NOON)
    for _ in range(2):
        cancel_stock(reservation_id=held, now=NOON)
        cancel_stock(reservation_id=sold, now=NOON)
    assert balance(shirt) == (4, 0)
    statuses = dict(StockReservation.objects.values_list("id", "status"))
    assert statuses == dict.fromkeys([held, sold], ReservationStatus.RETURNED)


@here
def test_cancelling_before_the_reservation_arrives_bars_it():
    shirt, reservation_id = on_sale(), new_id()
    cancel_stock(reservation_id=reservation_id, now=NOON)
    with pytest.raises(ReservationClosed):
        reserve((shirt, 1), reservation_id=reservation_id)


@here
def test_expired_reservations_are_released_in_batches_and_others_stay():
    shirt, mug = on_sale(stock=9), on_sale(stock=9)
    for _ in range(3):
        reserve((shirt, 2), (mug, 1))
    kept = reserve((shirt, 1), expires_at=LATER + timedelta(days=1))
    assert [release_expired_reservations(now=LATER, limit=2) for _ in range(3)] == [2, 1, 0]
    assert balance(shirt) == (9, 1)
    assert balance(mug) == (9, 0)
    assert StockReservation.objects.get(status=ReservationStatus.HELD).pk == kept


@here
def test_the_ledger_adds_up_to_the_balance():
    shirt = on_sale(stock=0)
    entry = StockEntry(kind=MovementKind.RECEIVE, quantity=10, variant_id=shirt.pk)
    record_stock(entries=[entry], reason="", actor_id=None, now=NOON)
    first, second, third = reserve((shirt, 1)), reserve((shirt, 2)), reserve((shirt, 3))
    commit_stock(reservation_id=first, lines=[], now=NOON)
    commit_stock(reservation_id=second, lines=[], now=NOON)
    cancel_stock(reservation_id=second, now=NOON)
    release_stock(reservation_id=third, now=NOON)
    commit_stock(reservation_id=new_id(), lines=[StockLine(variant_id=shirt.pk, quantity=4)], now=NOON)
    assert balance(shirt) == ledger_balance(shirt) == (5, 0)


@here
def test_the_last_piece_takes_the_product_out_of_what_is_available_and_its_return_brings_it_back():
    shirt = on_sale(stock=2)
    reserve((shirt, 1))
    assert ProductCatalog.objects.get(pk=shirt.product_id).available
    reservation_id = reserve((shirt, 1))
    listing = ProductCatalog.objects.get(pk=shirt.product_id)
    assert not listing.available
    assert '"available": false' in listing.document
    release_stock(reservation_id=reservation_id, now=NOON)
    assert ProductCatalog.objects.get(pk=shirt.product_id).available


@here
def test_a_product_stays_available_while_another_variant_has_pieces():
    product = ProductFactory.create()
    small, large = variant_of(product, stock=1), variant_of(product, stock=1)
    reserve((small, 1))
    assert ProductCatalog.objects.get(pk=product.pk).available
    reserve((large, 1))
    assert not ProductCatalog.objects.get(pk=product.pk).available


@here
def test_who_waits_is_told_once_when_pieces_come_back():
    shirt, waiting = on_sale(stock=1, name="Camiseta azul", slug="camiseta-azul"), sorted([new_id(), new_id()])
    reservation_id = reserve((shirt, 1))
    for customer_id in waiting:
        StockAlert.objects.create(customer_id=customer_id, variant=shirt, created_at=NOON)
    release_stock(reservation_id=reservation_id, now=NOON)
    again = reserve((shirt, 1))
    release_stock(reservation_id=again, now=NOON)
    (event,) = published("catalog", VariantBackInStock)
    assert (event.variant_id, event.sku) == (shirt.pk, shirt.sku)
    assert (event.product_name, event.product_slug) == ("Camiseta azul", "camiseta-azul")
    assert sorted(event.customer_ids) == waiting
    assert not StockAlert.objects.filter(notified_at=None).exists()


@here
def test_a_crowd_that_waits_is_told_in_several_events(monkeypatch):
    monkeypatch.setattr("contexts.catalog.usecases.ledger.ALERTED_PER_EVENT", 2)
    shirt = on_sale(stock=1)
    reservation_id = reserve((shirt, 1))
    waiting = {new_id() for _ in range(5)}
    StockAlert.objects.bulk_create(
        StockAlert(customer_id=customer_id, variant=shirt, created_at=NOON) for customer_id in waiting
    )
    release_stock(reservation_id=reservation_id, now=NOON)
    events = published("catalog", VariantBackInStock)
    assert [len(event.customer_ids) for event in events] == [2, 2, 1]
    assert {customer_id for event in events for customer_id in event.customer_ids} == waiting


@here
@pytest.mark.parametrize("lines", [1, 8])
def test_the_number_of_statements_does_not_depend_on_the_lines(statements, lines):
    variants = [on_sale(stock=9) for _ in range(lines)]
    with statements() as reserving:
        reservation_id = reserve(*((variant, 1) for variant in variants))
    with statements() as committing:
        commit_stock(reservation_id=reservation_id, lines=[], now=NOON)
    with statements() as returning:
        cancel_stock(reservation_id=reservation_id, now=NOON)
    assert [len(executed) for executed in (reserving, committing, returning)] == [1, 2, 2]


@here
def test_selling_out_costs_two_statements_more(statements):
    shirt = on_sale(stock=1)
    with statements() as executed:
        reserve((shirt, 1))
    assert len(executed) == 3


@pytest.mark.django_db(databases=["catalog"], transaction=True)
class TestRaces:
    def test_fifty_buyers_of_the_last_piece_make_one_reservation(self, together):
        shirt = on_sale(stock=1)
        results = together([lambda: reserve((shirt, 1))] * 50)
        refused = [result for result in results if isinstance(result, Exception)]
        assert {type(error) for error in refused} == {OutOfStock}
        assert len(refused) == 49
        assert balance(shirt) == (1, 1)
        assert StockReservation.objects.count() == 1
        assert not ProductCatalog.objects.get(pk=shirt.product_id).available

    def test_eight_buyers_of_the_same_two_products_sell_every_piece_and_never_deadlock(self, together):
        shirt, mug = on_sale(stock=20), on_sale(stock=20)
        taken = []

        def buy(lines):
            for _ in range(4):
                with contextlib.suppress(OutOfStock):
                    taken.append(reserve(*lines))

        orders = [[(shirt, 1), (mug, 1)], [(mug, 1), (shirt, 1)]] * 4
        results = together([lambda lines=lines: buy(lines) for lines in orders])
        assert results == [None] * 8
        assert len(taken) == 20
        assert balance(shirt) == balance(mug) == (20, 20)

    def test_the_same_reservation_sent_in_parallel_takes_once(self, together):
        shirt, reservation_id = on_sale(stock=5), new_id()
        results = together([lambda: reserve((shirt, 2), reservation_id=reservation_id)] * 8)
        assert results == [reservation_id] * 8
        assert balance(shirt) == (5, 2)

    def test_reserve_against_release_ends_held_or_barred_and_never_in_between(self, together):
        shirt = on_sale(stock=50)
        for _ in range(10):
            reservation_id = new_id()
            results = together(
                [
                    lambda id=reservation_id: reserve((shirt, 1), reservation_id=id),
                    lambda id=reservation_id: release_stock(reservation_id=id, now=NOON),
                ]
            )
            assert not [r for r in results if isinstance(r, Exception) and not isinstance(r, ReservationClosed)]
            assert StockReservation.objects.get(pk=reservation_id).status == ReservationStatus.RELEASED
        assert balance(shirt) == (50, 0)

    def test_commit_release_and_expiry_at_once_settle_a_reservation_once(self, together):
        shirt = on_sale(stock=10)
        ids = [reserve((shirt, 1)) for _ in range(10)]
        line = [StockLine(variant_id=shirt.pk, quantity=1)]

        def settle(number):
            if number == 0:
                return [release_expired_reservations(now=LATER, limit=3) for _ in range(4)]
            for reservation_id in ids if number == 1 else reversed(ids):
                if number == 1:
                    release_stock(reservation_id=reservation_id, now=NOON)
                else:
                    commit_stock(reservation_id=reservation_id, lines=line, now=NOON)
            return None

        results = together([lambda number=number: settle(number) for number in range(3)])
        assert not [result for result in results if isinstance(result, DomainError | Exception)]
        on_hand, reserved = balance(shirt)
        sold = StockReservation.objects.filter(status=ReservationStatus.COMMITTED).count()
        assert (on_hand, reserved) == (10 - sold, 0)
        assert not StockReservation.objects.filter(status=ReservationStatus.HELD).exists()

    def test_two_variants_of_a_product_sold_out_at_once_leave_it_unavailable(self, together):
        for _ in range(5):
            product = ProductFactory.create()
            pair = [variant_of(product, stock=1), variant_of(product, stock=1)]
            assert not [r for r in together([lambda v=v: reserve((v, 1)) for v in pair]) if isinstance(r, Exception)]
            assert not ProductCatalog.objects.get(pk=product.pk).available
