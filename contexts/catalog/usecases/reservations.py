"""Reserving stock: held → committed, or held → released; what is cancelled ends returned.

Safe under any number of parallel callers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime
from typing import NoReturn
from uuid import UUID

from contexts.catalog.interface import OutOfStock, ReservationClosed, StockLine, VariantUnavailable
from contexts.catalog.models import MovementKind, ReservationStatus
from contexts.catalog.queries.sql import execute, fetch, fetch_one
from contexts.catalog.usecases.ledger import Change, Movement, StockTooLow, move_stock, show_changes
from ecommerce.errors import Conflict, Invalid
from ecommerce.ids import new_id
from ecommerce.unit_of_work import UnitOfWork, unit_of_work

RESERVE = """
WITH asked AS (
    SELECT * FROM unnest(%(variants)s::uuid[], %(quantities)s::int[], %(line_ids)s::uuid[], %(movement_ids)s::uuid[])
        AS a (variant_id, quantity, line_id, movement_id)
),
locked AS (
    SELECT s.variant_id, v.product_id, s.on_hand - s.reserved AS available,
           v.active AND v.deleted_at IS NULL AND p.status = 'active' AND p.deleted_at IS NULL AS on_sale
    FROM stock s
    JOIN variants v ON v.id = s.variant_id
    JOIN products p ON p.id = v.product_id
    WHERE s.variant_id = ANY(%(variants)s) AND NOT EXISTS (SELECT FROM stock_reservations WHERE id = %(reservation)s)
    ORDER BY s.variant_id
    FOR NO KEY UPDATE OF s
),
verdict AS (
    SELECT a.*, l.product_id, coalesce(l.on_sale, false) AS on_sale, coalesce(l.available, 0) AS available,
           coalesce(l.on_sale AND l.available >= a.quantity, false) AS granted
    FROM asked a LEFT JOIN locked l ON l.variant_id = a.variant_id
),
reservation AS (
    INSERT INTO stock_reservations (id, status, expires_at, created_at)
    SELECT %(reservation)s, 'held', %(expires_at)s, %(now)s WHERE (SELECT bool_and(granted) FROM verdict)
    ON CONFLICT (id) DO NOTHING RETURNING id
),
taken AS (
    UPDATE stock s SET reserved = s.reserved + a.quantity FROM verdict a, reservation r
    WHERE s.variant_id = a.variant_id
),
lines AS (
    INSERT INTO stock_reservation_lines (id, reservation_id, variant_id, quantity)
    SELECT a.line_id, r.id, a.variant_id, a.quantity FROM verdict a, reservation r
),
noted AS (
    INSERT INTO stock_movements (id, variant_id, kind, quantity, reservation_id, reason, at)
    SELECT a.movement_id, a.variant_id, 'reserve', a.quantity, r.id, '', %(now)s FROM verdict a, reservation r
)
SELECT variant_id, product_id, quantity, available, on_sale, EXISTS (SELECT FROM reservation) FROM verdict
"""
"""All or nothing, rows locked in the order of variant ids; a known reservation locks nothing."""

STATUS = "SELECT status FROM stock_reservations WHERE id = %s"
LOCK = """
    SELECT r.status, l.variant_id, l.quantity
    FROM stock_reservations r LEFT JOIN stock_reservation_lines l ON l.reservation_id = r.id
    WHERE r.id = %s FOR NO KEY UPDATE OF r
"""
TOMBSTONE = """
    INSERT INTO stock_reservations (id, status, expires_at, created_at, closed_at)
    VALUES (%(id)s, 'released', %(now)s, %(now)s, %(now)s) ON CONFLICT (id) DO NOTHING
"""
CANCEL = """
    INSERT INTO stock_reservations (id, status, expires_at, created_at, closed_at)
    VALUES (%(id)s, 'returned', %(now)s, %(now)s, %(now)s)
    ON CONFLICT (id) DO UPDATE SET status = 'returned' WHERE stock_reservations.status = 'released'
"""
"""Whatever holds no pieces holds none any more, for good."""
EXPIRED = """
    WITH due AS (
        SELECT id FROM stock_reservations WHERE status = 'held' AND expires_at <= %(now)s
        ORDER BY expires_at LIMIT %(limit)s FOR NO KEY UPDATE SKIP LOCKED
    )
    SELECT d.id, l.variant_id, l.quantity FROM due d JOIN stock_reservation_lines l ON l.reservation_id = d.id
"""
RENEW = """
    UPDATE stock_reservations SET expires_at = greatest(expires_at, %(expires_at)s), closed_at = NULL WHERE id = %(id)s
"""
RETURN_LINES = """
    WITH back AS (
        SELECT l.id, l.quantity - r.quantity AS rest
        FROM unnest(%(variants)s::uuid[], %(quantities)s::int[]) AS r (variant_id, quantity)
        JOIN stock_reservation_lines l ON l.reservation_id = %(reservation)s AND l.variant_id = r.variant_id
    ), gone AS (
        DELETE FROM stock_reservation_lines l USING back b WHERE l.id = b.id AND b.rest = 0
    )
    UPDATE stock_reservation_lines l SET quantity = b.rest FROM back b WHERE l.id = b.id AND b.rest > 0
"""
ADD_LINES = """
    INSERT INTO stock_reservation_lines (id, reservation_id, variant_id, quantity)
    SELECT * FROM unnest(%(ids)s::uuid[], %(reservations)s::uuid[], %(variants)s::uuid[], %(quantities)s::int[])
    ON CONFLICT (reservation_id, variant_id) DO NOTHING
"""

UNDONE_BY: dict[str | None, MovementKind] = {
    ReservationStatus.HELD: MovementKind.RELEASE,
    ReservationStatus.COMMITTED: MovementKind.RETURN,
}


class NotSoldYet(Conflict):
    """Pieces come back of a reservation whose sale has not been heard of yet; it has to come first."""

    code = "not_sold_yet"


class NothingToReserve(Invalid):
    """A reservation needs lines, each with one piece or more."""

    code = "nothing_to_reserve"


def reserve_stock(*, reservation_id: UUID, lines: Sequence[StockLine], expires_at: datetime, now: datetime) -> None:
    """Hold all ``lines`` for ``reservation_id`` or nothing. One statement, and two more when a variant sells out.

    Idempotent by ``reservation_id``.

    Raises:
        VariantUnavailable: a variant is unknown or not on sale.
        OutOfStock: fewer free pieces than asked.
        ReservationClosed: the reservation was released before.
        NothingToReserve: no lines, or a line without pieces.
    """
    if not lines or any(line.quantity < 1 for line in lines):
        raise NothingToReserve("Informe ao menos uma peça de cada item.")
    wanted = _pieces([(line.variant_id, line.quantity) for line in lines])
    parameters = {
        "reservation": reservation_id,
        "variants": list(wanted),
        "quantities": list(wanted.values()),
        "line_ids": [new_id() for _ in wanted],
        "movement_ids": [new_id() for _ in wanted],
        "expires_at": expires_at,
        "now": now,
    }
    with unit_of_work("catalog") as work:
        rows = fetch(RESERVE, parameters)
        if not all(reserved for *_, reserved in rows):
            _accept_repeated(reservation_id, rows)
            return
        changes = [Change(variant, product, free, free - asked) for variant, product, asked, free, *_ in rows]
        show_changes(work, changes=changes, now=now)


def renew_stock(*, reservation_id: UUID, lines: Sequence[StockLine], expires_at: datetime, now: datetime) -> None:
    """Make a reservation last until ``expires_at`` at least; one that has lapsed takes ``lines`` anew. Idempotent.

    Raises:
        OutOfStock: it had lapsed and the pieces are gone.
    """
    with unit_of_work("catalog") as work:
        status, _ = _lock(reservation_id)
        if status in (None, ReservationStatus.RELEASED):
            held = (MovementKind.RESERVE,)
            _take_anew(work, reservation_id, lines, held, ReservationStatus.HELD, now=now)
        if status in (None, ReservationStatus.RELEASED, ReservationStatus.HELD):
            execute(RENEW, {"id": reservation_id, "expires_at": expires_at})


def release_stock(*, reservation_id: UUID, now: datetime, reason: str = "") -> None:
    """Give back what a reservation still holds. Idempotent.

    An unknown reservation is remembered as released, so that a late reserve of the same id is refused.
    """
    with unit_of_work("catalog") as work:
        status, pieces = _lock(reservation_id)
        if status is None:
            if execute(TOMBSTONE, {"id": reservation_id, "now": now}):
                return
            status, pieces = _lock(reservation_id)
        if status == ReservationStatus.HELD:
            _settle(work, reservation_id, pieces, MovementKind.RELEASE, ReservationStatus.RELEASED, now, reason)


def commit_stock(*, reservation_id: UUID, lines: Sequence[StockLine], now: datetime) -> None:
    """Turn a reservation into a sale: the order is paid. Idempotent.

    If the hold had lapsed before the money came, ``lines`` are taken from what is free now.

    Raises:
        OutOfStock: the hold had lapsed and the pieces are gone; a person has to decide.
    """
    with unit_of_work("catalog") as work:
        status, pieces = _lock(reservation_id)
        if status == ReservationStatus.HELD:
            _settle(work, reservation_id, pieces, MovementKind.SELL, ReservationStatus.COMMITTED, now)
        elif status in (None, ReservationStatus.RELEASED):
            sold = (MovementKind.RESERVE, MovementKind.SELL)
            _take_anew(work, reservation_id, lines, sold, ReservationStatus.COMMITTED, now=now)


def cancel_stock(*, reservation_id: UUID, now: datetime) -> None:
    """Undo whatever a reservation came to: a held one is released, a sold one is put back on the shelf. Idempotent.

    It is the last word: a sale of the same reservation that is heard of later takes no pieces any more.
    """
    with unit_of_work("catalog") as work:
        status, pieces = _lock(reservation_id)
        if status in (None, ReservationStatus.RELEASED):
            if execute(CANCEL, {"id": reservation_id, "now": now}):
                return
            status, pieces = _lock(reservation_id)
        if status in UNDONE_BY:
            _settle(work, reservation_id, pieces, UNDONE_BY[status], ReservationStatus.RETURNED, now)


def return_stock(*, reservation_id: UUID, lines: Sequence[StockLine], now: datetime) -> None:
    """Put sold pieces of a reservation back on the shelf, no more than it still has; the rest stays sold.

    What was sold and cancelled since is back already. Not idempotent: call it from a handler.

    Raises:
        NotSoldYet: the sale comes later, even of a reservation that has lapsed; call again.
    """
    with unit_of_work("catalog") as work:
        status, sold = _lock(reservation_id)
        if status == ReservationStatus.RETURNED:
            return
        if status != ReservationStatus.COMMITTED:
            raise NotSoldYet("A venda desta reserva ainda não foi registrada.", reservation_id=str(reservation_id))
        wanted = _pieces([(line.variant_id, line.quantity) for line in lines])
        pieces = {variant: min(quantity, sold[variant]) for variant, quantity in wanted.items() if sold[variant]}
        movements = [
            Movement(variant_id=variant, kind=MovementKind.RETURN, quantity=quantity, reservation_id=reservation_id)
            for variant, quantity in pieces.items()
        ]
        back = {"reservation": reservation_id, "variants": list(pieces), "quantities": list(pieces.values())}
        execute(RETURN_LINES, back)
        changes = move_stock(movements, now=now, reason="devolução")
        show_changes(work, changes=changes, now=now)


def release_expired_reservations(*, now: datetime, limit: int = 200) -> int:
    """Release up to ``limit`` reservations whose time is over, in one transaction; return how many.

    Reservations that somebody else is working on are skipped.
    """
    with unit_of_work("catalog") as work:
        rows = fetch(EXPIRED, {"now": now, "limit": limit})
        if not rows:
            return 0
        reservations = list({row[0] for row in rows})
        changes = move_stock(
            [
                Movement(variant_id=variant, kind=MovementKind.RELEASE, quantity=quantity, reservation_id=reservation)
                for reservation, variant, quantity in rows
            ],
            now=now,
            reason="expirada",
            close=reservations,
            close_as=ReservationStatus.RELEASED,
        )
        show_changes(work, changes=changes, now=now)
    return len(reservations)


def _pieces(lines: Sequence[tuple[UUID, int]]) -> Counter[UUID]:
    """Add up the pieces of each variant, in the order of their ids."""
    wanted: Counter[UUID] = Counter()
    for variant_id, quantity in sorted(lines):
        wanted[variant_id] += quantity
    return wanted


def _lock(reservation_id: UUID) -> tuple[str | None, Counter[UUID]]:
    """Lock a reservation; return its status, None if it is unknown, and its pieces."""
    rows = fetch(LOCK, [reservation_id])
    pieces = _pieces([(variant, quantity) for _, variant, quantity in rows if variant])
    return rows[0][0] if rows else None, pieces


def _settle(
    work: UnitOfWork,
    reservation_id: UUID,
    pieces: Counter[UUID],
    kind: MovementKind,
    status: ReservationStatus,
    now: datetime,
    reason: str = "",
) -> None:
    movements = [
        Movement(variant_id=variant_id, kind=kind, quantity=quantity, reservation_id=reservation_id)
        for variant_id, quantity in pieces.items()
    ]
    changes = move_stock(movements, now=now, reason=reason, close=[reservation_id], close_as=status)
    show_changes(work, changes=changes, now=now)


def _take_anew(
    work: UnitOfWork,
    reservation_id: UUID,
    lines: Sequence[StockLine],
    kinds: Sequence[MovementKind],
    status: ReservationStatus,
    *,
    now: datetime,
) -> None:
    """Take what a lapsed or unknown reservation should have held, by movements of these ``kinds``."""
    execute(TOMBSTONE, {"id": reservation_id, "now": now})
    pieces = _pieces([(line.variant_id, line.quantity) for line in lines])
    parameters = {
        "ids": [new_id() for _ in pieces],
        "reservations": [reservation_id] * len(pieces),
        "variants": list(pieces),
        "quantities": list(pieces.values()),
    }
    execute(ADD_LINES, parameters)
    movements = [
        Movement(variant_id=variant_id, kind=kind, quantity=quantity, reservation_id=reservation_id)
        for variant_id, quantity in pieces.items()
        for kind in kinds
    ]
    try:
        changes = move_stock(movements, now=now, reason="reserva vencida", close=[reservation_id], close_as=status)
    except StockTooLow as error:
        raise OutOfStock("A reserva venceu antes do pagamento e as peças foram vendidas.") from error
    show_changes(work, changes=changes, now=now)


def _accept_repeated(reservation_id: UUID, rows: Sequence[tuple[object, ...]]) -> None:
    """Return if the reservation stands already, else say why it was refused.

    Raises:
        ReservationClosed, VariantUnavailable, OutOfStock
    """
    known = fetch_one(STATUS, [reservation_id])
    if known is None:
        _refuse(rows)
    if known[0] in (ReservationStatus.RELEASED, ReservationStatus.RETURNED):
        raise ReservationClosed("Esta reserva já foi encerrada.", reservation_id=str(reservation_id))


def _refuse(rows: Sequence[tuple[object, ...]]) -> NoReturn:
    """Say what is missing.

    Raises:
        VariantUnavailable, OutOfStock
    """
    if unknown := [str(variant) for variant, _, _, _, on_sale, _ in rows if not on_sale]:
        raise VariantUnavailable("Há itens que não estão à venda.", variant_ids=unknown)
    shortages = [
        {"variant_id": str(variant), "requested": asked, "available": free}
        for variant, _, asked, free, *_ in rows
        if free < asked  # type: ignore[operator]
    ]
    raise OutOfStock("Não há peças suficientes em estoque.", shortages=shortages)
