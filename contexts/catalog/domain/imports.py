"""Reading product files: our own CSV and Shopify's, into one shape.

Both hold one row per variant; the rows of a product share a handle and follow each other, and the first one carries
what belongs to the product. Further rows may add variants, images or both.

A column that the file has is taken as it is, empty cells too. One that it has not says nothing: what exists keeps what
it has there, what is new gets the default.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from html.parser import HTMLParser
from itertools import groupby
from typing import Any

from contexts.catalog.domain.options import MAX_OPTIONS
from ecommerce.codec import Undecodable, read_json
from ecommerce.errors import Invalid

MAX_ROWS = 10_000
MAX_PRICE = Decimal("9999999999.99")
MAX_WHOLE = 2_147_483_647
MAX_HEADER = 10_000
"""Characters: that of a large Shopify template has some three thousand."""
FORMULA = re.compile(r"'*[=+\-@\t\r]")
"""How a text begins that a spreadsheet would calculate instead of showing. The export puts an apostrophe before it."""
HANDLE = re.compile(r"[a-z0-9][a-z0-9_-]{0,199}")
LIMITS = {"name": 200, "brand": 120, "sku": 80, "barcode": 40, "image_url": 500, "seo_title": 120, "category": 600}
BLOCK_TAGS = frozenset({"p", "br", "li", "div", "tr", "h1", "h2", "h3", "h4", "ul", "ol"})
DEFAULT_CATEGORY = "Outros"

COLUMNS = (
    "handle", "name", "description", "brand", "category", "status", "attributes", "seo_title", "seo_description",
    "option1_name", "option1_value", "option2_name", "option2_value", "option3_name", "option3_value", "sku", "price",
    "compare_at_price", "weight_grams", "length_mm", "width_mm", "height_mm", "barcode", "stock", "image_url",
    "image_alt",
)  # fmt: skip
"""The header of our own files, imported and exported."""

SHOPIFY = {
    "handle": "handle", "url handle": "handle", "title": "name", "body (html)": "description",
    "description": "description", "vendor": "brand", "product category": "category", "type": "type",
    "published": "published", "published on online store": "published", "status": "status", "sku": "sku",
    "variant sku": "sku", "variant price": "price", "price": "price", "variant compare at price": "compare_at_price",
    "compare-at price": "compare_at_price", "variant grams": "weight_grams", "weight value (grams)": "weight_grams",
    "variant barcode": "barcode", "barcode": "barcode", "variant inventory qty": "stock",
    "inventory quantity": "stock", "image src": "image_url", "product image url": "image_url",
    "image alt text": "image_alt", "seo title": "seo_title", "seo description": "seo_description",
    **{f"option{number} {part}": f"option{number}_{part}" for number in (1, 2, 3) for part in ("name", "value")},
}  # fmt: skip
"""Shopify's columns, of the older and the newer template, under our names."""

FIELDS = {"type": "category", "published": "status", **{f"option{number}_name": "options" for number in (1, 2, 3)}}
"""What a column is about, if it is not called that itself. The options of a variant are one field."""
ALL_FIELDS = frozenset(FIELDS.get(name, name) for name in COLUMNS)


class UnknownFormat(Invalid):
    """The header is neither ours nor Shopify's."""

    code = "unknown_format"


class TooManyRows(Invalid):
    code = "too_many_rows"


@dataclass(frozen=True)
class Rejected:
    """A row that was not taken. ``line`` counts from 1, the header, in the file as it was sent."""

    line: int
    code: str
    detail: str


@dataclass(frozen=True, kw_only=True)
class DraftVariant:
    """``stock`` is what a new variant starts with; a known one keeps its own."""

    line: int
    sku: str
    options: dict[str, str]
    price: Decimal
    compare_at_price: Decimal | None
    weight_grams: int
    length_mm: int
    width_mm: int
    height_mm: int
    barcode: str
    stock: int


@dataclass(kw_only=True)
class DraftProduct:
    """A product as the file describes it. Without a ``name`` it only adds to a product that exists.

    ``given`` names the fields that the file has a column for: only these change what exists.
    """

    handle: str
    lines: list[int]
    given: frozenset[str] = ALL_FIELDS
    name: str = ""
    description: str = ""
    brand: str = ""
    category: tuple[str, ...] = (DEFAULT_CATEGORY,)
    on_sale: bool = True
    attributes: dict[str, Any] = field(default_factory=dict)
    seo_title: str = ""
    seo_description: str = ""
    variants: list[DraftVariant] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    """Alternative text by path or URL, in order."""

    @property
    def options(self) -> dict[str, list[str]]:
        """The values of each option, in the order of the variants."""
        options: dict[str, dict[str, None]] = {}
        for variant in self.variants:
            for name, value in variant.options.items():
                options.setdefault(name, {})[value] = None
        return {name: list(values) for name, values in options.items()}


class Unreadable(Invalid):
    """The file is not CSV in UTF-8."""

    code = "unreadable_file"


class _Refused(Exception):
    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code)
        self.code = code
        self.detail = detail


@dataclass(frozen=True)
class _Row:
    line: int
    given: frozenset[str]
    cells: Mapping[str, str]

    def __getitem__(self, name: str) -> str:
        return self.cells.get(name, "")


def check_file(text: Iterable[str]) -> None:
    """Read a file through without keeping anything, so that a hopeless one is refused before a row is written.

    Raises:
        UnknownFormat, TooManyRows, Unreadable
    """
    for number, _ in enumerate(_rows(text), start=1):
        if number > MAX_ROWS:
            raise TooManyRows(f"Um arquivo tem no máximo {MAX_ROWS} linhas.")


def read_products(text: Iterable[str]) -> Iterator[DraftProduct | Rejected]:
    """Yield the products of a file and the rows that cannot be read, in the order of the file.

    Raises:
        UnknownFormat, Unreadable
    """
    for handle, rows in groupby(_rows(text), key=lambda row: row["handle"].lower()):
        yield from _product(handle, list(rows))


def _rows(text: Iterable[str]) -> Iterator[_Row]:
    lines = iter(text)
    try:
        header = next(lines, "").lstrip("\ufeff")
        if len(header) > MAX_HEADER:
            raise UnknownFormat("O cabeçalho é longo demais.")
        delimiter = ";" if header.count(";") > header.count(",") else ","
        names = _columns(next(csv.reader([header], delimiter=delimiter), []))
        given = frozenset(FIELDS.get(name, name) for name in names)
        reader = csv.reader(lines, delimiter=delimiter)
        start = 2
        for cells in reader:
            if any(cells):
                values = {name: _clean(cell) for name, cell in zip(names, cells, strict=False) if name}
                yield _Row(start, given, values)
            start = reader.line_num + 2
    except (csv.Error, UnicodeDecodeError) as error:
        raise Unreadable(f"O arquivo não é um CSV em UTF-8: {error}") from error


def _clean(cell: str) -> str:
    """Return a cell without what may not be stored, and without the apostrophe that keeps a spreadsheet from taking it
    for a formula."""
    text = cell.replace("\0", "").strip()
    return text[1:] if text.startswith("'") and FORMULA.match(text, 1) else text


def _columns(header: list[str]) -> list[str]:
    """Return our name for each column, empty for those that we do not read.

    Raises:
        UnknownFormat
    """
    given = [name.strip().casefold() for name in header]
    if {"handle", "name", "sku", "price"} <= set(given):
        return [name if name in COLUMNS else "" for name in given]
    if "title" in given and {"handle", "url handle"} & set(given):
        return [SHOPIFY.get(name, "") for name in given]
    raise UnknownFormat("O cabeçalho não é o do nosso CSV nem o da exportação de produtos da Shopify.")


def _product(handle: str, rows: list[_Row]) -> Iterator[DraftProduct | Rejected]:
    if not HANDLE.fullmatch(handle):
        yield from (Rejected(row.line, "invalid_handle", "O handle deve ter letras sem acento, números e hifens.")
                    for row in rows)  # fmt: skip
        return
    draft = DraftProduct(handle=handle, lines=[], given=rows[0].given)
    described = next((row for row in rows if row["name"]), None)
    if described:
        try:
            _describe(draft, described)
        except _Refused as refused:
            detail = f"{refused.detail} (linha {described.line})"
            yield from (Rejected(row.line, refused.code, detail) for row in rows)
            return
    names = _option_names(rows)
    for row in rows:
        try:
            _add_row(draft, row, names)
        except _Refused as refused:
            yield Rejected(row.line, refused.code, refused.detail)
    if draft.lines:
        yield draft


def _describe(draft: DraftProduct, row: _Row) -> None:
    """Fill in what belongs to the product as a whole."""
    draft.name = _text(row, "name")
    draft.description = plain_text(row["description"])
    draft.brand = _text(row, "brand")
    draft.seo_title = _text(row, "seo_title")
    draft.seo_description = row["seo_description"][:320]
    draft.category = _category(row)
    draft.on_sale = row["status"].lower() in ("", "active", "ativo") and row["published"].lower() != "false"
    if row["attributes"]:
        draft.attributes = _attributes(row["attributes"])


def _add_row(draft: DraftProduct, row: _Row, names: list[str]) -> None:
    image, alt = _text(row, "image_url"), row["image_alt"][:200]
    if row["price"] or row["sku"] or row["option1_value"] or not image:
        draft.variants.append(_variant(draft, row, names))
    if image:
        draft.images.setdefault(image, alt)
    draft.lines.append(row.line)


def _variant(draft: DraftProduct, row: _Row, names: list[str]) -> DraftVariant:
    options = {}
    for number, name in enumerate(names, start=1):
        value = row[f"option{number}_value"]
        if not value or len(value) > 80:
            raise _Refused("missing_option_value", f"Falta o valor de {name}.")
        options[name] = value
    price = _amount(row["price"], "price")
    if price is None:
        raise _Refused("missing_price", "Falta o preço.")
    return DraftVariant(
        line=row.line,
        sku=_text(row, "sku") or _made_up_sku(draft.handle, options),
        options=options,
        price=price,
        compare_at_price=_amount(row["compare_at_price"], "compare_at_price"),
        weight_grams=_whole(row, "weight_grams"),
        length_mm=_whole(row, "length_mm"),
        width_mm=_whole(row, "width_mm"),
        height_mm=_whole(row, "height_mm"),
        barcode=_text(row, "barcode").lstrip("'"),
        stock=max(_whole(row, "stock", negative=True), 0),
    )


def _option_names(rows: list[_Row]) -> list[str]:
    """Return the names of the options in use; a product without options has Shopify's "Title: Default Title"."""
    names = []
    for number in range(1, MAX_OPTIONS + 1):
        name = next((row[f"option{number}_name"] for row in rows if row[f"option{number}_name"]), "")
        values = {row[f"option{number}_value"] for row in rows} - {""}
        if name and values and not (name == "Title" and values == {"Default Title"}):
            names.append(name[:60])
    return names


def _made_up_sku(handle: str, options: Mapping[str, str]) -> str:
    """Return the same SKU for the same handle and options, for files that leave it out."""
    words = [handle, *options.values()]
    return re.sub(r"[^A-Z0-9]+", "-", "-".join(words).upper()).strip("-")[:80]


def _category(row: _Row) -> tuple[str, ...]:
    path = tuple(part.strip()[:120] for part in _text(row, "category").split(">") if part.strip())
    return path or ((row["type"][:120],) if row["type"] else (DEFAULT_CATEGORY,))


def _attributes(text: str) -> dict[str, Any]:
    try:
        attributes = read_json(text.encode())
    except Undecodable:
        attributes = None
    if not isinstance(attributes, dict):
        raise _Refused("invalid_attributes", "Os atributos devem ser um objeto JSON.")
    return attributes


def _text(row: _Row, name: str) -> str:
    value = row[name]
    if len(value) > LIMITS[name]:
        raise _Refused("too_long", f"{name} tem mais de {LIMITS[name]} letras.")
    return value


def _amount(text: str, name: str) -> Decimal | None:
    if not text:
        return None
    try:
        amount = Decimal(text.replace(",", ".") if "." not in text else text)
    except InvalidOperation:
        raise _Refused(f"invalid_{name}", f"{text!r} não é um valor.") from None
    if not amount.is_finite() or not 0 <= amount <= MAX_PRICE or amount != round(amount, 2):
        raise _Refused(f"invalid_{name}", f"{text!r} não é um valor com até dois decimais.")
    return round(amount, 2)


def _whole(row: _Row, name: str, *, negative: bool = False) -> int:
    text = row[name]
    if not text:
        return 0
    try:
        number = Decimal(text)
    except InvalidOperation:
        number = Decimal("NaN")
    if not number.is_finite():
        raise _Refused(f"invalid_{name}", f"{text!r} não é um número inteiro.")
    if not (-MAX_WHOLE if negative else 0) <= number <= MAX_WHOLE:
        raise _Refused(f"invalid_{name}", f"{text!r} está fora dos limites.")
    return int(number)


class _PlainText(HTMLParser):
    """Collects the text of HTML, a line per block."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in ("script", "style"):
            self._hidden += 1
        elif tag in BLOCK_TAGS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in ("script", "style"):
            self._hidden = max(self._hidden - 1, 0)
        elif tag in BLOCK_TAGS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.parts.append(data)


def plain_text(html: str) -> str:
    """Return the text of an HTML description; plain text passes, so nothing executable reaches the shop."""
    if "<" not in html:
        return html
    parser = _PlainText()
    parser.feed(html)
    parser.close()
    lines = (" ".join(line.split()) for line in "".join(parser.parts).splitlines())
    return "\n".join(line for line in lines if line)
