"""The rules of ``rules.py``: the code keeps them, and each of them notices what it is there for."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from django.conf import settings

from tests.architecture import rules
from tests.architecture.copies import PACKAGES
from tests.architecture.rules import RULES, Module, Rule

EXCEPTIONS: dict[tuple[Rule, str], str] = {
    (rules.transactions_name_their_database, "contexts/identity/adapters/allauth_transactions.py"): (
        "gives the bare transactions of a library their database"
    ),
    (rules.contexts_find_nothing_by_name, "contexts/identity/models.py"): (
        "Django's own way to the session engine that the settings name"
    ),
    (rules.the_time_is_passed_in, "contexts/notification/usecases/delivery.py"): (
        "each mail of a batch ends when its server has answered"
    ),
}


@pytest.fixture(scope="module")
def modules() -> list[Module]:
    """The code, without migrations: those are generated."""
    return [
        Module(PurePosixPath(path.relative_to(settings.BASE_DIR).as_posix()), path.read_text())
        for package in PACKAGES
        for path in sorted((settings.BASE_DIR / package).rglob("*.py"))
        if "migrations" not in path.parts
    ]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.__name__)
def test_the_code_keeps_the_rule(rule: Rule, modules: list[Module]) -> None:
    findings = [
        f"{module.path}:{line}: {what}"
        for module in modules
        if (rule, str(module.path)) not in EXCEPTIONS
        for line, what in rule(module)
    ]

    assert findings == []


def test_the_tests_have_the_same_names_everywhere() -> None:
    findings = [
        f"{path.relative_to(settings.BASE_DIR)}:{line}: {what}"
        for path in sorted((settings.BASE_DIR / "tests").rglob("*.py"))
        for line, what in rules.cases_have_the_same_names_everywhere(Module(PurePosixPath(path), path.read_text()))
    ]

    assert findings == []


@pytest.mark.parametrize(("rule", "path"), EXCEPTIONS, ids=lambda value: getattr(value, "__name__", value))
def test_an_exception_is_still_needed(rule: Rule, path: str) -> None:
    module = Module(PurePosixPath(path), (settings.BASE_DIR / path).read_text())

    assert list(rule(module))


ORDER = "contexts/order/usecases/pay.py"
PLATFORM = "ecommerce/outbox/relay.py"
VIEW = "contexts/cart/views.py"
TEST = "tests/contexts/cart/test_views.py"
MODELS = "contexts/cart/models.py"
LONG_FUNCTION = "def f():\n" + "    x = 1\n" * 60
META = "class Meta:\n    app_label = 'cart'\n"


NOTICED: list[tuple[Rule, str, str]] = [
    (rules.transactions_name_their_database, PLATFORM, "with transaction.atomic():\n    pass"),
    (rules.transactions_name_their_database, PLATFORM, "@transaction.atomic\ndef f(): pass"),
    (rules.transactions_name_their_database, PLATFORM, "transaction.on_commit(f)"),
    (rules.transactions_name_their_database, PLATFORM, "from django.db.transaction import atomic"),
    (rules.transactions_name_their_database, ORDER, "with transaction.atomic(using='order'):\n    pass"),
    (rules.nothing_uses_the_default_connection, PLATFORM, "from django.db import connection"),
    (rules.contexts_stay_in_their_database, ORDER, "connections['catalog'].cursor()"),
    (rules.contexts_stay_in_their_database, ORDER, "ALIAS = 'cart'\nconnections[ALIAS].cursor()"),
    (rules.contexts_stay_in_their_database, ORDER, "Product.objects.using('catalog').all()"),
    (rules.contexts_stay_in_their_database, ORDER, "with unit_of_work('catalog'):\n    pass"),
    (rules.contexts_stay_in_their_database, ORDER, "row.save(using='cart')"),
    (rules.contexts_stay_in_their_database, ORDER, "SQL = 'SELECT 1 FROM catalog_service.products'"),
    (rules.contexts_stay_in_their_database, ORDER, "SQL = f'SELECT {x} FROM cart_service.carts'"),
    (rules.contexts_find_nothing_by_name, PLATFORM, "apps.get_model('catalog', 'Product')"),
    (rules.contexts_find_nothing_by_name, ORDER, "import_module('contexts.catalog.models')"),
    (rules.contexts_find_nothing_by_name, ORDER, "__import__('contexts.catalog.models')"),
    (rules.contexts_have_no_signals, ORDER, "from django.dispatch import receiver"),
    (rules.contexts_have_no_signals, ORDER, "from django.db.models.signals import post_save"),
    (rules.contexts_have_no_signals, ORDER, "from django.db.models import signals"),
    (rules.contexts_have_no_signals, ORDER, "from allauth.account.signals import user_signed_up"),
    (rules.models_take_the_label_of_their_context, MODELS, META),
    (rules.use_cases_take_keywords, ORDER, "def pay(order_id):\n    with unit_of_work('order'): pass"),
    (rules.use_cases_take_keywords, ORDER, "def price(order, now): pass"),
    (rules.use_cases_take_keywords, ORDER, "def price(*orders): pass"),
    (rules.the_time_is_passed_in, ORDER, "x = clock.now()"),
    (rules.the_time_is_passed_in, ORDER, "from ecommerce.clock import now\nx = now()"),
    (rules.the_time_is_passed_in, MODELS, "x = datetime.now(UTC)"),
    (rules.only_models_change_a_status, ORDER, "order.status = 'paid'"),
    (rules.contexts_do_not_call_themselves, VIEW, "from contexts.cart.interface import C\nx = connect(C)"),
    (rules.files_are_short, VIEW, "x = 1\n" * 501),
    (rules.functions_are_short, VIEW, LONG_FUNCTION),
    (rules.nothing_is_printed, VIEW, "print('here')"),
    (rules.nothing_is_left_for_later, VIEW, "x = 1  # TODO: more"),
    (rules.nothing_is_left_for_later, VIEW, "# FIXME\n"),
    (rules.cases_have_the_same_names_everywhere, TEST, "@parametrize('id', [str(new_id())])\ndef test(id): pass"),
    (rules.cases_have_the_same_names_everywhere, TEST, "CASES = [('get', f'carts/{uuid4()}')]"),
]


@pytest.mark.parametrize(("rule", "path", "text"), NOTICED, ids=lambda value: getattr(value, "__name__", None))
def test_the_rule_notices(rule: Rule, path: str, text: str) -> None:
    assert len(list(rule(Module(PurePosixPath(path), text)))) == 1


@pytest.mark.parametrize(
    ("rule", "path", "text"),
    [
        (rules.transactions_name_their_database, PLATFORM, "with transaction.atomic(using=alias, durable=True): pass"),
        (rules.contexts_stay_in_their_database, ORDER, "connections['order'].cursor()"),
        (rules.contexts_stay_in_their_database, ORDER, "document = {'cart': 1}"),
        (rules.contexts_find_nothing_by_name, PLATFORM, "import_module('contexts.cart.handlers')"),
        (rules.use_cases_take_keywords, ORDER, "def pay(*, order_id):\n    with unit_of_work('order'): pass"),
        (rules.use_cases_take_keywords, ORDER, "def lock_order(order_id): pass"),
        (rules.use_cases_take_keywords, ORDER, "def _price(order, now): pass"),
        (rules.the_time_is_passed_in, VIEW, "x = clock.now()"),
        (rules.the_time_is_passed_in, MODELS, "created_at = DateTimeField(default=timezone.now)"),
        (rules.only_models_change_a_status, MODELS, "self.status = 'paid'"),
        (rules.contexts_do_not_call_themselves, VIEW, "from contexts.catalog.interface import C\nx = connect(C)"),
        (rules.nothing_is_printed, "config/management/commands/run.py", "print('here')"),
        (rules.nothing_is_left_for_later, VIEW, "x = 'TODO O BRASIL'"),
        (rules.cases_have_the_same_names_everywhere, TEST, "def test(): assert find(f'{new_id()}') is None"),
        (rules.cases_have_the_same_names_everywhere, TEST, "CASES = [{'id': str(uuid4())}]"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_rule_lets_pass(rule: Rule, path: str, text: str) -> None:
    assert list(rule(Module(PurePosixPath(path), text))) == []


def test_every_rule_has_something_to_notice() -> None:
    assert {rule for rule, _, _ in NOTICED} == {*RULES, rules.cases_have_the_same_names_everywhere}


def test_the_names_of_the_contexts_are_all() -> None:
    assert set(rules.CONTEXTS) == {context.name for context in settings.TOPOLOGY.contexts}
