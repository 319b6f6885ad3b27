"""What Django itself refuses to start with: mistakes that no import shows, planted in a copy of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.architecture.copies import append, copy_code, python

FOREIGN_KEY = """
class Favourite(models.Model):
    product = models.ForeignKey("catalog.Product", on_delete=models.CASCADE)
"""
MANY_TO_MANY = """
class Shelf(models.Model):
    products = models.ManyToManyField("catalog.Product")
"""
POSER = """
class Poser(models.Model):
    class Meta:
        app_label = "catalog"
"""
BY_NAME = """
from django.apps import apps
Product = apps.get_model("catalog", "Product")
"""
STOCK_ENGINE = "DATABASES['cart']['ENGINE'] = 'django.db.backends.postgresql'"
SHARED_ROLE = "DATABASES['cart']['USER'] = DATABASES['catalog']['USER']"
DEFAULT_IN_USE = "DATABASES['default'] = DATABASES['cart']"

EVERYBODY = ""
ALONE = "cart"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return copy_code(tmp_path)


@pytest.mark.parametrize(
    ("module", "text", "contexts", "complaint"),
    [
        pytest.param("contexts.cart.models", FOREIGN_KEY, EVERYBODY, "ecommerce.db.E005", id="foreign key by name"),
        pytest.param("contexts.cart.models", FOREIGN_KEY, ALONE, "fields.E300", id="foreign key, alone"),
        pytest.param("contexts.cart.models", MANY_TO_MANY, EVERYBODY, "ecommerce.db.E005", id="many to many"),
        pytest.param("contexts.cart.models", POSER, EVERYBODY, "ecommerce.db.E004", id="label of another context"),
        pytest.param("contexts.cart.handlers", BY_NAME, ALONE, "LookupError", id="model by name, alone"),
        pytest.param("config.settings.test", STOCK_ENGINE, EVERYBODY, "ecommerce.db.E002", id="Django's engine"),
        pytest.param("config.settings.test", SHARED_ROLE, EVERYBODY, "ecommerce.db.E003", id="one role for two"),
        pytest.param("config.settings.test", DEFAULT_IN_USE, EVERYBODY, "ecommerce.db.E001", id="default in use"),
    ],
)
def test_a_planted_mistake_stops_the_start(root: Path, module: str, text: str, contexts: str, complaint: str) -> None:
    append(root, module, text)

    done = python("manage.py", "check", root=root, CONTEXTS=contexts, DJANGO_SETTINGS_MODULE="config.settings.test")

    assert done.returncode != 0
    assert complaint in done.stderr


def test_the_copy_itself_starts(root: Path) -> None:
    done = python("manage.py", "check", root=root, DJANGO_SETTINGS_MODULE="config.settings.test")

    assert done.returncode == 0, done.stderr
