from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from contexts.cart.management.commands import rebuild_carts
from contexts.cart.models import Cart
from tests.contexts.cart.factories import cart_with

pytestmark = pytest.mark.django_db(databases=["cart"])


def run(*arguments):
    out = StringIO()
    call_command("rebuild_carts", *arguments, stdout=out)
    return out.getvalue()


def test_verifying_fails_on_a_difference_and_rebuilding_repairs_it(catalog, monkeypatch):
    monkeypatch.setattr(rebuild_carts, "BATCH", 2)
    carts = [cart_with(catalog.sell())[0] for _ in range(5)]
    assert run("--verify").strip() == "5 carts, 0 different"
    Cart.objects.filter(pk=carts[4].pk).update(email="eve@example.com")
    Cart.objects.filter(pk=carts[1].pk).delete()
    with pytest.raises(CommandError, match="2 of 5"):
        run("--verify")
    out = run()
    assert f"{carts[4].id}: email" in out
    assert f"{carts[1].id}: no row" in out
    assert out.endswith("5 carts, 2 put right\n")
    assert run("--verify").strip() == "5 carts, 0 different"
