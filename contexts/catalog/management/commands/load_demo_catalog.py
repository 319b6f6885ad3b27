"""``manage.py load_demo_catalog``: about 200 products with pictures and reviews. Safe to repeat."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.management.base import BaseCommand

from contexts.catalog.domain.imports import DraftProduct
from contexts.catalog.management.demo.catalogue import ATTRIBUTES, demo_products, number_of
from contexts.catalog.management.demo.pictures import picture
from contexts.catalog.models import AttributeDefinition, Product, Review, ReviewStatus
from contexts.catalog.usecases.imports import import_catalog
from contexts.catalog.usecases.read_model import refresh_products
from ecommerce import clock
from ecommerce.unit_of_work import unit_of_work

OPINIONS = (
    (5, "Superou o que eu esperava", "Chegou antes do prazo e muito bem embalado. Compraria de novo."),
    (5, "Excelente", "Qualidade de primeira, acabamento caprichado."),
    (4, "Muito bom", "Gostei bastante, só o manual poderia ser mais claro."),
    (4, "Vale o preço", "Cumpre o que promete."),
    (3, "Bom, mas esperava mais", "É bonito, porém menor do que parece na foto."),
    (5, "Presente perfeito", "Minha mãe adorou!"),
    (2, "Não era para mim", "Produto honesto, mas não me adaptei. A troca foi fácil."),
)
AUTHORS = ("Ana P.", "Bruno M.", "Carla S.", "Diego R.", "Eduarda L.", "Felipe T.", "Gabriela N.", "Heitor A.")


class Command(BaseCommand):
    help = "Load the demonstration catalog: categories, products, stock, pictures and reviews."

    def handle(self, *args: Any, **options: Any) -> None:
        now = clock.now()
        products = list(demo_products())
        _define_attributes()
        _draw(products)
        report = import_catalog(products=[draft for draft, _ in products], actor_id=None, now=now)
        reviews = _review([draft for draft, _ in products], now=now)
        for rejected in report.rejected:
            self.stderr.write(f"{rejected.line}: {rejected.code} {rejected.detail}")
        if options["verbosity"]:
            self.stdout.write(f"{report.products} products, {report.variants} variants, {reviews} new reviews")


def _define_attributes() -> None:
    with unit_of_work("catalog"):
        AttributeDefinition.objects.bulk_create(
            (
                AttributeDefinition(
                    code=code, name=name, type=type_, unit=unit, choices=list(choices), position=position
                )
                for position, (code, name, type_, unit, choices) in enumerate(ATTRIBUTES)
            ),
            ignore_conflicts=True,
        )


def _draw(products: Iterable[tuple[DraftProduct, str]]) -> None:
    folder = Path(settings.MEDIA_ROOT)
    for draft, icon in products:
        path = folder / next(iter(draft.images))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(picture(handle=draft.handle, name=draft.name, icon=icon), encoding="utf-8")


def _review(drafts: Iterable[DraftProduct], *, now: datetime) -> int:
    """Add up to four approved reviews to most products; return how many are new."""
    with unit_of_work("catalog"):
        handles = [draft.handle for draft in drafts]
        ids = dict(Product.objects.filter(slug__in=handles).values_list("slug", "id"))
        before = Review.objects.count()
        reviews = [_opinion(handle, ids[handle], number, now=now) for handle in handles for number in _numbers(handle)]
        Review.objects.bulk_create(reviews, ignore_conflicts=True)
        refresh_products(list(ids.values()))
        return Review.objects.count() - before


def _numbers(handle: str) -> range:
    return range(number_of(handle, "avaliações") % 5)


def _opinion(handle: str, product_id: UUID, number: int, *, now: datetime) -> Review:
    draw = number_of(handle, "avaliação", str(number))
    rating, title, body = OPINIONS[draw % len(OPINIONS)]
    return Review(
        product_id=product_id,
        customer_id=UUID(int=number_of("cliente", str(number))),
        author_name=AUTHORS[draw // 7 % len(AUTHORS)],
        rating=rating,
        title=title,
        body=body,
        status=ReviewStatus.APPROVED,
        created_at=now - timedelta(days=draw % 200),
    )
