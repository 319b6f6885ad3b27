"""The category tree."""

from __future__ import annotations

from collections.abc import Sequence
from uuid import UUID

from django.db.models import Q

from contexts.catalog.models import Category, Product
from contexts.catalog.queries.sql import execute, fetch_one
from contexts.catalog.usecases.constraints import explained
from contexts.catalog.usecases.read_model import refresh_products
from ecommerce.errors import NotFound
from ecommerce.unit_of_work import unit_of_work

HOLD = "SELECT id FROM categories WHERE id = %s FOR KEY SHARE"
MOVE_DESCENDANTS = """
    UPDATE categories SET ancestor_ids = %(path)s::uuid[] || ancestor_ids[array_position(ancestor_ids, %(id)s):]
    WHERE %(id)s = ANY(ancestor_ids)
"""


class CategoryNotFound(NotFound):
    code = "category_not_found"


def hold_category(category_id: UUID) -> None:
    """Lock a category against being moved until the commit; call it before locking a product to be put into it.

    Raises:
        CategoryNotFound
    """
    if fetch_one(HOLD, [category_id]) is None:
        raise CategoryNotFound("A categoria não existe.")


def create_category(*, name: str, slug: str, parent_id: UUID | None = None, position: int = 0) -> Category:
    """Add a category below ``parent_id`` or at the root.

    Raises:
        CategoryNotFound, SlugTaken, CategoryNameTaken
    """
    with explained(), unit_of_work("catalog"):
        category = Category(name=name, slug=slug, position=position)
        place_category(category, parent_id=parent_id)
        return category


def move_category(*, category_id: UUID, parent_id: UUID | None) -> None:
    """Put a category with all below it under another one, or at the root.

    Raises:
        CategoryNotFound, CategoryCycle, CategoryNameTaken
    """
    with explained(), unit_of_work("catalog"):
        place_category(locked_tree(wanted=[category_id])[category_id], parent_id=parent_id)


def place_category(category: Category, *, parent_id: UUID | None) -> None:
    """Save a new or changed category below ``parent_id`` in an open unit of work, and show what that changes.

    Raises:
        CategoryNotFound, CategoryCycle
    """
    tree = locked_tree(wanted=[parent_id])
    category.place_under(tree[parent_id] if parent_id else None)
    category.save()
    _show(category)


def _show(category: Category) -> None:
    """Bring up to date what depends on a category: the paths below it and the products in the subtree."""
    execute(MOVE_DESCENDANTS, {"path": category.ancestor_ids, "id": category.id})
    below = Category.objects.filter(ancestor_ids__contains=[category.id]).values("id")
    inside = Product.objects.filter(Q(category=category) | Q(category__in=below))
    refresh_products(inside.values_list("id", flat=True))


def locked_tree(*, wanted: Sequence[UUID | None] = ()) -> dict[UUID | None, Category]:
    """Lock the whole tree, which is small and rarely changed, and return it by id.

    Raises:
        CategoryNotFound: one of ``wanted`` is missing.
    """
    nodes = Category.objects.select_for_update().order_by("id")
    tree: dict[UUID | None, Category] = {category.id: category for category in nodes}
    if any(category_id and category_id not in tree for category_id in wanted):
        raise CategoryNotFound("A categoria não existe.")
    return tree
