import pytest
from django.contrib.admin import site
from django.urls import reverse

from contexts.cart.models import AbandonedCart, Cart
from contexts.cart.usecases import abandonment
from contexts.identity.models import User
from ecommerce.ids import new_id
from tests.contexts.cart.factories import NOON, brl, cart_with
from tests.contexts.cart.usecases.test_abandonment import HOUR

pytestmark = pytest.mark.django_db(databases=["cart", "identity"])


@pytest.fixture
def office(client):
    client.force_login(User.objects.create_superuser(email="chefe@example.com", password="senha-de-teste-1"))
    return client


def test_a_carts_page_shows_lines_and_history_without_secrets(office, catalog):
    cart, _ = cart_with(catalog.sell(product_name="Camiseta <b>"), email="ana@example.com")
    page = office.get(reverse("admin:cart_cart_change", args=[cart.pk])).content.decode()
    assert "Camiseta &lt;b&gt;" in page
    assert "contact_left" in page
    assert cart.token_hash not in page


@pytest.mark.parametrize("model", [Cart, AbandonedCart])
def test_nothing_can_be_edited(office, model, rf):
    request = rf.get("/")
    admin = site.get_model_admin(model)
    assert not admin.has_add_permission(request)
    assert not admin.has_change_permission(request)
    assert not admin.has_delete_permission(request)


@pytest.mark.parametrize("page", ["admin:cart_cart_changelist", "admin:cart_abandonedcart_changelist"])
def test_a_list_costs_the_same_however_long(office, catalog, statements, page):
    counts = []
    for _ in range(2):
        for number in range(4):
            cart_with(catalog.sell(), email=f"{len(counts)}-{number}@example.com")
        abandonment.detect_abandoned(now=NOON + 2 * HOUR, inactive_for=HOUR)
        with statements() as executed:
            assert office.get(reverse(page)).status_code == 200
        counts.append(len(executed))
    assert counts[0] == counts[1] > 0


def test_recovered_revenue_stands_above_the_list(office, catalog):
    from ecommerce.clock import now

    AbandonedCart.objects.create(
        cart_id=new_id(), cart_version=1, detected_at=now() - HOUR, notified=True, pieces=1, subtotal_amount=10,
        currency="BRL", recovered_at=now(), recovered_order_id=new_id(), recovered_amount=brl("123.45").amount,
    )  # fmt: skip
    assert "123" in office.get(reverse("admin:cart_abandonedcart_changelist")).content.decode()


def test_carts_are_found_by_any_of_their_ids_and_by_address(office, catalog):
    customer = new_id()
    cart, _ = cart_with(catalog.sell(), customer_id=customer, email="ana@example.com")
    cart_with(catalog.sell(), email="bia@example.com")
    for term in (str(cart.id), str(customer), "Ana@example.com"):
        page = office.get(reverse("admin:cart_cart_changelist"), {"q": term})
        assert [row.pk for row in page.context["cl"].result_list] == [cart.pk]
