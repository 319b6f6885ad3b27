"""The shop that is measured: a fresh installation with its demo data, and products of our own in one category."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg.conninfo import make_conninfo

from config.management.commands.run import DEMO_PASSWORD
from ecommerce.db.configuration import administrator_of, connection_parameters, databases
from ecommerce.topology import Topology
from tests.e2e.replay.client import Shop, Staff
from tests.e2e.stack import Shape, Stack, running

STAFF = "admin@loja.example"
CATEGORY = "bancada"
PRODUCTS = 48
PLENTY = 1_000_000
HOT_PIECES = 20
CONTEXTS = ("identity", "catalog", "cart", "order", "promotion", "notification")
OWN_DATABASE = {
    "DATABASE_URL": "",
    "CACHE_URL": "locmemcache://?max_entries=50000",
    "CONTEXTS": "",
    **{f"{context.upper()}_DATABASE_URL": "" for context in CONTEXTS},
}
"""Whatever the environment says, the benchmark has a database server of its own."""


@dataclass(frozen=True)
class Product:
    slug: str
    variant_id: str


@dataclass(frozen=True)
class Measured:
    """An installation with something to buy. ``hot`` are two products with ``HOT_PIECES`` pieces each."""

    stack: Stack
    products: list[Product]
    hot: list[Product]

    @property
    def url(self) -> str:
        return self.stack.url

    def administrator(self, context: str = "catalog") -> psycopg.Connection[Any]:
        """Connect to the database of ``context``, which may be that of all, as its administrator; each statement
        commits."""
        database = self._databases()[context]
        return psycopg.connect(**administrator_of(database, dbname=database["NAME"]), autocommit=True)

    def catalog_dsn(self) -> str:
        """Return how catalog itself connects."""
        return make_conninfo("", **connection_parameters(self._databases()["catalog"]))

    def _databases(self) -> dict[str, dict[str, Any]]:
        topology = Topology.from_environment({}, ports=dict.fromkeys(CONTEXTS, 0))
        return databases(topology, env=self.stack.environment, var_dir=self.stack.var_dir)


@contextmanager
def opened(*, broker_url: str = "pgmq://", shape: Shape = Shape.ONE, **environment: str) -> Iterator[Measured]:
    """Start an installation with two web workers, or with six services that have one each; fill it, and stop and remove
    it afterwards.

    ``environment`` is added to that of its processes.

    Raises:
        StackFailed
    """
    workers = 2 if shape is Shape.ONE else 1
    settings = {"BROKER_URL": broker_url, **OWN_DATABASE, **environment}
    with running(demo=True, web_workers=workers, shape=shape, **settings) as stack:
        shop = Shop(stack.url, connections=1)
        try:
            Staff(shop, shop.log_in(STAFF, DEMO_PASSWORD)).import_products(_products_file())
            slugs = [*(_slug(number) for number in range(PRODUCTS)), "disputado-0", "disputado-1"]
            *products, first, second = [_product(shop, slug) for slug in slugs]
        finally:
            shop.close()
        yield Measured(stack, products, [first, second])


def _slug(number: int) -> str:
    return f"bancada-{number:02d}"


def _product(shop: Shop, slug: str) -> Product:
    return Product(slug, shop.api("GET", f"products/{slug}")["variants"][0]["id"])


def _products_file() -> str:
    """Return our CSV with the products that are measured, each with two variants, and the two disputed ones."""
    file = io.StringIO()
    columns = ("handle", "name", "description", "brand", "category", "option1_name", "option1_value", "sku", "price",
               "weight_grams", "stock", "image_url", "image_alt")  # fmt: skip
    writer = csv.writer(file)
    writer.writerow(columns)
    for number in range(PRODUCTS):
        for colour in ("Azul", "Verde"):
            slug = _slug(number)
            name, about = f"Produto de bancada {number}", f"Medido {number} vezes, nunca vendido. " * 6
            writer.writerow([slug, name, about, "Régua", "Bancada", "Cor", colour, f"{slug}-{colour}".upper(),
                             f"{19 + number}.90", 300, PLENTY, f"products/{slug}.jpg", name])  # fmt: skip
    for number in (0, 1):
        slug = f"disputado-{number}"
        writer.writerow([slug, f"Disputado {number}", "Poucas peças.", "Régua", "Disputados", "", "", slug.upper(),
                         "49.90", 200, HOT_PIECES, "", ""])  # fmt: skip
    return file.getvalue()
