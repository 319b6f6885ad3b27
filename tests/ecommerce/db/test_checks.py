from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from django.apps import AppConfig
from django.conf import settings
from django.core.checks import CheckMessage
from django.db import models

from ecommerce.db.checks import check_aliases, check_models


def found(problems: Sequence[CheckMessage]) -> list[str | None]:
    return [problem.id for problem in problems]


def configs(registry: Any) -> list[AppConfig]:
    return list(registry.get_app_configs())


def test_the_project_is_clean() -> None:
    assert check_aliases(None) == []
    assert check_models(None) == []


def test_a_default_database_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["default"], "ENGINE", "ecommerce.db.engine")

    assert found(check_aliases(None)) == ["ecommerce.db.E001"]


def test_another_engine_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["cart"], "ENGINE", "django.db.backends.postgresql")

    assert found(check_aliases(None)) == ["ecommerce.db.E002"]


def test_a_context_without_an_alias_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(settings.DATABASES, "cart")

    assert found(check_aliases(None)) == ["ecommerce.db.E002"]


def test_two_contexts_with_one_role_are_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(settings.DATABASES["cart"], "USER", settings.DATABASES["catalog"]["USER"])

    assert found(check_aliases(None)) == ["ecommerce.db.E003"]


@pytest.mark.django_isolate_apps("contexts.catalog", "contexts.cart")
def test_a_foreign_key_into_another_context_is_reported(django_isolated_apps: Any) -> None:
    class Product(models.Model):
        __module__ = "contexts.catalog.models"

        class Meta:
            app_label = "catalog"

    class Line(models.Model):
        __module__ = "contexts.cart.models"
        product = models.ForeignKey(Product, on_delete=models.CASCADE)

        class Meta:
            app_label = "cart"

    (problem,) = check_models(configs(django_isolated_apps))

    assert problem.id == "ecommerce.db.E005"
    assert "cart.Line.product" in problem.msg


@pytest.mark.django_isolate_apps("contexts.cart")
def test_a_foreign_key_by_name_into_a_context_that_runs_elsewhere_is_reported(django_isolated_apps: Any) -> None:
    class Line(models.Model):
        __module__ = "contexts.cart.models"
        product = models.ForeignKey("catalog.Product", on_delete=models.CASCADE)

        class Meta:
            app_label = "cart"

    assert found(check_models(configs(django_isolated_apps))) == ["ecommerce.db.E005"]


@pytest.mark.django_isolate_apps("contexts.cart")
def test_a_many_to_many_into_another_context_is_reported(django_isolated_apps: Any) -> None:
    class Line(models.Model):
        __module__ = "contexts.cart.models"
        products = models.ManyToManyField("catalog.Product")

        class Meta:
            app_label = "cart"

    assert "ecommerce.db.E005" in found(check_models(configs(django_isolated_apps)))


@pytest.mark.django_isolate_apps("contexts.cart")
def test_relations_within_a_context_are_fine(django_isolated_apps: Any) -> None:
    class Basket(models.Model):
        __module__ = "contexts.cart.models"

        class Meta:
            app_label = "cart"

    class Line(models.Model):
        __module__ = "contexts.cart.models"
        basket = models.ForeignKey(Basket, on_delete=models.CASCADE)
        related = models.ManyToManyField("self")

        class Meta:
            app_label = "cart"

    assert check_models(configs(django_isolated_apps)) == []


@pytest.mark.django_isolate_apps("contexts.cart", "contexts.catalog")
def test_a_model_that_poses_as_another_contexts_is_reported(django_isolated_apps: Any) -> None:
    class Disguised(models.Model):
        __module__ = "contexts.cart.models"

        class Meta:
            app_label = "catalog"

    assert found(check_models(configs(django_isolated_apps))) == ["ecommerce.db.E004"]
