"""Writing what a product file describes, in batches that are transactions of their own."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice
from typing import Any
from uuid import UUID

import orjson

from contexts.catalog.domain.attributes import Definition, attribute_faults
from contexts.catalog.domain.imports import ALL_FIELDS, DraftProduct, DraftVariant, Rejected
from contexts.catalog.domain.options import MAX_VALUES
from contexts.catalog.models import MovementKind, Product, ProductStatus
from contexts.catalog.queries.sql import execute, fetch
from contexts.catalog.usecases.imports import sql
from contexts.catalog.usecases.imports.categories import ensure_categories
from contexts.catalog.usecases.ledger import Movement, move_stock, publish_adjustments
from contexts.catalog.usecases.prices import apply_prices
from contexts.catalog.usecases.products import announce, definitions
from contexts.catalog.usecases.read_model import refresh_products
from ecommerce.ids import new_id
from ecommerce.money import Money
from ecommerce.unit_of_work import UnitOfWork, unit_of_work

BATCH = 400
"""Products per transaction."""
PRODUCT_FIELDS = ("description", "brand", "attributes", "seo_title", "seo_description")
VARIANT_FIELDS = ("options", "compare_at_price", "weight_grams", "length_mm", "width_mm", "height_mm", "barcode")


@dataclass(kw_only=True)
class ImportReport:
    """``accepted`` counts rows of the file; ``products`` and ``variants`` what they became, new or changed."""

    accepted: int = 0
    products: int = 0
    variants: int = 0
    rejected: list[Rejected] = field(default_factory=list)


@dataclass(frozen=True)
class KnownVariant:
    id: UUID
    sku: str
    product_id: UUID
    options: dict[str, str]
    price: Money


@dataclass
class Shelf:
    """The live variants of a batch's products and those with its SKUs, and the values of the products' options."""

    by_sku: dict[str, KnownVariant] = field(default_factory=dict)
    by_product: defaultdict[UUID, list[KnownVariant]] = field(default_factory=lambda: defaultdict(list))
    taken: dict[tuple[UUID, str], str] = field(default_factory=dict)
    values: defaultdict[tuple[UUID, str], set[str]] = field(default_factory=lambda: defaultdict(set))


@dataclass
class Plan:
    """What one batch will write."""

    products: dict[str, UUID]
    drafts: list[DraftProduct] = field(default_factory=list)
    new: list[dict[str, Any]] = field(default_factory=list)
    changed: list[dict[str, Any]] = field(default_factory=list)
    prices: dict[UUID, Money] = field(default_factory=dict)
    stock: list[Movement] = field(default_factory=list)


def import_catalog(
    *, products: Iterable[DraftProduct | Rejected], actor_id: UUID | None, now: datetime
) -> ImportReport:
    """Create or change what ``products`` describe, by handle and SKU, and report the rows that were refused.

    Of what exists only the fields that are ``given`` change. Attributes, values of options and images are added to what
    is there; options that no variant has any more go. A variant that was withdrawn stays so: a file does not tell.

    Repeating an import changes nothing more: stock is set for new variants only, and existing ones keep theirs.
    Each batch commits on its own, so a failure half-way leaves whole products behind.
    """
    report = ImportReport()
    owners: dict[str, str] = {}
    known = definitions()
    for batch in _batches(products, report):
        drafts = [draft for draft in batch if _usable(draft, owners, known, report)]
        with unit_of_work("catalog") as work:
            _write(work, drafts, report, actor_id=actor_id, now=now)
    report.rejected.sort(key=lambda rejected: rejected.line)
    return report


def _batches(products: Iterable[DraftProduct | Rejected], report: ImportReport) -> Iterator[list[DraftProduct]]:
    """Group the products; rows that could not be read go into the report. A handle comes once per batch."""
    source = iter(products)
    while chunk := list(islice(source, BATCH)):
        report.rejected += [item for item in chunk if isinstance(item, Rejected)]
        drafts = [item for item in chunk if isinstance(item, DraftProduct)]
        while drafts:
            first = {draft.handle: draft for draft in reversed(drafts)}
            yield [draft for draft in drafts if first[draft.handle] is draft]
            drafts = [draft for draft in drafts if first[draft.handle] is not draft]


def _usable(draft: DraftProduct, owners: dict[str, str], known: list[Definition], report: ImportReport) -> bool:
    """Drop the variants whose SKU an earlier row has, and refuse a product with wrong attributes."""
    if faults := dict(attribute_faults(draft.attributes, known)):
        detail = "; ".join(f"{code}: {fault}" for code, fault in faults.items())
        report.rejected += [Rejected(line, "invalid_attributes", detail) for line in draft.lines]
        return False
    for variant in list(draft.variants):
        if variant.sku in owners:
            _refuse(draft, variant, report, "duplicate_sku", f"O SKU {variant.sku} já apareceu no arquivo.")
        owners.setdefault(variant.sku, draft.handle)
    return bool(draft.lines)


def _write(work: UnitOfWork, drafts: list[DraftProduct], report: ImportReport, *, actor_id: UUID | None,
           now: datetime) -> None:  # fmt: skip
    fetch(sql.SERIALIZE)
    existing = {slug for (slug,) in fetch(sql.KNOWN_PRODUCTS, [[draft.handle for draft in drafts]])}
    for draft in drafts:
        if draft.handle not in existing:
            draft.given = ALL_FIELDS
    categories = ensure_categories({draft.category for draft in drafts if draft.name and "category" in draft.given})
    plan = _plan(drafts, report)
    named = [_product_row(draft, plan, categories) for draft in plan.drafts if draft.name]
    if named:
        announce(work, products=Product.objects.raw(sql.UPSERT_PRODUCTS, _parameters(named, now)))
    rows = {
        sql.UPSERT_OPTIONS: [row for draft in plan.drafts for row in _option_rows(draft, plan)],
        sql.UPDATE_VARIANTS: plan.changed,
        sql.INSERT_VARIANTS: plan.new,
        sql.UPSERT_MEDIA: [row for draft in plan.drafts for row in _media_rows(draft, plan)],
    }
    for statement, values in rows.items():
        if values:
            execute(statement, _parameters(values, now))
    execute(sql.DROP_UNUSED_OPTIONS, [[plan.products[draft.handle] for draft in plan.drafts if draft.variants]])
    if plan.stock:
        moves = move_stock(plan.stock, reason="importação", actor_id=actor_id, now=now)
        publish_adjustments(work, moves=moves)
    apply_prices(work, prices=plan.prices, actor_id=actor_id, now=now)
    refresh_products([plan.products[draft.handle] for draft in plan.drafts])
    report.products += len(plan.drafts)
    report.variants += len(plan.new) + len(plan.changed)
    report.accepted += sum(len(draft.lines) for draft in plan.drafts)


def _parameters(rows: list[dict[str, Any]], now: datetime) -> dict[str, Any]:
    return {"rows": orjson.dumps(rows, default=str).decode(), "now": now}


def _plan(drafts: list[DraftProduct], report: ImportReport) -> Plan:
    """Lock what exists, and decide for each row whether it is new, a change, or refused."""
    plan = Plan(dict(fetch(sql.LOCK_PRODUCTS, [[draft.handle for draft in drafts]])))
    shelf = _shelf(drafts, list(plan.products.values()))
    for draft in drafts:
        if not draft.name and draft.handle not in plan.products:
            detail = "A primeira linha de um produto novo precisa do nome."
            report.rejected += [Rejected(line, "product_without_name", detail) for line in draft.lines]
            continue
        product_id = plan.products.setdefault(draft.handle, new_id())
        if "options" not in draft.given:
            draft.variants = [_with_its_options(variant, shelf) for variant in draft.variants]
        for variant, code, detail in [*_taken(draft, product_id, shelf)]:
            _refuse(draft, variant, report, code, detail)
        while misfits := [*_misfits(draft, product_id, shelf)]:
            for variant, detail in misfits:
                _refuse(draft, variant, report, "invalid_options", detail)
        for position, variant in enumerate(draft.variants):
            _plan_variant(plan, draft, variant, product_id, position, shelf.by_sku.get(variant.sku))
        if draft.lines:
            plan.drafts.append(draft)
    return plan


def _shelf(drafts: list[DraftProduct], products: list[UUID]) -> Shelf:
    """Lock the variants that these could touch, and return them."""
    shelf = Shelf()
    skus = [variant.sku for draft in drafts for variant in draft.variants]
    rows = fetch(sql.KNOWN_VARIANTS, {"skus": skus, "products": products})
    for id_, sku, product_id, options, price, currency in rows:
        known = KnownVariant(id_, sku, product_id, orjson.loads(options), Money(price, currency))
        shelf.by_sku[sku] = known
        shelf.by_product[product_id].append(known)
        shelf.taken[product_id, _key(known.options)] = sku
    for product_id, name, values in fetch(sql.OPTION_VALUES, [products]):
        shelf.values[product_id, name] = set(values)
    return shelf


def _with_its_options(variant: DraftVariant, shelf: Shelf) -> DraftVariant:
    known = shelf.by_sku.get(variant.sku)
    return replace(variant, options=known.options) if known else variant


def _taken(draft: DraftProduct, product_id: UUID, shelf: Shelf) -> Iterator[tuple[DraftVariant, str, str]]:
    """Yield the variants whose SKU or options another one has, each with the code and the text of its refusal."""
    for variant in draft.variants:
        known = shelf.by_sku.get(variant.sku)
        owner = shelf.taken.get((product_id, _key(variant.options)), variant.sku)
        if known and known.product_id != product_id:
            yield variant, "sku_of_other_product", f"O SKU {variant.sku} é de outro produto."
        elif owner != variant.sku:
            yield variant, "options_taken", f"O SKU {owner} tem as mesmas opções."
        else:
            shelf.taken[product_id, _key(variant.options)] = variant.sku


def _misfits(draft: DraftProduct, product_id: UUID, shelf: Shelf) -> Iterator[tuple[DraftVariant, str]]:
    """Yield the variants with other options than those of their product that stay as they are, and those with one value
    too many, each with the reason: the product could not be saved any more. A refused one stays as it is: ask again."""
    changed = {variant.sku for variant in draft.variants} if "options" in draft.given else set()
    kept = [tuple(known.options) for known in shelf.by_product[product_id] if known.sku not in changed]
    for variant in draft.variants:
        chosen = {name: shelf.values[product_id, name] | {value} for name, value in variant.options.items()}
        full = [name for name, values in chosen.items() if len(values) > MAX_VALUES]
        if kept and not any(variant.options.keys() == set(names) for names in kept):
            wanted = ", ".join(kept[0]) or "nenhuma opção"
            yield variant, f"Como as outras do produto, a variante deve definir: {wanted}."
        elif full:
            yield variant, f"A opção {full[0]} já tem {MAX_VALUES} valores."
        else:
            shelf.values |= {(product_id, name): values for name, values in chosen.items()}


def _plan_variant(plan: Plan, draft: DraftProduct, variant: DraftVariant, product_id: UUID, position: int,
                  known: KnownVariant | None) -> None:  # fmt: skip
    if known:
        row = {name: getattr(variant, name) for name in VARIANT_FIELDS if name in draft.given}
        plan.changed.append({**row, "id": known.id})
        if known.price.amount != variant.price:
            plan.prices[known.id] = Money(variant.price, known.price.currency)
        return
    id_ = new_id()
    row = {name: getattr(variant, name) for name in ("sku", "price", *VARIANT_FIELDS)}
    plan.new.append({**row, "id": id_, "product_id": product_id, "position": position})
    if variant.stock:
        plan.stock.append(Movement(variant_id=id_, kind=MovementKind.RECEIVE, quantity=variant.stock))


def _refuse(draft: DraftProduct, variant: DraftVariant, report: ImportReport, code: str, detail: str) -> None:
    draft.variants.remove(variant)
    draft.lines.remove(variant.line)
    report.rejected.append(Rejected(variant.line, code, detail))


def _key(options: dict[str, str]) -> str:
    return orjson.dumps(options, option=orjson.OPT_SORT_KEYS).decode()


def _product_row(draft: DraftProduct, plan: Plan, categories: dict[tuple[str, ...], UUID]) -> dict[str, Any]:
    row = {name: getattr(draft, name) for name in PRODUCT_FIELDS if name in draft.given}
    if "category" in draft.given:
        row["category_id"] = categories[draft.category]
    if "status" in draft.given:
        row["status"] = ProductStatus.ACTIVE if draft.on_sale else ProductStatus.DRAFT
    return {**row, "id": plan.products[draft.handle], "slug": draft.handle, "name": draft.name}


def _option_rows(draft: DraftProduct, plan: Plan) -> Iterator[dict[str, Any]]:
    for position, (name, values) in enumerate(draft.options.items()):
        product_id = plan.products[draft.handle]
        yield {"id": new_id(), "product_id": product_id, "name": name, "values": values, "position": position}


def _media_rows(draft: DraftProduct, plan: Plan) -> Iterator[dict[str, Any]]:
    for position, (path, alt) in enumerate(draft.images.items()):
        given = alt if "image_alt" in draft.given else None
        product_id = plan.products[draft.handle]
        yield {"id": new_id(), "product_id": product_id, "path": path, "alt": given, "position": position}
