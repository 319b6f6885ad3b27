"""The races there are, by their names."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

from tests.races import buying, filling, outages, paying
from tests.races.arena import Arena


@dataclass(frozen=True)
class Race:
    """``run`` returns what came of it by numbers, and raises Broken. ``own`` needs processes of the arena's own."""

    name: str
    title: str
    run: Callable[[Arena, Random], str]
    own: bool = False


RACES = (
    Race("stock", "50 checkouts at once for the last piece", buying.last_piece),
    Race("coupon", "100 checkouts at once with a coupon for 10", buying.last_uses_of_a_coupon),
    Race("customer", "20 carts of one e-mail with a coupon for one use each", buying.one_use_for_a_customer),
    Race("key", "one checkout 20 times at once, and 20 times another one under its key", buying.same_key),
    Race("cart", "10 carts, each checked out 4 times at once under different keys", buying.two_keys_for_a_cart),
    Race("changed", "12 carts changed while they are checked out", buying.cart_changed_meanwhile),
    Race("price", "12 checkouts while the price rises, 12 afterwards", buying.price_moved_meanwhile),
    Race("add", "48 additions to one cart at once, 8 of them with If-Match", filling.every_line_is_kept),
    Race("webhook", "each webhook 5 times beside 8 looks of the buyer", paying.webhook_beside_return),
    Race("cancel", "16 orders cancelled while their Pix is paid", paying.cancelled_beside_payment),
    Race("refund", "refunds of all single pieces at once, and 8 too many", paying.refunds_beside_refunds),
    Race("return", "wishes to return every single piece, and refunds by staff, at once", paying.returns_beside_refunds),
    Race("mail", "10 checkouts at once without a mail server", outages.mail_server_down, own=True),
    Race("kill", "30 checkouts while 6 web processes are killed", outages.web_processes_killed, own=True),
)
BY_NAME = {race.name: race for race in RACES}
