"""The category tree."""

from __future__ import annotations

from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q

from ecommerce.errors import Conflict
from ecommerce.ids import new_id


class CategoryCycle(Conflict):
    """A category cannot be moved below itself."""

    code = "category_cycle"


class Category(models.Model):
    """A node of the tree. ``ancestor_ids`` is its materialised path, root first, without itself."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    parent = models.ForeignKey(
        "self", verbose_name="categoria mãe", on_delete=models.PROTECT, null=True, blank=True, related_name="children"
    )
    name = models.CharField("nome", max_length=120)
    slug = models.SlugField(max_length=140, unique=True)
    position = models.PositiveIntegerField("posição", default=0)
    ancestor_ids = ArrayField(models.UUIDField(), default=list, blank=True, editable=False)
    seo_title = models.CharField("título para buscadores", max_length=120, blank=True, default="")
    seo_description = models.CharField("descrição para buscadores", max_length=320, blank=True, default="")

    class Meta:
        db_table = "categories"
        verbose_name = "categoria"
        verbose_name_plural = "categorias"
        ordering = ("position", "name")
        constraints = (
            models.UniqueConstraint(
                fields=["parent", "name"], name="categories_one_name_per_parent", nulls_distinct=False
            ),
            models.CheckConstraint(
                condition=Q(parent__isnull=True) | ~Q(parent=F("id")), name="categories_not_its_own_parent"
            ),
        )

    def __str__(self) -> str:
        return self.name

    @property
    def path(self) -> list[UUID]:
        """Its ancestors and itself, root first."""
        return [*self.ancestor_ids, self.id]

    def place_under(self, parent: Category | None) -> None:
        """Make ``parent`` (``None``: the root) the parent; the caller moves the descendants and saves.

        Raises:
            CategoryCycle: ``parent`` is this category or one of its descendants.
        """
        path = parent.path if parent else []
        if self.id in path:
            raise CategoryCycle("A categoria não pode ficar abaixo de si mesma.")
        self.parent = parent
        self.ancestor_ids = path
