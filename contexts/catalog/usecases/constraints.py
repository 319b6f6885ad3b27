"""What a broken database constraint means to the caller."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import IntegrityError

from ecommerce.errors import Conflict


class SlugTaken(Conflict):
    code = "slug_taken"


class SkuTaken(Conflict):
    code = "sku_taken"


class OptionsTaken(Conflict):
    """Another variant of the product has the same option values."""

    code = "options_taken"


class CategoryNameTaken(Conflict):
    code = "category_name_taken"


REFUSALS: dict[str, tuple[type[Conflict], str]] = {
    "products_one_slug": (SlugTaken, "Outro produto usa este slug."),
    "categories_slug": (SlugTaken, "Outra categoria usa este slug."),
    "variants_one_sku": (SkuTaken, "Outra variante usa este SKU."),
    "variants_one_per_options": (OptionsTaken, "Outra variante do produto tem as mesmas opções."),
    "categories_one_name_per_parent": (CategoryNameTaken, "Já existe uma categoria com este nome aqui."),
}


@contextmanager
def explained() -> Iterator[None]:
    """Turn the violation of a known constraint into its refusal. Wrap the unit of work: it is rolled back first.

    Raises:
        SlugTaken, SkuTaken, OptionsTaken, CategoryNameTaken
    """
    try:
        yield
    except IntegrityError as error:
        for name, (refusal, detail) in REFUSALS.items():
            if name in str(error):
                raise refusal(detail) from error
        raise
