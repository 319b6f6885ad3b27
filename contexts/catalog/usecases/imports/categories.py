"""The categories that a file names."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from django.utils.text import slugify

from contexts.catalog.models import Category
from contexts.catalog.queries.sql import fetch

Path = tuple[str, ...]

HOLD = "SELECT id FROM categories WHERE id = ANY(%s) ORDER BY id FOR KEY SHARE"


def ensure_categories(paths: Collection[Path]) -> dict[Path, UUID]:
    """Return the category of each path of names, root first; missing ones are made. Holds them until the commit."""
    nodes = Category.objects
    tree = _by_path(list(nodes.all()))
    if any(path not in tree for path in paths):
        tree = _by_path(list(nodes.select_for_update().order_by("id")))
        slugs = {category.slug for category in tree.values()}
        for path in sorted(paths):
            for depth in range(1, len(path) + 1):
                if path[:depth] not in tree:
                    tree[path[:depth]] = _create(path[:depth], tree, slugs)
    found = {path: tree[path].id for path in paths}
    fetch(HOLD, [sorted(set(found.values()))])
    return found


def _by_path(categories: list[Category]) -> dict[Path, Category]:
    by_id = {category.id: category for category in categories}
    return {tuple(by_id[id_].name for id_ in category.path): category for category in categories}


def _create(path: Path, tree: dict[Path, Category], slugs: set[str]) -> Category:
    """Add one category; a slug that is taken is told apart by its parents' names, then by a number."""
    wanted = slugify(path[-1])[:140] or "categoria"
    candidates = [wanted, slugify(" ".join(path))[:130], *(f"{wanted[:130]}-{number}" for number in range(2, 1000))]
    slug = next(candidate for candidate in candidates if candidate and candidate not in slugs)
    slugs.add(slug)
    category = Category(name=path[-1], slug=slug, position=len(tree))
    category.place_under(tree.get(path[:-1]))
    category.save(force_insert=True)
    return category
