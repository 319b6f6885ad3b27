import pytest

from contexts.cart.domain.access import Caller
from contexts.cart.interface import CartChanged, CartNotFound
from contexts.cart.models import Cart, CartEvent
from contexts.cart.usecases import lines, merging
from ecommerce.ids import new_id
from tests.contexts.cart.factories import NOON, brl, cart_with

pytestmark = pytest.mark.django_db(databases=["cart"])


def merge(target, source, *, caller, token, now=NOON):
    return merging.merge_carts(cart_id=target.id, source_id=source.id, caller=caller, source_token=token, now=now)


def test_a_merge_adds_up_and_ends_the_source(catalog):
    shared, other = catalog.sell(), catalog.sell(price=brl("5.00"))
    mine, me = cart_with(shared, customer_id=new_id())
    theirs, guest = cart_with(shared, other)
    merged, report = merge(mine, theirs, caller=me, token=guest.token)
    assert [(line.variant_id, line.quantity) for line in merged.state.lines] == [(shared.id, 2), (other.id, 1)]
    assert report.strategy == "sum_capped"
    ended = Cart.objects.get(pk=theirs.id)
    assert (ended.status, ended.merged_into_id) == ("merged", mine.id)


def test_merging_again_changes_nothing_and_gives_the_same_report(catalog):
    variant = catalog.sell(available=1)
    mine, me = cart_with(variant, customer_id=new_id())
    theirs, guest = cart_with(variant)
    first, report = merge(mine, theirs, caller=me, token=guest.token)
    events = CartEvent.objects.count()
    catalog.sell(id=variant.id, available=50, price=brl("99.00"))
    again, same = merge(mine, theirs, caller=me, token=guest.token)
    assert same == report
    assert report.outcomes[0].cap == "stock"
    assert (again.version, CartEvent.objects.count()) == (first.version, events)


def test_a_merge_takes_one_call_and_four_statements_in_its_transaction(catalog, statements):
    mine, me = cart_with(*(catalog.sell() for _ in range(30)), customer_id=new_id())
    theirs, guest = cart_with(*(catalog.sell() for _ in range(30)))
    catalog.calls = 0
    with statements() as executed:
        merge(mine, theirs, caller=me, token=guest.token)
    assert catalog.calls == 1
    assert [sql.split()[0] for sql in executed] == ["SELECT", "SELECT", "INSERT", "INSERT"]


def test_the_source_must_be_ones_own_or_its_token_known(catalog):
    mine, me = cart_with(catalog.sell(), customer_id=new_id())
    stranger, _ = cart_with(catalog.sell(), customer_id=new_id())
    guests, _ = cart_with(catalog.sell())
    also_mine, _ = cart_with(catalog.sell(), customer_id=me.customer_id)
    for source in (stranger, guests):
        with pytest.raises(CartNotFound):
            merge(mine, source, caller=me, token="guessed")
    with pytest.raises(CartNotFound):
        merge(stranger, also_mine, caller=me, token="")
    merged, _ = merge(mine, also_mine, caller=me, token="")
    assert merged.pieces == 2


def test_a_source_that_went_into_another_cart_is_not_merged_again(catalog):
    first, me = cart_with(catalog.sell(), customer_id=new_id())
    second, _ = cart_with(catalog.sell(), customer_id=me.customer_id)
    theirs, guest = cart_with(catalog.sell())
    merge(first, theirs, caller=me, token=guest.token)
    with pytest.raises(CartChanged):
        merge(second, theirs, caller=me, token=guest.token)
    assert Cart.objects.get(pk=second.id).version == second.version


def test_a_source_that_moves_while_catalog_answers_is_not_merged_half(catalog, monkeypatch):
    variant, late = catalog.sell(), catalog.sell()
    mine, me = cart_with(customer_id=new_id())
    theirs, guest = cart_with(variant)
    read = merging.variants_of

    def and_meanwhile_a_line_is_added(ids):
        answer = read(ids)
        lines.add_line(cart_id=theirs.id, caller=guest, variant_id=late.id, quantity=1, now=NOON)
        return answer

    monkeypatch.setattr(merging, "variants_of", and_meanwhile_a_line_is_added)
    with pytest.raises(CartChanged):
        merge(mine, theirs, caller=me, token=guest.token)
    assert Cart.objects.get(pk=theirs.id).status == "open"


def test_a_guest_merges_guest_carts_by_their_tokens(catalog):
    mine, me = cart_with(catalog.sell())
    theirs, guest = cart_with(catalog.sell())
    merged, _ = merge(mine, theirs, caller=Caller(token=me.token), token=guest.token)
    assert merged.pieces == 2
